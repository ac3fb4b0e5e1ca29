use std::panic::AssertUnwindSafe;
use std::sync::{Arc, PoisonError, Weak};
use std::time::Duration;

use futures_util::FutureExt as _;
use futures_util::future::{BoxFuture, Shared, WeakShared};
use grpc_ipc_core::{
    Backoff, BoxConnection, BoxConnector, ConnectError, Connection as _, Connector as _, Peer,
};
use grpc_ipc_http2::Error;
use grpc_ipc_http2::client::{self, SendRequest};
use tokio::time::Instant;
use tonic::Status;

use crate::Http2Options;
use crate::status::status_from_connect;
use crate::sync::{Mutex, MutexGuard, spawn};

/// The connections of a channel: usually one, made when it is needed and again when it broke; more when the server
/// allows no more calls on it.
pub(crate) struct Connections {
    connector: BoxConnector,
    options: ConnectionsOptions,
    state: Mutex<State>,
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
    connecting: Option<WeakShared<Attempt>>,
    /// One more is being made.
    growing: bool,
    /// Counts the connections that were added.
    generation: u64,
    /// Who answered last.
    server: Option<Peer>,
    /// Why the connection has failed that was the last to end.
    failure: Option<Error>,
}

/// A connection that is being made.
pub(crate) type Connecting = Shared<Attempt>;

type Attempt = BoxFuture<'static, Result<Arc<SendRequest>, Status>>;

/// Where a call can be made.
pub(crate) enum Place {
    Connection(Arc<SendRequest>),
    Connecting(Connecting),
    /// On any of these, once it has room; as of this generation.
    Full(Vec<Arc<SendRequest>>, u64),
}

impl Connections {
    pub(crate) fn new(connector: BoxConnector, options: ConnectionsOptions) -> Arc<Self> {
        Arc::new(Self { connector, options, state: Mutex::default() })
    }

    /// Who answered last.
    pub(crate) fn server(&self) -> Option<Peer> {
        self.state().server.clone()
    }

    /// Why the connection has failed that was the last to end, if it has.
    pub(crate) fn failure(&self) -> Option<Error> {
        self.state().failure.clone()
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
        if !state.growing && state.connections.len() < self.options.max_connections {
            state.growing = true;
            spawn(Arc::clone(self).grow());
        }
        Place::Full(state.connections.clone(), state.generation)
    }

    pub(crate) fn generation(&self) -> u64 {
        self.state().generation
    }

    /// The one attempt that all calls wait for.
    fn connecting(self: &Arc<Self>, state: &mut State) -> Connecting {
        let connecting = state.connecting.as_ref().and_then(WeakShared::upgrade);
        if let Some(connecting) = connecting.filter(|connecting| connecting.peek().is_none()) {
            return connecting;
        }
        let this = Arc::clone(self);
        let connecting = async move {
            // A panic would leave the others waiting.
            let opened = AssertUnwindSafe(this.open()).catch_unwind().await;
            let opened = opened.map_err(|_| Status::internal("the connector has panicked"))?;
            let connection = opened.map_err(|error| status_from_connect(&error))?;
            this.state().connections.push(Arc::clone(&connection));
            Ok(connection)
        };
        let connecting = connecting.boxed().shared();
        state.connecting = connecting.downgrade();
        connecting
    }

    /// Makes one more connection, and has those look again who wait for a stream. It counts once the server has
    /// answered on it, because it may also let it wait. It is given up when none is left that it would be beside.
    async fn grow(self: Arc<Self>) {
        // It keeps no channel alive that nobody uses.
        let growing = Growing(Arc::downgrade(&self));
        let mut this = self;
        let mut backoff = Backoff::accept();
        loop {
            let opened = AssertUnwindSafe(this.open()).catch_unwind().await;
            drop(this);
            let established = match opened {
                Ok(Ok(connection)) => connection.established().await.map(|()| connection).ok(),
                _ => None,
            };
            let failed = established.is_none();
            if failed {
                backoff.wait().await;
            }
            match growing.0.upgrade() {
                Some(connections) => this = connections,
                None => return,
            }
            let mut state = this.state();
            state.connections.extend(established);
            let full = |connection: &Arc<SendRequest>| connection.is_usable() && !connection.has_room();
            if !failed || !state.connections.iter().all(full) {
                return;
            }
        }
    }

    async fn open(self: &Arc<Self>) -> Result<Arc<SendRequest>, ConnectError> {
        let deadline = deadline_after(self.options.connect_timeout);
        let connection: BoxConnection = self.connector.connect(deadline).await?;
        let peer = connection.peer().clone();
        let mut http2 = self.options.http2.clone();
        // Only TLS has certificates, and its servers always show one.
        if peer.certificates().is_some() {
            http2 = http2.https(true);
        }
        let (calls, connection) = client::handshake(connection, &http2);
        let this = Arc::downgrade(self);
        spawn(async move {
            let failure = connection.await.err();
            if let Some(error) = &failure {
                tracing::debug!(%error, "a connection to the server has ended");
            }
            if let Some(this) = this.upgrade() {
                this.state().failure = failure;
            }
        });
        self.state().server = Some(peer);
        Ok(Arc::new(calls))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // What it guards is whole at every point where it could panic.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
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
