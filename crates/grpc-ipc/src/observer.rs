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
/// It has one method for all events, so an observer can pass them on, to a log or a queue, in one place, and an event
/// added later does not break it.
///
/// Events come from the tasks of connections, so an observer must not block. If it panics, the panic is caught and
/// logged, and has no other effect.
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
    /// Something has happened.
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
    /// A server serves a connection, or a channel can call on one.
    #[non_exhaustive]
    Connected {
        /// Which one.
        connection: &'a ConnectionInfo,
    },
    /// A server refuses a client. Three kinds of refusals are only logged: of a client that the transport cannot
    /// identify, of one whose TLS handshake fails, and by a [listener](crate::Server::listener) of your own.
    #[non_exhaustive]
    Refused {
        /// The client.
        peer: &'a Peer,
        /// The address that it connected to.
        address: &'a Address,
        /// Why it is not served.
        why: Refusal<'a>,
    },
    /// An attempt of a channel to connect failed. If a connection is needed, another attempt follows after a pause.
    #[non_exhaustive]
    ConnectFailed {
        /// Where the server was expected.
        address: &'a Address,
        /// Why there is no connection.
        error: &'a ConnectError,
    },
    /// A connection that was [connected](Event::Connected) has ended.
    #[non_exhaustive]
    Disconnected {
        /// Which one.
        connection: &'a ConnectionInfo,
        /// How it ended.
        end: &'a End,
        /// How long it was connected.
        duration: Duration,
        /// Its bytes and calls.
        traffic: Traffic,
    },
}

/// Why a server does not serve a client.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Refusal<'a> {
    /// The access policy of the listener does not let it in.
    AccessPolicy(&'a Refused),
    /// Its user has too many connections
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

    /// Its number, unique among the connections of this process on both sides. The `connection` spans of `tracing` have
    /// it, too.
    pub fn id(&self) -> u64 {
        self.id
    }

    /// The peer at the other end.
    pub fn peer(&self) -> &Peer {
        &self.peer
    }

    /// The address of the listener that accepted it, or that the channel connected to.
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
            // The panic hook has reported the message.
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
    /// Whether its `Connected` event was sent.
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

    /// Calls can be made on it.
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
