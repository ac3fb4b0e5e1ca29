mod attempts;
mod closing;
mod failure;
mod idle;
mod open;
mod pace;

use std::sync::atomic::AtomicU64;
use std::sync::{Arc, PoisonError, Weak};
use std::time::Duration;

use futures_util::future::BoxFuture;
use grpc_ipc_core::{Address, BoxConnector, ConnectError, Connector as _, Peer};
use grpc_ipc_http2::client::SendRequest;
use http::HeaderMap;
use tokio::sync::watch;
use tokio::time::{Instant, timeout_at};

use self::closing::Ending;
use self::failure::NotConnected;
use self::pace::Pace;
use crate::call_limit::{CallLimit, Permit, Waiting};
use crate::default_timeout::DefaultTimeout;
use crate::observer::Observers;
use crate::sync::{Mutex, MutexGuard, in_runtime, spawn};
use crate::{ConnectivityState, Http2Options};

/// The connections of a channel: usually one, made when it is needed and again when it broke; more when the server
/// allows no more calls on it.
pub(crate) struct Connections {
    connector: BoxConnector,
    options: ConnectionsOptions,
    state: Mutex<State>,
    /// The resulting state, for those who watch it.
    connectivity: watch::Sender<ConnectivityState>,
    ending: watch::Sender<Ending>,
    limit: CallLimit,
    /// How many calls have gone the general way.
    pub(crate) general_calls: AtomicU64,
}

#[derive(Clone, Debug)]
pub(crate) struct ConnectionsOptions {
    pub(crate) connect_timeout: Duration,
    /// How long the server may take to begin with HTTP/2, where connecting may take longer.
    pub(crate) handshake_timeout: Option<Duration>,
    pub(crate) max_connections: usize,
    pub(crate) http2: Http2Options,
    pub(crate) wait_for_ready: bool,
    pub(crate) observers: Observers,
    pub(crate) timeout: Option<DefaultTimeout>,
    pub(crate) concurrency_limit: Option<usize>,
    pub(crate) idle_timeout: Duration,
}

impl Default for ConnectionsOptions {
    fn default() -> Self {
        Self {
            connect_timeout: Duration::from_secs(5),
            handshake_timeout: None,
            max_connections: 8,
            http2: Http2Options::new(),
            wait_for_ready: false,
            observers: Observers::default(),
            timeout: None,
            concurrency_limit: None,
            idle_timeout: Duration::from_secs(5 * 60),
        }
    }
}

#[derive(Default)]
struct State {
    connections: Vec<Arc<SendRequest>>,
    /// The first connection, while it is being made, for all calls that wait for it.
    connecting: Option<Shared>,
    /// The same, for those who wait until an attempt succeeds.
    waiting: Option<Shared>,
    /// How many connections are being made.
    opening: usize,
    /// The last attempt has failed, and no connection has ended since.
    failed: bool,
    /// One more is being made.
    growing: bool,
    /// No more calls are made.
    closed: bool,
    /// Counts the connections that were added.
    generation: u64,
    /// Who answered last.
    server: Option<Peer>,
    /// How many times the interval of keepalive has been doubled.
    calmed: u32,
}

/// A connection that is being made; `None` if the runtime that makes it ends first.
pub(crate) type Connecting = BoxFuture<'static, Option<Opened>>;

type Opened = Result<Arc<SendRequest>, NotConnected>;

/// A result that many wait for.
type Shared = Weak<watch::Sender<Option<Opened>>>;

/// Where a call can be made.
pub(crate) enum Place {
    Connection(Arc<SendRequest>),
    Connecting(Connecting),
    /// On any of these, once it has room; as of this generation.
    Full(Vec<Arc<SendRequest>>, u64),
}

impl Connections {
    pub(crate) fn new(connector: BoxConnector, options: ConnectionsOptions) -> Arc<Self> {
        let (connectivity, _) = watch::channel(ConnectivityState::default());
        Arc::new(Self {
            limit: CallLimit::new(options.concurrency_limit),
            connector,
            options,
            state: Mutex::default(),
            connectivity,
            ending: watch::Sender::default(),
            general_calls: AtomicU64::new(0),
        })
    }

    pub(crate) fn options(&self) -> &ConnectionsOptions {
        &self.options
    }

    pub(crate) fn address(&self) -> &Address {
        self.connector.address()
    }

    /// Who answered last.
    pub(crate) fn server(&self) -> Option<Peer> {
        self.state().server.clone()
    }

    pub(crate) fn connectivity(&self) -> ConnectivityState {
        self.state().connectivity()
    }

    pub(crate) fn watch_connectivity(&self) -> watch::Receiver<ConnectivityState> {
        self.connectivity.subscribe()
    }

    /// Makes a connection now, for the next call. Until the deadline, it tries again after a failure, and `last`
    /// receives the reason.
    pub(crate) async fn connect(
        self: &Arc<Self>,
        deadline: Option<Instant>,
        last: &mut Option<ConnectError>,
    ) -> Result<(), ConnectError> {
        if !in_runtime() {
            return Err(self.no_runtime());
        }
        let mut pace = Pace::new();
        loop {
            let attempt = pace.begin(self.connector.appears()).await;
            let error = match self.open().await {
                Ok(_) => return Ok(()),
                Err(error) => error,
            };
            let Some(deadline) = deadline.filter(|_| error.is_transient()) else { return Err(error) };
            *last = Some(error);
            if timeout_at(deadline, pace.pause(attempt)).await.is_err()
                && let Some(error) = last.take()
            {
                return Err(error);
            }
        }
    }

    /// A connection without a call. `None` if the runtime that makes it ends first.
    pub(crate) fn ready(self: &Arc<Self>, wait: bool) -> Option<Connecting> {
        let mut state = self.state();
        if state.is_ready() {
            return None;
        }
        Some(self.connecting(&mut state, wait))
    }

    /// Where the next call is made. If no connection has room, one more is made beside it, and the call may look again
    /// when it is woken. If there is none, and no server, the call fails, or waits for one.
    pub(crate) fn place(self: &Arc<Self>, wait: bool) -> Place {
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
            return Place::Connecting(self.connecting(&mut state, wait));
        }
        // Outside of a runtime a call waits for room.
        if !state.growing && in_runtime() && state.connections.len() < self.options.max_connections {
            state.growing = true;
            spawn(Arc::clone(self).grow());
        }
        Place::Full(state.connections.clone(), state.generation)
    }

    /// The first connection and a place among the calls. If the connection has no room, the call goes another way.
    #[inline]
    pub(crate) fn front(&self) -> Option<(Arc<SendRequest>, Permit)> {
        let permit = self.limit.permit().ok()?;
        Some((self.state().connections.first().map(Arc::clone)?, permit))
    }

    /// A place among the calls.
    pub(crate) fn permit(&self) -> Result<Permit, Waiting> {
        self.limit.permit()
    }

    /// Gives the headers of a request a deadline, if they have none.
    #[inline]
    pub(crate) fn limit_time(&self, headers: &mut HeaderMap) {
        if let Some(timeout) = &self.options.timeout {
            timeout.apply(headers);
        }
    }

    /// Forgets a connection that is not the first, so that it ends when its last call does.
    fn remove_extra(&self, connection: &Arc<SendRequest>) -> bool {
        let mut state = self.state();
        let place = state.connections.iter().position(|other| Arc::ptr_eq(other, connection));
        let extra = place.filter(|place| *place > 0);
        extra.map(|place| state.connections.remove(place)).is_some()
    }

    pub(crate) fn generation(&self) -> u64 {
        self.state().generation
    }

    /// Changes the state that watchers see.
    fn update(&self, change: impl FnOnce(&mut State)) {
        let mut state = self.state();
        change(&mut state);
        let now = state.connectivity();
        self.connectivity.send_if_modified(|told| std::mem::replace(told, now) != now);
    }

    fn no_runtime(&self) -> ConnectError {
        ConnectError::NoRuntime { address: self.address().clone() }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // What it guards is whole at every point where it could panic.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn is_ready(&self) -> bool {
        self.connections.iter().any(|connection| connection.is_usable())
    }

    fn connectivity(&self) -> ConnectivityState {
        match self {
            Self { closed: true, .. } => ConnectivityState::Shutdown,
            _ if self.is_ready() => ConnectivityState::Ready,
            Self { opening: 1.., .. } => ConnectivityState::Connecting,
            Self { failed: true, .. } => ConnectivityState::TransientFailure,
            _ => ConnectivityState::Idle,
        }
    }
}

/// So much later; in 30 years if that is beyond what the clock counts.
pub(crate) fn deadline_after(timeout: Duration) -> Instant {
    let now = Instant::now();
    now.checked_add(timeout).unwrap_or_else(|| now + Duration::from_secs(30 * 365 * 86_400))
}

#[cfg(test)]
mod tests;
