//! The end of a channel.

use std::sync::Weak;

use super::Connections;

/// The progress of closing a channel.
#[derive(Default)]
pub(super) struct Ending {
    closed: bool,
    /// Connections that are open, or being opened.
    connections: usize,
}

impl Connections {
    /// Ends the channel. Running calls continue.
    pub(crate) fn close(&self) {
        let mut ended = Vec::new();
        self.update(|state| {
            state.closed = true;
            // Each connection ends with its last call.
            ended = std::mem::take(&mut state.connections);
        });
        self.ending.send_modify(|ending| ending.closed = true);
        self.limit.close();
        ended.iter().for_each(|connection| connection.wake_waiting());
    }

    /// Waits until the channel is closed and the last connection has ended.
    pub(crate) async fn closed(&self) {
        // `self` holds the sender.
        _ = self.ending.subscribe().wait_for(|ending| ending.closed && ending.connections == 0).await;
    }

    /// Waits until the channel is being closed.
    pub(super) async fn closing(&self) {
        _ = self.ending.subscribe().wait_for(|ending| ending.closed).await;
    }
}

/// Marks that a connection is open or being opened. Dropping it removes the mark.
pub(super) struct Existing(Weak<Connections>);

impl Existing {
    pub(super) fn new(connections: Weak<Connections>) -> Self {
        count(&connections, |count| count + 1);
        Self(connections)
    }
}

impl Drop for Existing {
    fn drop(&mut self) {
        count(&self.0, |count| count - 1);
    }
}

fn count(connections: &Weak<Connections>, change: impl FnOnce(usize) -> usize) {
    if let Some(connections) = connections.upgrade() {
        connections.ending.send_modify(|ending| ending.connections = change(ending.connections));
    }
}
