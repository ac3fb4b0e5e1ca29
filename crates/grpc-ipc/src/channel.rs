use std::fmt;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use grpc_ipc_core::{BoxConnector, ConnectError, Connector, Peer};
use tonic::body::Body;
use tonic::transport::{self, Endpoint};
use tonic::{Status, client::GrpcService};
use tower_service::Service;

use crate::call_body::CallBody;
use crate::connect::EndpointConnector;
use crate::deadline::Deadline;
use crate::options::{ConnectOptions, DEFAULT_CONNECT_TIMEOUT};
use crate::status::status_from_transport;

/// A connection to a server for as many clients and calls as wanted, made again when it breaks. Cloning is cheap.
///
/// It goes into any client that tonic has generated: `GreeterClient::new(channel)`. Requests carry
/// `:authority: localhost`. A call whose deadline ([`Request::set_timeout`](tonic::Request::set_timeout)) passes ends
/// with [`DeadlineExceeded`](tonic::Code::DeadlineExceeded), also in the middle of a stream of responses.
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
    inner: transport::Channel,
    connector: EndpointConnector,
}

impl Channel {
    /// Connects now, to an address or with [`ConnectOptions`].
    ///
    /// # Errors
    /// [`ConnectError`] when there is no server, or none that is trusted.
    ///
    /// # Cancel safety
    /// Dropping the future closes what it had opened.
    ///
    /// # Panics
    /// Outside of a tokio runtime.
    pub async fn connect(options: impl Into<ConnectOptions>) -> Result<Self, ConnectError> {
        let connector = EndpointConnector::new(options)?;
        // Ahead, because tonic would hide what went wrong.
        let address = connector.connect_ahead().await?;
        let endpoint = endpoint();
        let connecting = endpoint.connect_with_connector(connector.clone());
        let inner = connecting
            .await
            .map_err(|error| ConnectError::Closed { address, source: io::Error::other(error) })?;
        Ok(Self { inner, connector })
    }

    /// Connects at the first call, which fails with [`Unavailable`](tonic::Code::Unavailable) if there is no server by
    /// then; each later call tries again.
    ///
    /// # Errors
    /// [`ConnectError::Address`] for a wrong address, [`ConnectError::Unsupported`] for one of a transport that this
    /// platform has not.
    ///
    /// # Panics
    /// Outside of a tokio runtime.
    pub fn lazy(options: impl Into<ConnectOptions>) -> Result<Self, ConnectError> {
        Ok(Self::new(EndpointConnector::new(options)?))
    }

    /// Connects at the first call, over a transport of your own. A server that is there may take 5 seconds to accept.
    ///
    /// # Panics
    /// Outside of a tokio runtime.
    pub fn from_connector(connector: impl Connector) -> Self {
        Self::new(EndpointConnector::from_connector(BoxConnector::new(connector), DEFAULT_CONNECT_TIMEOUT))
    }

    fn new(connector: EndpointConnector) -> Self {
        Self { inner: endpoint().connect_with_connector_lazy(connector.clone()), connector }
    }

    /// The server that was connected to last, if there was one.
    pub fn peer(&self) -> Option<Peer> {
        self.connector.server()
    }
}

/// The URI is nobody's address: it gives the requests their `:scheme` and `:authority`.
fn endpoint() -> Endpoint {
    Endpoint::from_static("http://localhost")
}

impl fmt::Debug for Channel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Channel").field("peer", &self.peer()).finish_non_exhaustive()
    }
}

impl Service<http::Request<Body>> for Channel {
    type Response = http::Response<Body>;
    type Error = Status;
    type Future = ResponseFuture;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Status>> {
        GrpcService::poll_ready(&mut self.inner, cx).map_err(status_from_transport)
    }

    fn call(&mut self, request: http::Request<Body>) -> ResponseFuture {
        let deadline = Deadline::of(&request);
        ResponseFuture { response: GrpcService::call(&mut self.inner, request), deadline }
    }
}

/// The response to a call on a [`Channel`], or the status it failed with.
#[derive(Debug)]
#[must_use = "futures do nothing unless polled"]
pub struct ResponseFuture {
    response: transport::channel::ResponseFuture,
    deadline: Option<Deadline>,
}

impl Future for ResponseFuture {
    type Output = Result<http::Response<Body>, Status>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        if self.deadline.as_mut().is_some_and(|deadline| deadline.poll_passed(cx).is_ready()) {
            return Poll::Ready(Err(Deadline::exceeded()));
        }
        let response = ready!(Pin::new(&mut self.response).poll(cx)).map_err(status_from_transport)?;
        let deadline = self.deadline.take();
        Poll::Ready(Ok(response.map(|body| CallBody::around(body, deadline))))
    }
}
