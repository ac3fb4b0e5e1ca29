//! The events of connections that programs can observe.

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use grpc_ipc_core::{Address, ConnectError, Peer, Refused};
use grpc_ipc_http2::{End, Record, Traffic};
use tokio::time::Instant;

/// Receives the events of the connections of a [`Server`](crate::Server::observe) or a
/// [`Channel`](crate::ConnectOptions::observe). Closures are observers.
///
/// It has one method for all events. An observer can pass all of them to a log or a queue in one place, and events that
/// are added later do not break it.
///
/// The tasks of connections call it, so it must not block. If it panics, the server or the channel catches and logs the
/// panic, and continues.
///
/// ```
/// # use grpc_ipc_proto::greet::greeter_server::{Greeter, GreeterServer};
/// use grpc_ipc::{Event, Server};
///
/// # fn example(greeter: impl Greeter) {
/// let server = Server::builder().add_service(GreeterServer::new(greeter)).observe(|event: &Event<'_>| match event {
///     Event::Connected { connection, .. } => println!("{} has connected", connection.peer()),
///     Event::Refused { peer, why, .. } => println!("{peer} was refused: {why}"),
///     Event::Disconnected { connection, end, traffic, .. } => {
///         println!("{} has gone after {} calls: {end}", connection.peer(), traffic.calls);
///     }
///     _ => {}
/// });
/// # }
/// ```
pub trait Observer: Send + Sync + 'static {
    /// Receives an event.
    fn on_event(&self, event: &Event<'_>);
}

impl<F: Fn(&Event<'_>) + Send + Sync + 'static> Observer for F {
    fn on_event(&self, event: &Event<'_>) {
        self(event);
    }
}

/// An event that an [`Observer`] receives.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Event<'a> {
    /// A connection is ready: the server serves it, or the channel can make calls on it.
    #[non_exhaustive]
    Connected {
        /// The connection.
        connection: &'a ConnectionInfo,
    },
    /// The server refuses a client. A refusal is logged, but not reported here, if the transport cannot identify the
    /// client, if the TLS handshake fails, or if a [listener](crate::Server::listener) of your own refuses the client.
    #[non_exhaustive]
    Refused {
        /// The client.
        peer: &'a Peer,
        /// The address that the client connected to.
        address: &'a Address,
        /// The reason.
        why: Refusal<'a>,
    },
    /// A channel failed to connect. If it still needs a connection, it tries again after a pause.
    #[non_exhaustive]
    ConnectFailed {
        /// The address of the server.
        address: &'a Address,
        /// The reason.
        error: &'a ConnectError,
    },
    /// A connection that was [connected](Event::Connected) has ended.
    #[non_exhaustive]
    Disconnected {
        /// The connection.
        connection: &'a ConnectionInfo,
        /// How it ended.
        end: &'a End,
        /// How long it was open.
        duration: Duration,
        /// The number of its bytes and calls.
        traffic: Traffic,
    },
}

/// Why a server does not serve a client.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Refusal<'a> {
    /// The listener's access policy refuses the client.
    AccessPolicy(&'a Refused),
    /// The client's user has too many connections
    /// ([`Server::max_connections_per_user`](crate::Server::max_connections_per_user)).
    TooManyConnections,
}

impl fmt::Display for Refusal<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::AccessPolicy(refused) => refused.fmt(f),
            Self::TooManyConnections => f.write_str("its user has too many connections"),
        }
    }
}

/// The connection in an [`Event`].
#[derive(Clone, Debug)]
pub struct ConnectionInfo {
    id: u64,
    peer: Peer,
    address: Arc<Address>,
}

impl ConnectionInfo {
    fn new(peer: Peer, address: Arc<Address>) -> Self {
        static LAST: AtomicU64 = AtomicU64::new(0);
        Self { id: LAST.fetch_add(1, Ordering::Relaxed) + 1, peer, address }
    }

    /// The number of the connection, unique in this process on both sides. The `connection` spans of `tracing` have it,
    /// too.
    pub fn id(&self) -> u64 {
        self.id
    }

    /// The peer at the other end.
    pub fn peer(&self) -> &Peer {
        &self.peer
    }

    /// The address of the listener that accepted the connection, or that the channel connected to.
    pub fn address(&self) -> &Address {
        &self.address
    }

    /// The span that the task of the connection runs in.
    fn span(&self) -> tracing::Span {
        tracing::debug_span!(
            "connection",
            id = self.id,
            address = %self.address,
            peer.transport = self.peer.transport(),
            peer.pid = self.peer.pid(),
            peer.user = self.peer.user().map(tracing::field::display),
            peer.address = self.peer.remote_addr().map(tracing::field::display),
        )
    }
}

/// All observers of a server or a channel.
#[derive(Clone, Default)]
pub(crate) struct Observers(Vec<Arc<dyn Observer>>);

impl Observers {
    pub(crate) fn add(&mut self, observer: impl Observer) {
        self.0.push(Arc::new(observer));
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn tell(&self, event: &Event<'_>) {
        for observer in &self.0 {
            // The panic hook has already reported the message.
            if catch_unwind(AssertUnwindSafe(|| observer.on_event(event))).is_err() {
                tracing::error!(?event, "an observer panicked");
            }
        }
    }
}

impl fmt::Debug for Observers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} observers", self.0.len())
    }
}

/// A connection whose events observers receive. Dropping it reports the end of the connection.
pub(crate) struct Observed {
    observers: Observers,
    connection: ConnectionInfo,
    record: Record,
    since: Instant,
    /// Whether the `Connected` event was sent.
    is_connected: AtomicBool,
}

impl Observed {
    pub(crate) fn new(observers: Observers, peer: Peer, address: Arc<Address>, record: Record) -> Self {
        let connection = ConnectionInfo::new(peer, address);
        Self { observers, connection, record, since: Instant::now(), is_connected: AtomicBool::new(false) }
    }

    pub(crate) fn span(&self) -> tracing::Span {
        self.connection.span()
    }

    /// Reports that calls can be made on the connection.
    pub(crate) fn connected(&self) {
        let connection = &self.connection;
        tracing::debug!(id = connection.id, peer = %connection.peer, address = %connection.address, "connected");
        self.is_connected.store(true, Ordering::Relaxed);
        self.observers.tell(&Event::Connected { connection });
    }
}

impl Drop for Observed {
    fn drop(&mut self) {
        let end = self.record.end().unwrap_or(End::Cut);
        let Self { connection: ConnectionInfo { id, peer, .. }, since, .. } = self;
        let (traffic, duration) = (self.record.traffic(), since.elapsed());
        let Traffic { bytes_received, bytes_sent, calls, .. } = traffic;
        match &end {
            End::Failed(error) => tracing::debug!(
                id, %peer, ?duration, calls, bytes_received, bytes_sent, %error, "disconnected"
            ),
            end => tracing::debug!(
                id, %peer, ?duration, calls, bytes_received, bytes_sent, reason = %end, "disconnected"
            ),
        }
        if self.is_connected.load(Ordering::Relaxed) {
            let connection = &self.connection;
            self.observers.tell(&Event::Disconnected { connection, end: &end, duration, traffic });
        }
    }
}
