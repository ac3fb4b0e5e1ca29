mod closing;
mod failure;
mod idle;
mod pace;

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
use http::HeaderMap;
use tokio::sync::watch;
use tokio::time::{Instant, timeout_at};
use tracing::Instrument as _;

use self::closing::{Ending, Existing};
use self::failure::NotConnected;
use self::idle::end_when_idle;
use self::pace::Pace;
use crate::call_limit::{CallLimit, Permit, Waiting};
use crate::default_timeout::DefaultTimeout;
use crate::observer::{Observed, Observers};
use crate::sync::{Mutex, MutexGuard, in_runtime, spawn};
use crate::{ConnectivityState, Event, Http2Options};

/// The connections of a channel: usually one, made when it is needed and again when it broke; more when the server
/// allows no more calls on it.
pub(crate) struct Connections {
    connector: BoxConnector,
    options: ConnectionsOptions,
    state: Mutex<State>,
    /// What the state comes to, for those who watch it.
    connectivity: watch::Sender<ConnectivityState>,
    ending: watch::Sender<Ending>,
    limit: CallLimit,
    /// How many calls have gone the general way.
    pub(crate) general_calls: AtomicU64,
}

#[derive(Clone, Debug)]
pub(crate) struct ConnectionsOptions {
    pub(crate) connect_timeout: Duration,
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

/// What many wait for.
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

    /// Makes a connection now, for the next call. Until the deadline, further attempts follow one that has failed; `last` is
    /// told why it has.
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

    /// The first connection and a place among the calls, for a call that goes another way if it has no room.
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

    /// The one attempt that all calls wait for, or all attempts until one succeeds. It has a task of its own, which goes on
    /// while any of them waits.
    fn connecting(self: &Arc<Self>, state: &mut State, wait: bool) -> Connecting {
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

    /// Waits for attempts, which calls that do not wait share, until one succeeds, or another would not.
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
                // It was another runtime's.
                None => {}
            }
            tokio::select! {
                () = pace.pause(watch) => {}
                // By a call that did not wait.
                _ = states.wait_for(|state| *state == ConnectivityState::Ready) => {}
            }
        }
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

    /// A connection on which the server has begun with HTTP/2, which calls can be made on now.
    async fn open(self: &Arc<Self>) -> Result<Arc<SendRequest>, ConnectError> {
        if !in_runtime() {
            return Err(self.no_runtime());
        }
        let opening = Opening::begin(self);
        let _existing = Existing::new(Arc::downgrade(self));
        let deadline = deadline_after(self.options.connect_timeout);
        let mut opened = self.try_open(deadline).await;
        let mut backoff = Backoff::connect();
        for _ in 0..TRIES_OF_CLOSED {
            // As a server does that ends, with those whom it has not accepted: over a pipe, one instance after the other.
            // Another may be there already.
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
            let ended = {
                let _existing = existing;
                // It outlives the connection, also when the task is dropped.
                let _observed = until_end;
                connection.await
            };
            let Err(error) = ended else { return };
            if is_too_many_pings(&error)
                && let Some(this) = this.upgrade()
            {
                tracing::warn!(
                    "the server has ended a connection for too many pings; the next ones ping half as often"
                );
                let mut state = this.state();
                state.calmed = state.calmed.max(calmed.saturating_add(1)).min(MAX_CALMED);
            }
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

    /// Changes what those see who watch the state.
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

/// That a connection is being made, until it is dropped.
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
                state.connections.retain(|connection| connection.is_usable());
                state.connections.extend(connection.is_usable().then(|| Arc::clone(connection)));
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

/// Whether the model checker may be dropping tasks, in the middle of what others do: then no lock can be waited for. It does
/// not look at what a channel tells of its state.
fn at_end_of_model() -> bool {
    cfg!(shuttle)
}

/// Tells that a connection takes no more calls, when it is dropped: also when the runtime ends that the connection is of.
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

/// How often a connection is made again that the server has closed at once. A few milliseconds pass meanwhile.
const TRIES_OF_CLOSED: usize = 3;

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
