use std::fmt;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use futures_util::future::BoxFuture;
use grpc_ipc_core::{Backoff, BoxConnector, ConnectError, Peer};
use grpc_ipc_http2::client::{Call, SendRequest};
use tonic::Status;
use tonic::body::Body;
use tower_service::Service;

use crate::backend;
use crate::call_body::CallBody;
use crate::call_limit::{Permit, Waiting};
use crate::connections::{Connecting, Connections, ConnectionsOptions, Place, deadline_after};
use crate::content_type::is_grpc;
use crate::response::response_of_grpc;
use crate::status::{deadline_exceeded, status_from_http2, status_from_http2_because, status_of_unsent};
use crate::sync::{in_runtime, spawn};
use crate::{CallError, ConnectOptions, ConnectivityState, StateWatch, WaitForReady};

/// Makes calls to a server, for any number of clients. It connects when a call needs a connection, and again after a
/// connection has broken. Cloning is cheap.
///
/// A channel goes into any generated client: `GreeterClient::new(channel)`. A call whose deadline
/// ([`Request::set_timeout`](tonic::Request::set_timeout)) passes ends with
/// [`DeadlineExceeded`](tonic::Code::DeadlineExceeded), even in the middle of a stream of responses. If a server shuts
/// down without having processed a call, the channel retries that call on the next connection.
/// [`errors`](crate::errors) says which other calls can be retried.
///
/// Requests carry `:authority: localhost`. If a server ends a connection because of too many pings, the next
/// connections ping half as often ([gRFC
/// A8](https://github.com/grpc/proposal/blob/master/A8-client-side-keepalive.md)).
///
/// A connection runs on the tokio runtime of the call that opened it, and makes progress only while that runtime runs.
/// After the runtime has ended, the next call opens another connection.
///
/// ```no_run
/// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
/// use grpc_ipc::{AccessPolicy, Channel, ConnectOptions};
/// use std::time::Duration;
///
/// let channel = Channel::connect("local:greeter").await?;
///
/// let options = ConnectOptions::new("unix:/run/greeter.sock")
///     .access(AccessPolicy::same_user())
///     .connect_timeout(Duration::from_millis(500));
/// let channel = Channel::connect(options).await?;
/// # Ok(())
/// # }
/// ```
///
/// [`from_tonic`](crate::from_tonic) lists the options of tonic's `Endpoint` and their equivalents in grpc-ipc.
#[derive(Clone)]
pub struct Channel {
    connections: Arc<Connections>,
}

impl Channel {
    /// Connects to a server, and waits until the server has accepted this client: until the TLS handshake, if there is
    /// one, is complete, and the server has begun HTTP/2. Takes an address or [`ConnectOptions`].
    ///
    /// To wait for a server that is not running yet, set [`ConnectOptions::wait`]. It retries the errors that may pass
    /// by themselves ([`ConnectError::is_transient`]).
    ///
    /// # Errors
    /// - [`ConnectError::NotFound`] or [`ConnectError::Refused`] if no server listens on the address
    /// - [`ConnectError::Untrusted`] if this client's access policy refuses the server
    /// - [`ConnectError::Rejected`] if the server's access policy refuses this client
    /// - [`ConnectError::TimedOut`] if the server has not answered within
    ///   [`connect_timeout`](ConnectOptions::connect_timeout)
    /// - [`ConnectError::NoRuntime`] outside of a tokio runtime
    /// - any other [`ConnectError`] except [`ServerEnded`](ConnectError::ServerEnded), for its own reason
    ///
    /// # Cancel safety
    /// Dropping the future closes the connection that it was opening.
    pub async fn connect(options: impl Into<ConnectOptions>) -> Result<Self, ConnectError> {
        let options = options.into();
        let deadline = options.wait.map(deadline_after);
        let channel = Self::lazy(options)?;
        channel.connections.connect(deadline, &mut None).await?;
        Ok(channel)
    }

    /// Connects to a server that the program has just started, and fails if the server's process ends. It waits for as
    /// long as [`ConnectOptions::wait`] says, or without a limit if that is not set.
    ///
    /// `ended` is any future that completes when the process has ended, and returns how it ended. For tokio's `Child`
    /// it is `child.wait()`. It must be the process of the server itself, not of a program that starts the server in
    /// the background and exits.
    ///
    /// ```no_run
    /// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
    /// # trait Process { async fn wait(&mut self) -> std::io::Result<std::process::ExitStatus>; }
    /// # async fn start(mut child: impl Process) -> Result<(), Box<dyn std::error::Error>> {
    /// use grpc_ipc::{Channel, ConnectOptions};
    /// use std::time::Duration;
    ///
    /// let options = ConnectOptions::new("local:greeter").wait(Duration::from_secs(10));
    /// let channel = Channel::connect_unless(options, child.wait()).await?;
    /// # Ok(()) }
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`ConnectError::ServerEnded`] if `ended` completes first, and those of [`connect`](Self::connect).
    ///
    /// # Cancel safety
    /// Dropping the future closes the connection that it was opening.
    pub async fn connect_unless(
        options: impl Into<ConnectOptions>,
        ended: impl Future<Output = io::Result<impl fmt::Display>>,
    ) -> Result<Self, ConnectError> {
        let options = options.into();
        let deadline = Some(deadline_after(options.wait.unwrap_or(Duration::MAX)));
        let channel = Self::lazy(options)?;
        let mut last = None;
        tokio::select! {
            biased;
            connected = channel.connections.connect(deadline, &mut last) => connected.map(|()| channel),
            ended = ended => {
                let status = match ended {
                    Ok(status) => status.to_string(),
                    Err(error) => error.to_string(),
                };
                let address = channel.connections.address().clone();
                Err(ConnectError::ServerEnded { address, status, source: last.map(Box::new) })
            }
        }
    }

    /// Makes a channel that connects at the first call. If there is no server by then, the call fails with
    /// [`Unavailable`](tonic::Code::Unavailable), and if the server refuses this client, with
    /// [`PermissionDenied`](tonic::Code::PermissionDenied). Each later call tries again. A call that [waits for
    /// ready](crate::WaitForReady) waits for the server instead.
    ///
    /// # Errors
    /// - [`ConnectError::Address`] if the address is invalid
    /// - [`ConnectError::Unsupported`] if this platform does not have the address's transport
    /// - [`ConnectError::InvalidOption`] if the user agent or the origin cannot be sent
    pub fn lazy(options: impl Into<ConnectOptions>) -> Result<Self, ConnectError> {
        let options = options.into().named()?;
        let connections = options.connections.clone();
        Ok(Self::new(backend::connector(options)?, connections))
    }

    pub(crate) fn new(connector: BoxConnector, options: ConnectionsOptions) -> Self {
        Self { connections: Connections::new(connector, options) }
    }

    /// Opens the first connection now.
    pub(crate) async fn open_first(&self) -> Result<(), ConnectError> {
        self.connections.connect(None, &mut None).await
    }

    pub(crate) fn connections(&self) -> &Connections {
        &self.connections
    }

    /// How many calls took the general path, instead of going directly from generated code to the connection.
    #[doc(hidden)]
    pub fn general_calls(&self) -> u64 {
        self.connections.general_calls.load(Ordering::Relaxed)
    }

    /// Whether the channel has a connection, or is opening one.
    pub fn state(&self) -> ConnectivityState {
        self.connections.connectivity()
    }

    /// Watches for changes of [`state`](Self::state).
    pub fn watch_state(&self) -> StateWatch {
        StateWatch::new(self.connections.watch_connectivity())
    }

    /// Starts one attempt to connect if there is no connection, and does not wait for it. [`state`](Self::state) shows
    /// the outcome. Outside of a tokio runtime, this does nothing.
    pub fn try_to_connect(&self) {
        if in_runtime()
            && let Some(connecting) = self.connections.ready(false)
        {
            spawn(connecting);
        }
    }

    /// Waits until there is a connection, without a time limit. If the server is missing, starting or restarting, it
    /// retries as described at [`ConnectOptions::wait`].
    ///
    /// # Errors
    /// The [`Status`] that a call would get, if the failure does not pass by itself ([`ConnectError::is_transient`]).
    ///
    /// # Cancel safety
    /// Dropping the future ends the attempts, unless calls wait for them.
    pub async fn wait_until_ready(&self) -> Result<(), Status> {
        let mut attempts = MAX_ATTEMPTS;
        while let Some(connecting) = self.connections.ready(true) {
            match connecting.await {
                Some(Ok(_)) => {}
                Some(Err(error)) => return Err(error.status()),
                None if attempts == 0 => return Err(runtime_ends()),
                None => attempts -= 1,
            }
        }
        Ok(())
    }

    /// Closes the channel and all of its clones. Running calls continue to their end; then the connections end. Later
    /// calls, and calls that wait for a connection or for their turn, fail with
    /// [`Unavailable`](tonic::Code::Unavailable). Those were not processed, and [`CallError::is_transient`] returns
    /// `false` for them.
    ///
    /// A channel need not be closed: it ends when its last clone is dropped and its last call is over.
    pub fn close(&self) {
        self.connections.close();
    }

    /// Waits until the channel has been [closed](Self::close), its last call is over, and its last connection has ended.
    ///
    /// # Cancel safety
    /// Dropping the future changes nothing.
    pub async fn closed(&self) {
        self.connections.closed().await;
    }

    /// The server of the latest connection, if there has been one.
    pub fn peer(&self) -> Option<Peer> {
        self.connections.server()
    }
}

impl fmt::Debug for Channel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Channel").field("peer", &self.peer()).finish_non_exhaustive()
    }
}

impl Service<http::Request<Body>> for Channel {
    type Response = http::Response<CallBody>;
    type Error = Status;
    type Future = ResponseFuture;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Status>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, mut request: http::Request<Body>) -> ResponseFuture {
        self.connections.general_calls.fetch_add(1, Ordering::Relaxed);
        let wait = request.extensions().get().map(|WaitForReady(wait)| *wait);
        let is_grpc = is_grpc(request.headers());
        if is_grpc {
            self.connections.limit_time(request.headers_mut());
        }
        let (permit, stage) = match self.connections.permit() {
            Ok(permit) => (permit, Stage::Begin),
            Err(waiting) => (None, Stage::Waiting(waiting)),
        };
        ResponseFuture {
            wait: wait.unwrap_or(self.connections.options().wait_for_ready),
            connections: Arc::clone(&self.connections),
            is_grpc,
            permit,
            call: Call::new(request),
            stage,
            attempts: MAX_ATTEMPTS,
            pauses: None,
        }
    }
}

/// How often the channel makes a call that no server processes.
const MAX_ATTEMPTS: u32 = 5;

fn runtime_ends() -> Status {
    CallError::never().of(Status::unavailable("cannot connect: the tokio runtime is shutting down"))
}

/// The response to a call on a [`Channel`], or the status it failed with. Dropping it cancels the call.
#[must_use = "futures do nothing unless polled"]
pub struct ResponseFuture {
    connections: Arc<Connections>,
    /// Whether the response must be a gRPC response.
    is_grpc: bool,
    /// Whether the call waits for a server.
    wait: bool,
    permit: Permit,
    call: Call<Body>,
    stage: Stage,
    attempts: u32,
    /// The pauses between further attempts of a call that waits.
    pauses: Option<Box<Backoff>>,
}

enum Stage {
    /// As many calls are running as the limit allows.
    Waiting(Waiting),
    Begin,
    Pausing(BoxFuture<'static, Box<Backoff>>),
    Connecting(Connecting),
    Connected(Arc<SendRequest>),
}

impl Future for ResponseFuture {
    type Output = Result<http::Response<CallBody>, Status>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        loop {
            this.stage = match &mut this.stage {
                Stage::Begin => match this.connections.place(this.wait) {
                    Place::Connection(connection) => Stage::Connected(connection),
                    Place::Connecting(connecting) => Stage::Connecting(connecting),
                    Place::Full(connections, generation) => {
                        if this.call.poll_deadline(cx).is_ready() {
                            return Poll::Ready(Err(deadline_exceeded()));
                        }
                        let mut room = false;
                        for connection in &connections {
                            room |= this.call.poll_room(connection, cx).is_ready();
                        }
                        // A connection added meanwhile has not woken this call.
                        if !room && this.connections.generation() == generation {
                            return Poll::Pending;
                        }
                        Stage::Begin
                    }
                },
                Stage::Waiting(place) => {
                    if this.call.poll_deadline(cx).is_ready() {
                        return Poll::Ready(Err(deadline_exceeded()));
                    }
                    this.permit = ready!(place.as_mut().poll(cx));
                    // Without a connection, the channel is closed; the next step finds that out.
                    Stage::Begin
                }
                Stage::Pausing(pause) => {
                    if this.call.poll_deadline(cx).is_ready() {
                        return Poll::Ready(Err(deadline_exceeded()));
                    }
                    this.pauses = Some(ready!(pause.as_mut().poll(cx)));
                    Stage::Begin
                }
                Stage::Connecting(connecting) => {
                    if this.call.poll_deadline(cx).is_ready() {
                        return Poll::Ready(Err(deadline_exceeded()));
                    }
                    match ready!(connecting.as_mut().poll(cx)) {
                        Some(Ok(connection)) => Stage::Connected(connection),
                        Some(Err(error)) => return Poll::Ready(Err(error.status())),
                        None => {
                            this.attempts = this.attempts.saturating_sub(1);
                            if this.attempts == 0 {
                                return Poll::Ready(Err(runtime_ends()));
                            }
                            Stage::Begin
                        }
                    }
                }
                Stage::Connected(connection) => {
                    match (this.call.is_begun(), this.call.poll_on(connection, cx)) {
                        (_, Poll::Ready(Ok(response))) => {
                            let response = match this.is_grpc {
                                true => response_of_grpc(response)?,
                                false => response.map(CallBody::any),
                            };
                            let permit = this.permit.take();
                            return Poll::Ready(Ok(response.map(|body| body.holding(permit))));
                        }
                        (false, Poll::Ready(Err(error))) if !error.is_unprocessed() => {
                            return Poll::Ready(Err(status_of_unsent(&error)));
                        }
                        (true, Poll::Ready(Err(error))) if !error.is_unprocessed() => {
                            return Poll::Ready(Err(status_from_http2(&error)));
                        }
                        (_, Poll::Ready(Err(error))) => {
                            this.attempts = this.attempts.saturating_sub(1);
                            match this.attempts {
                                1.. if this.call.can_be_sent_again() => Stage::Begin,
                                0 if this.wait && this.call.can_be_sent_again() => {
                                    let mut backoff =
                                        this.pauses.take().unwrap_or_else(|| Backoff::reconnect().into());
                                    Stage::Pausing(Box::pin(async move {
                                        backoff.wait().await;
                                        backoff
                                    }))
                                }
                                _ => {
                                    let cause = connection.failure();
                                    return Poll::Ready(Err(status_from_http2_because(
                                        &error,
                                        cause.as_ref(),
                                    )));
                                }
                            }
                        }
                        (_, Poll::Pending) if this.call.is_begun() => return Poll::Pending,
                        // Another call has taken the room. Another connection, or a new one, may have some.
                        (_, Poll::Pending) => Stage::Begin,
                    }
                }
            };
        }
    }
}

impl fmt::Debug for ResponseFuture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResponseFuture").field("call", &self.call).finish_non_exhaustive()
    }
}
