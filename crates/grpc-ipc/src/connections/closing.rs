//! The end of a channel.

use std::sync::Weak;

use super::Connections;

/// The progress of closing a channel.
#[derive(Default)]
pub(super) struct Ending {
    closed: bool,
    /// Connections that exist, or are being made.
    connections: usize,
}

impl Connections {
    /// Makes no more calls; running calls go on.
    pub(crate) fn close(&self) {
        let mut ended = Vec::new();
        self.update(|state| {
            state.closed = true;
            // Each ends when its last call does.
            ended = std::mem::take(&mut state.connections);
        });
        self.ending.send_modify(|ending| ending.closed = true);
        self.limit.close();
        ended.iter().for_each(|connection| connection.wake_waiting());
    }

    /// Waits until the channel is closed and the last connection has ended.
    pub(crate) async fn closed(&self) {
        // The sender is in `self`.
        _ = self.ending.subscribe().wait_for(|ending| ending.closed && ending.connections == 0).await;
    }

    /// Waits until the channel is being closed.
    pub(super) async fn closing(&self) {
        _ = self.ending.subscribe().wait_for(|ending| ending.closed).await;
    }
}

/// Marks that a connection exists, or is being made, until it is dropped.
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
