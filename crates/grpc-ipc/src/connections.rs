use std::any::Any;
use std::future::ready;
use std::io;
use std::panic::AssertUnwindSafe;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, PoisonError, Weak};
use std::time::Duration;

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use grpc_ipc_core::{
    Address, Backoff, BoxConnection, BoxConnector, ConnectError, Connection as _, Connector as _, Peer,
};
use grpc_ipc_http2::client::{self, SendRequest};
use grpc_ipc_http2::{Error, Reason, Side};
use tokio::sync::watch;
use tokio::time::{Instant, timeout_at};
use tonic::Status;

use crate::Http2Options;
use crate::status::status_from_connect;
use crate::sync::{Mutex, MutexGuard, in_runtime, spawn};

/// The connections of a channel: usually one, made when it is needed and again when it broke; more when the server
/// allows no more calls on it.
pub(crate) struct Connections {
    connector: BoxConnector,
    options: ConnectionsOptions,
    state: Mutex<State>,
    /// How many calls have gone the general way.
    pub(crate) general_calls: AtomicU64,
}

#[derive(Clone, Debug)]
pub(crate) struct ConnectionsOptions {
    pub(crate) connect_timeout: Duration,
    pub(crate) max_connections: usize,
    pub(crate) http2: Http2Options,
}

impl Default for ConnectionsOptions {
    fn default() -> Self {
        Self { connect_timeout: Duration::from_secs(5), max_connections: 8, http2: Http2Options::new() }
    }
}

#[derive(Default)]
struct State {
    connections: Vec<Arc<SendRequest>>,
    /// The first connection, while it is being made, for all calls that wait for it.
    connecting: Option<Weak<watch::Sender<Option<Opened>>>>,
    /// One more is being made.
    growing: bool,
    /// Counts the connections that were added.
    generation: u64,
    /// Who answered last.
    server: Option<Peer>,
    /// How many times the interval of keepalive has been doubled.
    calmed: u32,
}

/// A connection that is being made; `None` if the runtime that makes it ends first.
pub(crate) type Connecting = BoxFuture<'static, Option<Opened>>;

type Opened = Result<Arc<SendRequest>, Status>;

/// Where a call can be made.
pub(crate) enum Place {
    Connection(Arc<SendRequest>),
    Connecting(Connecting),
    /// On any of these, once it has room; as of this generation.
    Full(Vec<Arc<SendRequest>>, u64),
}

impl Connections {
    pub(crate) fn new(connector: BoxConnector, options: ConnectionsOptions) -> Arc<Self> {
        Arc::new(Self { connector, options, state: Mutex::default(), general_calls: AtomicU64::new(0) })
    }

    /// Who answered last.
    pub(crate) fn server(&self) -> Option<Peer> {
        self.state().server.clone()
    }

    /// Makes a connection now, for the next call.
    pub(crate) async fn connect(self: &Arc<Self>) -> Result<(), ConnectError> {
        let connection = self.open().await?;
        self.state().connections.push(connection);
        Ok(())
    }

    /// Where the next call is made. If no connection has room, one more is made beside it, and the call may look again
    /// when it is woken.
    pub(crate) fn place(self: &Arc<Self>) -> Place {
        let mut state = self.state();
        if let Some(first) = state.connections.first()
            && first.has_room()
        {
            return Place::Connection(Arc::clone(first));
        }
        state.connections.retain(|connection| connection.is_usable());
        if let Some(connection) = state.connections.iter().find(|connection| connection.has_room()) {
            return Place::Connection(Arc::clone(connection));
        }
        if state.connections.is_empty() {
            return Place::Connecting(self.connecting(&mut state));
        }
        // Outside of a runtime a call waits for room.
        if !state.growing && in_runtime() && state.connections.len() < self.options.max_connections {
            state.growing = true;
            spawn(Arc::clone(self).grow());
        }
        Place::Full(state.connections.clone(), state.generation)
    }

    /// The first connection, for a call that goes another way if it has no room.
    pub(crate) fn front(&self) -> Option<Arc<SendRequest>> {
        self.state().connections.first().map(Arc::clone)
    }

    pub(crate) fn generation(&self) -> u64 {
        self.state().generation
    }

    /// The one attempt that all calls wait for. It has a task of its own, which goes on while any of them waits.
    fn connecting(self: &Arc<Self>, state: &mut State) -> Connecting {
        if !in_runtime() {
            let error = ConnectError::NoRuntime { address: self.connector.address().clone() };
            return ready(Some(Err(status_from_connect(&error)))).boxed();
        }
        let attempt = state.connecting.as_ref().and_then(Weak::upgrade);
        let mut opened = match attempt.filter(|attempt| attempt.borrow().is_none()) {
            Some(attempt) => attempt.subscribe(),
            None => {
                let (attempt, opened) = watch::channel(None);
                let attempt = Arc::new(attempt);
                state.connecting = Some(Arc::downgrade(&attempt));
                let this = Arc::clone(self);
                spawn(async move {
                    tokio::select! {
                        biased;
                        opened = this.first() => drop(attempt.send(Some(opened))),
                        () = attempt.closed() => {}
                    }
                });
                opened
            }
        };
        async move { opened.wait_for(Option::is_some).await.ok()?.clone() }.boxed()
    }

    async fn first(self: &Arc<Self>) -> Opened {
        // A panic would leave the calls waiting.
        let opened = AssertUnwindSafe(self.open()).catch_unwind().await;
        let opened = opened.map_err(|panic| Status::internal(panicked(&*panic)))?;
        let connection = opened.map_err(|error| status_from_connect(&error))?;
        self.state().connections.push(Arc::clone(&connection));
        Ok(connection)
    }

    /// Makes one more connection, and has those look again who wait for a stream. It is given up when none is left that
    /// it would be beside.
    async fn grow(self: Arc<Self>) {
        // It keeps no channel alive that nobody uses.
        let growing = Growing(Arc::downgrade(&self));
        let mut this = self;
        let mut backoff = Backoff::accept();
        loop {
            let opened = AssertUnwindSafe(this.open()).catch_unwind().await;
            drop(this);
            let opened = opened.ok().and_then(Result::ok).filter(|connection| connection.is_usable());
            let failed = opened.is_none();
            if failed {
                backoff.wait().await;
            }
            match growing.0.upgrade() {
                Some(connections) => this = connections,
                None => return,
            }
            let mut state = this.state();
            state.connections.extend(opened);
            let full = |connection: &Arc<SendRequest>| connection.is_usable() && !connection.has_room();
            if !failed || !state.connections.iter().all(full) {
                return;
            }
        }
    }

    /// A connection on which the server has begun with HTTP/2.
    async fn open(self: &Arc<Self>) -> Result<Arc<SendRequest>, ConnectError> {
        if !in_runtime() {
            return Err(ConnectError::NoRuntime { address: self.connector.address().clone() });
        }
        let deadline = deadline_after(self.options.connect_timeout);
        match self.try_open(deadline).await {
            // As a server does that ends, with those whom it has not accepted. Another may be there already.
            Err(ConnectError::Closed { .. }) => self.try_open(deadline).await,
            opened => opened,
        }
    }

    async fn try_open(self: &Arc<Self>, deadline: Instant) -> Result<Arc<SendRequest>, ConnectError> {
        let connection: BoxConnection = self.connector.connect(deadline).await?;
        let peer = connection.peer().clone();
        let calmed = self.state().calmed;
        // The deadline is the limit of time.
        let mut http2 = self.options.http2.clone().handshake_timeout(self.options.connect_timeout);
        for _ in 0..calmed {
            http2 = http2.double_keepalive();
        }
        // Only TLS has certificates, and its servers always show one.
        if peer.certificates().is_some() {
            http2 = http2.https(true);
        }
        http2 = http2.reads_at_once(connection.reads_at_once());
        let (calls, connection) = client::handshake(connection, &http2);
        let this = Arc::downgrade(self);
        spawn(async move {
            let Err(error) = connection.await else { return };
            tracing::debug!(%error, "a connection to the server has ended");
            if is_too_many_pings(&error)
                && let Some(this) = this.upgrade()
            {
                tracing::warn!(
                    "the server has ended a connection for too many pings; the next ones ping half as often"
                );
                let mut state = this.state();
                state.calmed = state.calmed.max(calmed.saturating_add(1)).min(MAX_CALMED);
            }
        });
        let failed = match timeout_at(deadline, calls.established()).await {
            Ok(Ok(())) => {
                self.state().server = Some(peer);
                return Ok(Arc::new(calls));
            }
            Ok(Err(error)) => error,
            Err(_) => Error::HandshakeTimeout,
        };
        Err(connect_error(self.connector.address().clone(), failed))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // What it guards is whole at every point where it could panic.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// An interval of a second is more than a century by then.
const MAX_CALMED: u32 = 32;

/// With this a server asks for fewer pings ([gRFC A8](https://github.com/grpc/proposal/blob/master/A8-client-side-keepalive.md)).
fn is_too_many_pings(error: &Error) -> bool {
    let calm = Reason::ENHANCE_YOUR_CALM;
    matches!(error, Error::GoAway { by: Side::Peer, reason, detail } if *reason == calm && detail == "too_many_pings")
}

/// Why the server has not begun with HTTP/2.
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

/// That the connector has panicked, and with which words: tokio's name what the runtime lacks.
fn panicked(panic: &(dyn Any + Send)) -> String {
    let words =
        panic.downcast_ref::<&str>().copied().or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    match words {
        Some(words) => format!("the connector has panicked: {words}"),
        None => "the connector has panicked".to_owned(),
    }
}

/// That one more connection is being made; until it is dropped, also when the runtime that makes it ends.
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

/// So much later; in 30 years if that is beyond what the clock counts.
pub(crate) fn deadline_after(timeout: Duration) -> Instant {
    let now = Instant::now();
    now.checked_add(timeout).unwrap_or_else(|| now + Duration::from_secs(30 * 365 * 86_400))
}

#[cfg(test)]
mod tests;
