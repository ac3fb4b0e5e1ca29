use std::io;
use std::sync::{Arc, Weak};

use grpc_ipc_core::{Address, Backoff, BoxConnection, ConnectError, Connection as _, Connector as _};
use grpc_ipc_http2::Error;
use grpc_ipc_http2::client::{self, SendRequest};
use tokio::time::{Instant, timeout_at};
use tracing::Instrument as _;

use super::closing::Existing;
use super::{Connections, deadline_after};
use crate::Event;
use crate::observer::Observed;
use crate::sync::{in_runtime, spawn};

impl Connections {
    /// Opens a connection, and waits until the server has begun HTTP/2.
    pub(super) async fn open(self: &Arc<Self>) -> Result<Arc<SendRequest>, ConnectError> {
        if !in_runtime() {
            return Err(self.no_runtime());
        }
        let opening = Opening::begin(self);
        let _existing = Existing::new(Arc::downgrade(self));
        let deadline = deadline_after(self.options.connect_timeout);
        let mut opened = self.try_open(deadline).await;
        let mut backoff = Backoff::connect();
        for _ in 0..TRIES_OF_CLOSED {
            // A server that is ending closes the clients that it has not accepted; over pipes, one instance after the
            // other. Another server may already be listening.
            if !matches!(opened, Err(ConnectError::Closed { .. })) {
                break;
            }
            backoff.wait().await;
            opened = self.try_open(deadline).await;
        }
        opening.end(&opened);
        if let Err(error) = &opened {
            self.options.observers.tell(&Event::ConnectFailed { address: self.address(), error });
        }
        opened
    }

    async fn try_open(self: &Arc<Self>, deadline: Instant) -> Result<Arc<SendRequest>, ConnectError> {
        let connection: BoxConnection = self.connector.connect(deadline).await?;
        let deadline = match self.options.handshake_timeout {
            Some(timeout) => deadline.min(deadline_after(timeout)),
            None => deadline,
        };
        let peer = connection.peer().clone();
        // The deadline is the limit.
        let mut http2 = self.options.http2.clone().handshake_timeout(self.options.connect_timeout);
        if let Some(interval) = self.state().remove_unusable().keepalive {
            http2 = http2.keepalive(interval);
        }
        // Only TLS provides certificates, and a TLS server always presents one.
        if peer.certificates().is_some() {
            http2 = http2.https(true);
        }
        http2 = http2.reads_at_once(connection.reads_at_once());
        let (calls, connection) = client::handshake(connection, &http2);
        let observed = {
            let address = Arc::new(self.address().clone());
            let record = connection.record();
            Arc::new(Observed::new(self.options.observers.clone(), peer.clone(), address, record))
        };
        let span = observed.span();
        let until_end = Arc::clone(&observed);
        let this = Arc::downgrade(self);
        let existing = Existing::new(Weak::clone(&this));
        let gone = (calls.gone(), Gone(Weak::clone(&this)));
        spawn(async move {
            let (gone, _told) = gone;
            gone.await;
        });
        let running = async move {
            let _existing = existing;
            // Dropped after the connection, even if the task is dropped.
            let _observed = until_end;
            // Calls and observers receive the error.
            _ = connection.await;
        };
        spawn(running.instrument(span));
        let failed = match timeout_at(deadline, calls.established()).await {
            Ok(Ok(())) => {
                self.state().server = Some(peer);
                observed.connected();
                return Ok(Arc::new(calls));
            }
            Ok(Err(error)) => error,
            Err(_) => Error::HandshakeTimeout,
        };
        Err(connect_error(self.connector.address().clone(), failed))
    }
}

/// Marks that a connection is being opened. Dropping it removes the mark.
struct Opening<'a>(&'a Connections);

impl<'a> Opening<'a> {
    fn begin(connections: &'a Connections) -> Self {
        connections.update(|state| state.opening += 1);
        Self(connections)
    }

    fn end(self, opened: &Result<Arc<SendRequest>, ConnectError>) {
        self.0.update(|state| {
            state.opening -= 1;
            state.failed = opened.is_err();
            if let Ok(connection) = opened
                && !state.closed
            {
                state.connections.push(Arc::clone(connection));
                state.remove_unusable();
            }
        });
        std::mem::forget(self);
    }
}

impl Drop for Opening<'_> {
    fn drop(&mut self) {
        if at_end_of_model() {
            return;
        }
        self.0.update(|state| state.opening -= 1);
    }
}

/// Whether the model checker may be dropping tasks while others are in the middle of an operation. Waiting for a lock
/// is impossible then. The checker does not examine the state that a channel reports.
fn at_end_of_model() -> bool {
    cfg!(shuttle)
}

/// When dropped, reports that a connection takes no more calls. The end of the connection's runtime drops it, too.
struct Gone(Weak<Connections>);

impl Drop for Gone {
    fn drop(&mut self) {
        if !at_end_of_model()
            && let Some(connections) = self.0.upgrade()
        {
            connections.update(|state| state.failed = false);
        }
    }
}

/// The reason why the server has not begun HTTP/2, as an error of connecting.
fn connect_error(address: Address, error: Error) -> ConnectError {
    match error {
        Error::Forbidden => ConnectError::Rejected { address },
        Error::TooManyConnections => ConnectError::TooManyConnections { address },
        Error::HandshakeTimeout => ConnectError::TimedOut { address },
        Error::ClosedAtOnce | Error::Closed => {
            ConnectError::Closed { address, source: io::ErrorKind::ConnectionReset.into() }
        }
        error => ConnectError::Io { address, action: "speak HTTP/2", source: io::Error::other(error) },
    }
}

/// How often a channel connects again after the server closed a connection at once. The attempts take a few
/// milliseconds.
const TRIES_OF_CLOSED: usize = 3;
