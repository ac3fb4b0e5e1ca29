use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use grpc_ipc_core::{BoxConnection, BoxConnector, ConnectError, Connector as _};
use http::Uri;
use hyper_util::rt::TokioIo;
use tower_service::Service;

use crate::connections::deadline_after;
use crate::{ConnectOptions, backend};

/// Connects tonic's own [`Endpoint`](tonic::transport::Endpoint) to a local address:
///
/// ```no_run
/// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
/// use tonic::transport::Endpoint;
///
/// let connector = grpc_ipc::EndpointConnector::new("local:greeter")?;
/// let channel = Endpoint::from_static("http://localhost").connect_with_connector(connector).await?;
/// # Ok(())
/// # }
/// ```
///
/// The endpoint's URI selects nothing; it becomes the `:authority` of the requests. Use `http://localhost`.
#[derive(Clone)]
pub struct EndpointConnector {
    connector: BoxConnector,
    timeout: Duration,
}

impl EndpointConnector {
    /// A connector to the address of `options`. The HTTP/2 options and the number of connections have no effect: those
    /// are the endpoint's.
    ///
    /// # Errors
    /// - [`ConnectError::Address`] if the address is invalid
    /// - [`ConnectError::Unsupported`] if this platform does not have the address's transport
    ///
    /// A missing server is an error only when the endpoint connects.
    pub fn new(options: impl Into<ConnectOptions>) -> Result<Self, ConnectError> {
        let options = options.into();
        let timeout = options.connections.connect_timeout;
        Ok(Self { connector: backend::connector(options)?, timeout })
    }
}

impl Service<Uri> for EndpointConnector {
    type Response = TokioIo<BoxConnection>;
    type Error = ConnectError;
    type Future = Pin<Box<dyn Future<Output = Result<TokioIo<BoxConnection>, ConnectError>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), ConnectError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Uri) -> Self::Future {
        let Self { connector, timeout } = self.clone();
        Box::pin(async move { connector.connect(deadline_after(timeout)).await.map(TokioIo::new) })
    }
}
