use std::future::ready;
use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Weak};

use futures_util::FutureExt as _;
use grpc_ipc_core::{Backoff, Connector as _};
use grpc_ipc_http2::client::SendRequest;
use tokio::sync::watch;

use super::failure::NotConnected;
use super::idle::end_when_idle;
use super::pace::Pace;
use super::{Connecting, Connections, Opened, State};
use crate::ConnectivityState;
use crate::sync::{in_runtime, spawn};

impl Connections {
    /// Starts the attempt that all calls wait for (or, with `wait`, attempts until one succeeds). It runs in a task of
    /// its own, as long as a call waits for it.
    pub(super) fn connecting(self: &Arc<Self>, state: &mut State, wait: bool) -> Connecting {
        if !in_runtime() {
            return ready(Some(Err(NotConnected::new(self.no_runtime())))).boxed();
        }
        if state.closed {
            return ready(Some(Err(NotConnected::Closed))).boxed();
        }
        let shared = if wait { &mut state.waiting } else { &mut state.connecting };
        let attempt = shared.as_ref().and_then(Weak::upgrade);
        let mut opened = match attempt.filter(|attempt| attempt.borrow().is_none()) {
            Some(attempt) => attempt.subscribe(),
            None => {
                let (attempt, opened) = watch::channel(None);
                let attempt = Arc::new(attempt);
                *shared = Some(Arc::downgrade(&attempt));
                let this = Arc::clone(self);
                spawn(async move {
                    // A panic would leave the calls waiting.
                    let opening = AssertUnwindSafe(this.first(wait)).catch_unwind();
                    tokio::select! {
                        biased;
                        opened = opening => {
                            let opened = opened.unwrap_or_else(|panic| Err(NotConnected::panicked(&*panic)));
                            drop(attempt.send(Some(opened)));
                        }
                        () = this.closing() => drop(attempt.send(Some(Err(NotConnected::Closed)))),
                        () = attempt.closed() => {}
                    }
                });
                opened
            }
        };
        async move { opened.wait_for(Option::is_some).await.ok()?.clone() }.boxed()
    }

    async fn first(self: &Arc<Self>, wait: bool) -> Opened {
        match wait {
            true => self.sooner_or_later().await,
            false => self.open().await.map_err(NotConnected::new),
        }
    }

    /// Waits until an attempt succeeds, or fails in a way that would repeat. It shares attempts with the calls that do
    /// not wait for a server.
    async fn sooner_or_later(self: &Arc<Self>) -> Opened {
        let mut states = self.connectivity.subscribe();
        let mut pace = Pace::new();
        loop {
            let watch = pace.begin(self.connector.appears()).await;
            let attempt = {
                let mut state = self.state();
                if let Some(connection) = state.connections.iter().find(|connection| connection.is_usable()) {
                    return Ok(Arc::clone(connection));
                }
                self.connecting(&mut state, false)
            };
            match attempt.await {
                Some(Err(error)) if error.is_transient() => {}
                Some(opened) => return opened,
                // The attempt belonged to another runtime.
                None => {}
            }
            tokio::select! {
                () = pace.pause(watch) => {}
                // A call that does not wait for a server has connected.
                _ = states.wait_for(|state| *state == ConnectivityState::Ready) => {}
            }
        }
    }

    /// Opens an additional connection, and then wakes the calls that wait for a stream. It gives up when no other
    /// connection is left.
    pub(super) async fn grow(self: Arc<Self>) {
        // It does not keep an unused channel alive.
        let growing = Growing(Arc::downgrade(&self));
        let mut this = self;
        let mut backoff = Backoff::accept();
        loop {
            let opening = AssertUnwindSafe(this.open()).catch_unwind();
            let opened = tokio::select! {
                opened = opening => opened,
                () = this.closing() => return,
            };
            let idle_timeout = this.options.idle_timeout;
            drop(this);
            let opened = opened.ok().and_then(Result::ok).filter(|connection| connection.is_usable());
            let failed = opened.is_none();
            if let Some(connection) = opened {
                let connections = Weak::clone(&growing.0);
                spawn(end_when_idle(connections, Arc::downgrade(&connection), idle_timeout));
            }
            if failed {
                backoff.wait().await;
            }
            match growing.0.upgrade() {
                Some(connections) => this = connections,
                None => return,
            }
            let state = this.state();
            let full = |connection: &Arc<SendRequest>| connection.is_usable() && !connection.has_room();
            if !failed || state.connections.is_empty() || !state.connections.iter().all(full) {
                return;
            }
        }
    }
}

/// Marks that an additional connection is being opened. Dropping it, even at the end of the runtime, removes the mark.
struct Growing(Weak<Connections>);

impl Drop for Growing {
    fn drop(&mut self) {
        let Some(this) = self.0.upgrade() else { return };
        let mut state = this.state();
        state.growing = false;
        state.generation += 1;
        let connections = state.connections.clone();
        drop(state);
        connections.iter().for_each(|connection| connection.wake_waiting());
    }
}
