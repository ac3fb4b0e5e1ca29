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
use grpc_ipc_http2::{Error, Reason, Side};
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

/// The connections of a channel. Usually there is one, opened when a call needs it, and again after it broke. There are
/// more if the server allows no more calls on it.
pub(crate) struct Connections {
    connector: BoxConnector,
    options: ConnectionsOptions,
    state: Mutex<State>,
    /// The state that watchers see.
    connectivity: watch::Sender<ConnectivityState>,
    ending: watch::Sender<Ending>,
    limit: CallLimit,
    /// How many calls took the general path.
    pub(crate) general_calls: AtomicU64,
}

#[derive(Clone, Debug)]
pub(crate) struct ConnectionsOptions {
    pub(crate) connect_timeout: Duration,
    /// How long the server may take to begin HTTP/2, if connecting may take longer.
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
    /// The attempt to open the first connection, for all calls that wait for it.
    connecting: Option<Shared>,
    /// The same, for calls that wait until an attempt succeeds.
    waiting: Option<Shared>,
    /// How many connections are being opened.
    opening: usize,
    /// Whether the last attempt failed, and no connection has ended since.
    failed: bool,
    /// Whether an additional connection is being opened.
    growing: bool,
    /// Whether the channel is closed.
    closed: bool,
    /// Counts the connections that have been added.
    generation: u64,
    /// The server of the latest connection.
    server: Option<Peer>,
    /// The keepalive interval of the next connections, if the server has asked for fewer pings.
    keepalive: Option<Duration>,
}

/// A connection that is being opened. `None` if its runtime ends first.
pub(crate) type Connecting = BoxFuture<'static, Option<Opened>>;

type Opened = Result<Arc<SendRequest>, NotConnected>;

/// A result that several calls wait for.
type Shared = Weak<watch::Sender<Option<Opened>>>;

/// The connection for the next call.
pub(crate) enum Place {
    Connection(Arc<SendRequest>),
    Connecting(Connecting),
    /// One of these, once it has room, as of this generation.
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

    /// The server of the latest connection.
    pub(crate) fn server(&self) -> Option<Peer> {
        self.state().server.clone()
    }

    pub(crate) fn connectivity(&self) -> ConnectivityState {
        self.state().connectivity()
    }

    pub(crate) fn watch_connectivity(&self) -> watch::Receiver<ConnectivityState> {
        self.connectivity.subscribe()
    }

    /// Opens a connection now, for the next call. Until the deadline, it tries again after a failure, and stores the
    /// reason in `last`.
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
            // The second attempt follows without a pause.
            let may_follow = |deadline: &Instant| error.is_transient() && Instant::now() < *deadline;
            let Some(deadline) = deadline.filter(may_follow) else { return Err(error) };
            *last = Some(error);
            if timeout_at(deadline, pace.pause(attempt)).await.is_err()
                && let Some(error) = last.take()
            {
                return Err(error);
            }
        }
    }

    /// Opens a connection without a call. `None` if its runtime ends first.
    pub(crate) fn ready(self: &Arc<Self>, wait: bool) -> Option<Connecting> {
        let mut state = self.state();
        if state.is_ready() {
            return None;
        }
        Some(self.connecting(&mut state, wait))
    }

    /// Chooses the connection for the next call. If none has room, this opens an additional one, and the call tries
    /// again when it is woken. If there is no connection and no server, the call fails, or waits for a server.
    pub(crate) fn place(self: &Arc<Self>, wait: bool) -> Place {
        let mut state = self.state();
        if let Some(first) = state.connections.first()
            && first.has_room()
        {
            return Place::Connection(Arc::clone(first));
        }
        state.remove_unusable();
        if let Some(connection) = state.connections.iter().find(|connection| connection.has_room()) {
            return Place::Connection(Arc::clone(connection));
        }
        if state.connections.is_empty() {
            return Place::Connecting(self.connecting(&mut state, wait));
        }
        // Outside a runtime, a call waits for room.
        if !state.growing && in_runtime() && state.connections.len() < self.options.max_connections {
            state.growing = true;
            spawn(Arc::clone(self).grow());
        }
        Place::Full(state.connections.clone(), state.generation)
    }

    /// The first connection and a permit for a call. If the connection has no room, the call takes another path.
    #[inline]
    pub(crate) fn front(&self) -> Option<(Arc<SendRequest>, Permit)> {
        let permit = self.limit.permit().ok()?;
        Some((self.state().connections.first().map(Arc::clone)?, permit))
    }

    /// A permit for a call.
    pub(crate) fn permit(&self) -> Result<Permit, Waiting> {
        self.limit.permit()
    }

    /// Adds the default deadline to the headers of a request that has none.
    #[inline]
    pub(crate) fn limit_time(&self, headers: &mut HeaderMap) {
        if let Some(timeout) = &self.options.timeout {
            timeout.apply(headers);
        }
    }

    /// Forgets a connection that is not the first, so that it ends with its last call.
    fn remove_extra(&self, connection: &Arc<SendRequest>) -> bool {
        let mut state = self.state();
        let place = state.connections.iter().position(|other| Arc::ptr_eq(other, connection));
        let extra = place.filter(|place| *place > 0);
        extra.map(|place| state.connections.remove(place)).is_some()
    }

    pub(crate) fn generation(&self) -> u64 {
        self.state().generation
    }

    /// Changes the state, and notifies watchers.
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
        // The guarded state is consistent wherever a panic could occur.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Removes the connections that take no more calls. If a server has ended one because of too many pings, the next
    /// connections ping half as often.
    fn remove_unusable(&mut self) -> &mut Self {
        let Self { connections, keepalive, .. } = self;
        connections.retain(|connection| {
            if connection.is_usable() {
                return true;
            }
            let longer = connection.keepalive().map(|interval| interval.saturating_mul(2));
            if longer > *keepalive && connection.failure().as_ref().is_some_and(is_too_many_pings) {
                tracing::warn!(
                    "the server ended a connection for too many pings; the next connections ping half as often"
                );
                *keepalive = longer;
            }
            false
        });
        self
    }

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

/// The time after `timeout`, or in 30 years if the clock cannot represent that.
pub(crate) fn deadline_after(timeout: Duration) -> Instant {
    let now = Instant::now();
    now.checked_add(timeout).unwrap_or_else(|| now + Duration::from_secs(30 * 365 * 86_400))
}

/// A server asks for fewer pings with this text ([gRFC
/// A8](https://github.com/grpc/proposal/blob/master/A8-client-side-keepalive.md)).
fn is_too_many_pings(error: &Error) -> bool {
    let calm = Reason::ENHANCE_YOUR_CALM;
    matches!(error, Error::GoAway { by: Side::Peer, reason, detail } if *reason == calm && detail == "too_many_pings")
}

#[cfg(test)]
mod tests;
