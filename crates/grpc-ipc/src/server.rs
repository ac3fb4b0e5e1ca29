use std::convert::Infallible;
use std::fmt;
use std::future::pending;
use std::sync::Arc;
use std::time::Duration;

use axum::response::IntoResponse;
use bytes::Bytes;
use grpc_ipc_core::{Address, BoxListener, Listener};
use tokio::sync::Semaphore;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;
use tonic::body::Body;
use tonic::server::NamedService;
use tonic::service::Routes;
use tower_layer::Layer;
use tower_service::Service;

use crate::incoming::{Incoming, Limits};
use crate::services::{BoxError, Services};
use crate::{ListenOptions, ServeError};

/// Serves tonic services on local addresses: a builder.
///
/// ```no_run
/// # use grpc_ipc_proto::greet::greeter_server::{Greeter, GreeterServer};
/// # async fn example(greeter: impl Greeter) -> Result<(), Box<dyn std::error::Error>> {
/// use std::time::Duration;
///
/// grpc_ipc::Server::builder()
///     .add_service(GreeterServer::new(greeter))
///     .listen("local:greeter")
///     .serve_with_shutdown(async { tokio::signal::ctrl_c().await.unwrap() }, Duration::from_secs(5))
///     .await?;
/// # Ok(())
/// # }
/// ```
#[derive(Default)]
#[must_use = "a server does nothing until it serves"]
pub struct Server {
    routes: Routes,
    layers: Vec<Box<dyn FnOnce(Services) -> Services + Send>>,
    listen: Vec<ListenOptions>,
    listeners: Vec<BoxListener>,
    max_connections: Option<usize>,
}

impl Server {
    /// A server without services and addresses.
    pub fn builder() -> Self {
        Self::default()
    }

    /// Adds a service, as tonic has generated it.
    pub fn add_service<S>(mut self, service: S) -> Self
    where
        S: Service<http::Request<Body>, Error = Infallible> + NamedService + Clone + Send + Sync + 'static,
        S::Response: IntoResponse,
        S::Future: Send + 'static,
    {
        self.routes = self.routes.add_service(service);
        self
    }

    /// Serves `routes` in place of the services that were added so far.
    pub fn routes(self, routes: Routes) -> Self {
        Self { routes, ..self }
    }

    /// Puts a tower layer around all services, also around those that are added later. The last one added sees a
    /// request first. An error of the layer becomes the status that the call ends with.
    pub fn layer<L, B>(mut self, layer: L) -> Self
    where
        L: Layer<Services> + Send + 'static,
        L::Service: Service<http::Request<Body>, Response = http::Response<B>> + Clone + Send + 'static,
        <L::Service as Service<http::Request<Body>>>::Error: Into<BoxError>,
        <L::Service as Service<http::Request<Body>>>::Future: Send + 'static,
        B: http_body::Body<Data = Bytes, Error: Into<BoxError>> + Send + 'static,
    {
        self.layers.push(Box::new(move |services| Services::around(layer.layer(services))));
        self
    }

    /// Listens on an address, or with [`ListenOptions`]. Call it again to listen on one more.
    pub fn listen(mut self, options: impl Into<ListenOptions>) -> Self {
        self.listen.push(options.into());
        self
    }

    /// Listens with a transport of your own. Call it again to listen with one more.
    pub fn listener(mut self, listener: impl Listener) -> Self {
        self.listeners.push(BoxListener::new(listener));
        self
    }

    /// How many connections are served at a time, at least 1; the next ones wait. An idle connection counts, too.
    /// Default: as many as come.
    pub fn max_connections(self, connections: usize) -> Self {
        Self { max_connections: Some(connections.clamp(1, Semaphore::MAX_PERMITS)), ..self }
    }

    /// Listens on all addresses; clients can connect from then on, and are served once [`BoundServer::serve`] runs.
    ///
    /// # Errors
    /// [`ServeError::NoListener`] without an address, [`ServeError::Bind`] for the first that cannot be listened on.
    ///
    /// # Cancel safety
    /// Dropping the future lets go of all addresses.
    pub async fn bind(self) -> Result<BoundServer, ServeError> {
        let cut = CancellationToken::new();
        let connections = self.max_connections.map(|limit| Arc::new(Semaphore::new(limit)));
        let mut incoming = Incoming::new(Limits { connections, cut: Some(cut.clone()) });
        for listener in self.listeners {
            incoming.add(listener);
        }
        for options in self.listen {
            incoming.listen(options).await?;
        }
        if incoming.local_addresses().is_empty() {
            return Err(ServeError::NoListener);
        }
        let services = Services::from(self.routes.prepare());
        let services = self.layers.into_iter().fold(services, |services, layer| layer(services));
        Ok(BoundServer { services, incoming, cut })
    }

    /// Binds, and serves until the process ends.
    ///
    /// # Errors
    /// As of [`bind`](Self::bind) and [`BoundServer::serve`].
    pub async fn serve(self) -> Result<(), ServeError> {
        self.bind().await?.serve().await
    }

    /// Binds, and serves until `signal`. [`BoundServer::serve_with_shutdown`] has the details.
    ///
    /// # Errors
    /// As of [`bind`](Self::bind) and [`BoundServer::serve_with_shutdown`].
    pub async fn serve_with_shutdown(
        self,
        signal: impl Future<Output = ()>,
        drain: Duration,
    ) -> Result<(), ServeError> {
        self.bind().await?.serve_with_shutdown(signal, drain).await
    }
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Server").field("listen", &self.listen).finish_non_exhaustive()
    }
}

/// A [`Server`] that listens on all of its addresses.
#[derive(Debug)]
#[must_use = "a server does nothing until it serves"]
pub struct BoundServer {
    services: Services,
    incoming: Incoming,
    cut: CancellationToken,
}

impl BoundServer {
    /// Where clients can connect, as it came out in the end: with the path behind `local:NAME`, and with the port that
    /// was chosen for `http://HOST:0`. First those of [`Server::listener`], then those of [`Server::listen`].
    pub fn local_addresses(&self) -> &[Address] {
        self.incoming.local_addresses()
    }

    /// Serves until the process ends.
    ///
    /// # Errors
    /// [`ServeError::Transport`] when the transport fails for good.
    ///
    /// # Cancel safety
    /// Dropping the future lets go of the addresses and ends every connection.
    pub async fn serve(self) -> Result<(), ServeError> {
        self.serve_with_shutdown(pending(), Duration::ZERO).await
    }

    /// Serves until `signal`; then lets go of the addresses at once, refuses new calls, and lets those under way
    /// finish for at most `drain`. What is left then is ended, and its clients see it as
    /// [`Unavailable`](tonic::Code::Unavailable) or [`Cancelled`](tonic::Code::Cancelled).
    ///
    /// # Errors
    /// [`ServeError::Transport`] when the transport fails for good.
    ///
    /// # Cancel safety
    /// Dropping the future lets go of the addresses and ends every connection.
    pub async fn serve_with_shutdown(
        self,
        signal: impl Future<Output = ()>,
        drain: Duration,
    ) -> Result<(), ServeError> {
        let Self { services, incoming, cut } = self;
        let _cut_when_dropped = cut.clone().drop_guard();
        let stopping = CancellationToken::new();
        let signal = async {
            signal.await;
            stopping.cancel();
        };
        let serving =
            tonic::transport::Server::builder().serve_with_incoming_shutdown(services, incoming, signal);
        tokio::pin!(serving);
        let overdue = async {
            stopping.cancelled().await;
            sleep(drain).await;
        };
        tokio::select! {
            ended = &mut serving => ended,
            () = overdue => {
                cut.cancel();
                // The connections end at once; a handler that blocks its thread does not, and is left behind.
                timeout(AFTER_CUT, serving).await.unwrap_or(Ok(()))
            }
        }
        .map_err(|error| ServeError::Transport(Box::new(error)))
    }
}

/// How long connections that were cut may take to end.
const AFTER_CUT: Duration = Duration::from_secs(1);
