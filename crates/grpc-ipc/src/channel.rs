use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll, ready};

use grpc_ipc_core::{BoxConnector, ConnectError, Connector, Peer};
use grpc_ipc_http2::client::{Call, SendRequest};
use tonic::Status;
use tonic::body::Body;
use tower_service::Service;

use crate::ConnectOptions;
use crate::backend;
use crate::call_body::CallBody;
use crate::connections::{Connecting, Connections, ConnectionsOptions, Place};
use crate::content_type::is_grpc;
use crate::response::response_of_grpc;
use crate::status::{deadline_exceeded, status_from_http2, status_from_http2_because};

/// A connection to a server for as many clients and calls as wanted, made again when it breaks. Cloning is cheap.
///
/// It goes into any generated client: `GreeterClient::new(channel)`. Requests carry `:authority: localhost`. A call whose
/// deadline ([`Request::set_timeout`](tonic::Request::set_timeout)) passes ends with
/// [`DeadlineExceeded`](tonic::Code::DeadlineExceeded), also in the middle of a stream of responses. A call that a server
/// which goes away has certainly not looked at is made again on the next connection. A server that ends a connection for too
/// many pings gets half as many on the next ones
/// ([gRFC A8](https://github.com/grpc/proposal/blob/master/A8-client-side-keepalive.md)).
///
/// A connection runs on the tokio runtime of the call that made it, and rests when that runtime does. When the runtime
/// ends, the next call makes another connection.
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
#[derive(Clone)]
pub struct Channel {
    connections: Arc<Connections>,
}

impl Channel {
    /// Connects now, to an address or with [`ConnectOptions`], and waits until the server has begun with HTTP/2.
    ///
    /// # Errors
    /// [`ConnectError`] when there is no server, or none that is trusted; [`ConnectError::Rejected`] when the server does
    /// not let this client in, and [`ConnectError::TimedOut`] when it has not answered within
    /// [`connect_timeout`](ConnectOptions::connect_timeout).
    /// [`ConnectError::NoRuntime`] outside of a tokio runtime.
    ///
    /// # Cancel safety
    /// Dropping the future closes what it had opened.
    pub async fn connect(options: impl Into<ConnectOptions>) -> Result<Self, ConnectError> {
        let channel = Self::lazy(options)?;
        channel.connections.connect().await?;
        Ok(channel)
    }

    /// Connects at the first call, which fails with [`Unavailable`](tonic::Code::Unavailable) if there is no server by
    /// then, and with [`PermissionDenied`](tonic::Code::PermissionDenied) if that does not let this client in; each later
    /// call tries again.
    ///
    /// # Errors
    /// [`ConnectError::Address`] for a wrong address, [`ConnectError::Unsupported`] for one of a transport that this
    /// platform has not.
    pub fn lazy(options: impl Into<ConnectOptions>) -> Result<Self, ConnectError> {
        let options = options.into();
        let connections = options.connections.clone();
        Ok(Self::new(backend::connector(options)?, connections))
    }

    /// Connects at the first call, over a transport of your own. A server that is there may take 5 seconds to accept
    /// and to begin with HTTP/2.
    pub fn from_connector(connector: impl Connector) -> Self {
        Self::new(BoxConnector::new(connector), ConnectionsOptions::default())
    }

    pub(crate) fn new(connector: BoxConnector, options: ConnectionsOptions) -> Self {
        Self { connections: Connections::new(connector, options) }
    }

    pub(crate) fn connections(&self) -> &Connections {
        &self.connections
    }

    /// How many calls have gone the general way, and not directly from generated code to the connection.
    #[doc(hidden)]
    pub fn general_calls(&self) -> u64 {
        self.connections.general_calls.load(Ordering::Relaxed)
    }

    /// The server that was connected to last, if there was one.
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

    fn call(&mut self, request: http::Request<Body>) -> ResponseFuture {
        self.connections.general_calls.fetch_add(1, Ordering::Relaxed);
        ResponseFuture {
            connections: Arc::clone(&self.connections),
            is_grpc: is_grpc(request.headers()),
            call: Call::new(request),
            stage: Stage::Begin,
            attempts: MAX_ATTEMPTS,
        }
    }
}

/// How often a call is made that no server looks at.
const MAX_ATTEMPTS: u32 = 5;

/// The response to a call on a [`Channel`], or the status it failed with. Dropping it cancels the call.
#[must_use = "futures do nothing unless polled"]
pub struct ResponseFuture {
    connections: Arc<Connections>,
    /// Whether the response has to be one of gRPC.
    is_grpc: bool,
    call: Call<Body>,
    stage: Stage,
    attempts: u32,
}

enum Stage {
    Begin,
    Connecting(Connecting),
    Connected(Arc<SendRequest>),
}

impl Future for ResponseFuture {
    type Output = Result<http::Response<CallBody>, Status>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        loop {
            this.stage = match &mut this.stage {
                Stage::Begin => match this.connections.place() {
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
                        // One that was added meanwhile has not woken this call.
                        if !room && this.connections.generation() == generation {
                            return Poll::Pending;
                        }
                        Stage::Begin
                    }
                },
                Stage::Connecting(connecting) => {
                    if this.call.poll_deadline(cx).is_ready() {
                        return Poll::Ready(Err(deadline_exceeded()));
                    }
                    match ready!(connecting.as_mut().poll(cx)) {
                        Some(opened) => Stage::Connected(opened?),
                        None => {
                            this.attempts -= 1;
                            if this.attempts == 0 {
                                return Poll::Ready(Err(Status::unavailable(
                                    "cannot connect: the tokio runtime is shutting down",
                                )));
                            }
                            Stage::Begin
                        }
                    }
                }
                Stage::Connected(connection) => match this.call.poll_on(connection, cx) {
                    Poll::Ready(Ok(response)) => {
                        return Poll::Ready(match this.is_grpc {
                            true => response_of_grpc(response),
                            false => Ok(response.map(CallBody::any)),
                        });
                    }
                    Poll::Ready(Err(error)) => {
                        if !error.is_unprocessed() {
                            return Poll::Ready(Err(status_from_http2(&error)));
                        }
                        this.attempts -= 1;
                        if !this.call.can_be_sent_again() || this.attempts == 0 {
                            let cause = connection.failure();
                            return Poll::Ready(Err(status_from_http2_because(&error, cause.as_ref())));
                        }
                        Stage::Begin
                    }
                    Poll::Pending if this.call.is_begun() => return Poll::Pending,
                    // There is no room by now; there may be on another connection, or one more.
                    Poll::Pending => Stage::Begin,
                },
            };
        }
    }
}

impl fmt::Debug for ResponseFuture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResponseFuture").field("call", &self.call).finish_non_exhaustive()
    }
}
