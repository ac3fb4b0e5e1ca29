use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::FutureExt as _;
use futures_util::future::{BoxFuture, Shared};
use grpc_ipc_core::{BoxConnection, BoxConnector, ConnectError, Connection as _, Connector as _, Peer};
use grpc_ipc_http2::client::{self, SendRequest};
use tokio::time::Instant;
use tonic::Status;

use crate::Http2Options;
use crate::status::status_from_connect;

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
    connecting: Option<Connecting>,
    /// One more is being made.
    growing: bool,
    /// Who answered last.
    server: Option<Peer>,
}

/// A connection that is being made.
pub(crate) type Connecting = Shared<BoxFuture<'static, Result<Arc<SendRequest>, Status>>>;

/// Where a call can be made.
pub(crate) enum Place {
    Connection(Arc<SendRequest>),
    Connecting(Connecting),
}

impl Connections {
    pub(crate) fn new(connector: BoxConnector, options: ConnectionsOptions) -> Arc<Self> {
        Arc::new(Self { connector, options, state: Mutex::default() })
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
        let Some(first) = state.connections.first().cloned() else {
            return Place::Connecting(self.connecting(&mut state));
        };
        if !state.growing && state.connections.len() < self.options.max_connections {
            state.growing = true;
            tokio::spawn(Arc::clone(self).grow());
        }
        Place::Connection(first)
    }

    /// The one attempt that all calls wait for.
    fn connecting(self: &Arc<Self>, state: &mut State) -> Connecting {
        if let Some(connecting) = &state.connecting {
            return connecting.clone();
        }
        let this = Arc::clone(self);
        let connecting = async move {
            let attempt = Attempt(&this);
            let connection = this.open().await.map_err(|error| status_from_connect(&error))?;
            this.state().connections.push(Arc::clone(&connection));
            drop(attempt);
            Ok(connection)
        };
        let connecting = connecting.boxed().shared();
        state.connecting = Some(connecting.clone());
        connecting
    }

    /// Makes one more connection, and has those look again who wait for a stream. It counts once the server has
    /// answered on it, because it may also let it wait.
    async fn grow(self: Arc<Self>) {
        let opened = match self.open().await {
            Ok(connection) => connection.established().await.map(|()| connection).ok(),
            Err(_) => None,
        };
        let mut state = self.state();
        state.growing = false;
        state.connections.extend(opened);
        let connections = state.connections.clone();
        drop(state);
        connections.iter().for_each(|connection| connection.wake_waiting());
    }

    async fn open(&self) -> Result<Arc<SendRequest>, ConnectError> {
        let deadline = Instant::now() + self.options.connect_timeout;
        let connection: BoxConnection = self.connector.connect(deadline).await?;
        let peer = connection.peer().clone();
        let (calls, connection) = client::handshake(connection, &self.options.http2);
        tokio::spawn(async move {
            if let Err(error) = connection.await {
                tracing::debug!(%error, "a connection to the server has ended");
            }
        });
        self.state().server = Some(peer);
        Ok(Arc::new(calls))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Nothing panics while it holds the lock, so the state is whole even then.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Makes room for the next attempt when one is over, or nobody waits for it any more.
struct Attempt<'a>(&'a Connections);

impl Drop for Attempt<'_> {
    fn drop(&mut self) {
        self.0.state().connecting = None;
    }
}
