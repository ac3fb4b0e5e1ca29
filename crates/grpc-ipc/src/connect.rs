use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use grpc_ipc_core::{
    Address, BoxConnection, BoxConnector, ConnectError, Connection as _, Connector as _, Peer,
};
use http::Uri;
use hyper_util::rt::TokioIo;
use tokio::time::Instant;
use tower_service::Service;

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
/// The endpoint's URI is not looked at; it becomes the `:authority` of the requests. Use `http://localhost`.
#[derive(Clone)]
pub struct EndpointConnector {
    connector: Arc<BoxConnector>,
    timeout: Duration,
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    /// A connection that was made ahead, and that the next call gets.
    ready: Option<BoxConnection>,
    /// Who answered last.
    server: Option<Peer>,
}

impl EndpointConnector {
    /// A connector to the address of `options`.
    ///
    /// # Errors
    /// [`ConnectError::Address`] for a wrong address, [`ConnectError::Unsupported`] for one of a transport that this
    /// platform has not. Whether there is a server is found out when a connection is made.
    pub fn new(options: impl Into<ConnectOptions>) -> Result<Self, ConnectError> {
        let options = options.into();
        let timeout = options.connect_timeout;
        Ok(Self::from_connector(backend::connector(options)?, timeout))
    }

    pub(crate) fn from_connector(connector: BoxConnector, timeout: Duration) -> Self {
        Self { connector: Arc::new(connector), timeout, state: Arc::default() }
    }

    /// Makes the connection that the next call gets, and tells its address.
    pub(crate) async fn connect_ahead(&self) -> Result<Address, ConnectError> {
        let connection = self.connect().await?;
        self.state().ready = Some(connection);
        Ok(self.connector.address().clone())
    }

    pub(crate) fn server(&self) -> Option<Peer> {
        self.state().server.clone()
    }

    async fn connect(&self) -> Result<BoxConnection, ConnectError> {
        let connection = self.connector.connect(Instant::now() + self.timeout).await?;
        self.state().server = Some(connection.peer().clone());
        Ok(connection)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Nothing panics while it holds the lock, so the state is whole even then.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
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
        let this = self.clone();
        Box::pin(async move {
            let ready = this.state().ready.take();
            Ok(TokioIo::new(match ready {
                Some(connection) => connection,
                None => this.connect().await?,
            }))
        })
    }
}
