use std::any::Any;
use std::collections::HashMap;
use std::convert::Infallible;
use std::fmt;
use std::future::pending;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use futures_util::StreamExt as _;
use grpc_ipc_core::{Address, BoxListener, Connection as _, Listener, Peer};
use grpc_ipc_http2::RecvBody;
use grpc_ipc_http2::server::{self, Handle};
use tokio::task::{self, JoinSet};
use tokio::time::timeout;
use tonic::Status;
use tonic::body::Body;
use tonic::server::NamedService;
use tonic::service::Routes;
use tower_layer::Layer;
use tower_service::Service;

use crate::authorize::Authorize;
use crate::call_body::CallBody;
use crate::codegen;
use crate::content_type::is_grpc;
use crate::direct::{DirectMethods, PeerMethods};
use crate::fields;
use crate::listeners::{Accepted, Listeners};
use crate::places::Places;
use crate::router::Router;
use crate::services::{BoxError, Services, ServicesFuture};
use crate::{Http2Options, ListenOptions, MethodPath, ServeError};

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
///     .serve_with_shutdown(grpc_ipc::shutdown_signal()?, Duration::from_secs(5))
///     .await?;
/// # Ok(())
/// # }
/// ```
#[derive(Default)]
#[must_use = "a server does nothing until it serves"]
pub struct Server {
    router: Router,
    direct: DirectMethods,
    /// The layers that let calls be direct.
    authorize: Vec<Authorize>,
    /// All of them.
    layers: Vec<Box<dyn FnOnce(Services) -> Services + Send>>,
    listen: Vec<ListenOptions>,
    listeners: Vec<BoxListener>,
    max_connections: Option<usize>,
    max_connections_per_user: Option<usize>,
    http2: Http2Options,
}

impl Server {
    /// A server without services and addresses.
    pub fn builder() -> Self {
        Self::default()
    }

    /// Adds a service, as grpc-ipc-build or tonic has generated it, or with an interceptor around it.
    pub fn add_service<S, B>(mut self, mut service: S) -> Self
    where
        S: Service<http::Request<Body>, Response = http::Response<B>, Error = Infallible>
            + NamedService
            + Clone
            + Send
            + Sync
            + 'static,
        S::Future: Send + 'static,
        B: http_body::Body<Data = Bytes, Error: Into<BoxError>> + Send + 'static,
    {
        if let Some(service) = codegen::probe(&mut service) {
            self.direct.add(service);
        }
        self.router.add(service);
        self
    }

    /// Where requests go that are for none of the services: tonic's [`Routes`], which can also hold routes of axum. They
    /// get every such request, of gRPC or not; the services get those of gRPC only, and answer others with the HTTP
    /// status 405 (a method other than POST) or 415 (a content-type other than `application/grpc`). Default: calls end
    /// with [`Unimplemented`](tonic::Code::Unimplemented).
    pub fn routes(mut self, routes: Routes) -> Self {
        self.router.set_others(routes);
        self
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
        self.authorize.extend((&layer as &dyn Any).downcast_ref::<Authorize>().cloned());
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

    /// How many connections are served at a time, at least 1; the next ones wait, for as long as their clients do
    /// ([`ConnectOptions::connect_timeout`](crate::ConnectOptions::connect_timeout): 5 seconds). An idle connection counts,
    /// too; [`Http2Options::max_connection_idle`] and [`Http2Options::max_connection_age`] end those that stay. One that is
    /// over does not count, though what it still has to say may take its client a few seconds to read (1, with TLS 6).
    /// Default: as many as come.
    pub fn max_connections(self, connections: usize) -> Self {
        Self { max_connections: Some(connections.max(1)), ..self }
    }

    /// How many connections of one user are served at a time, at least 1, so that nobody takes all of
    /// [`max_connections`](Self::max_connections). One more is closed, and its client hears why
    /// ([`ConnectError::TooManyConnections`](crate::ConnectError::TooManyConnections)). A [`Channel`](crate::Channel)
    /// makes up to 8. Peers whose user is not known, as over TCP, count as one user. Default: as many as come.
    pub fn max_connections_per_user(self, connections: usize) -> Self {
        Self { max_connections_per_user: Some(connections.max(1)), ..self }
    }

    /// How HTTP/2 is spoken: the bounds on what one connection may cost, and how calls are run. Default:
    /// [`Http2Options::new`].
    pub fn http2(self, options: Http2Options) -> Self {
        Self { http2: options, ..self }
    }

    /// Listens on all addresses; clients can connect from then on, and are served once [`BoundServer::serve`] runs.
    ///
    /// # Errors
    /// [`ServeError::NoListener`] without an address, [`ServeError::Bind`] for the first that cannot be listened on,
    /// [`ServeError::DuplicateService`] when two services have the same name.
    ///
    /// # Cancel safety
    /// Dropping the future lets go of all addresses.
    pub async fn bind(self) -> Result<BoundServer, ServeError> {
        if let Some(name) = self.router.duplicate() {
            return Err(ServeError::DuplicateService(name));
        }
        let mut listeners = Listeners::new(Places::new(self.max_connections, self.max_connections_per_user));
        for listener in self.listeners {
            listeners.add(listener);
        }
        for options in self.listen {
            listeners.listen(options).await?;
        }
        if listeners.local_addresses().is_empty() {
            return Err(ServeError::NoListener);
        }
        let mut direct = self.direct;
        self.authorize.iter().for_each(|authorize| direct.authorize(authorize));
        // Other layers see every request.
        if self.authorize.len() < self.layers.len() {
            direct = DirectMethods::default();
        }
        let services = Services::from(self.router);
        let services = self.layers.into_iter().fold(services, |services, layer| layer(services));
        Ok(BoundServer {
            services,
            direct: Arc::new(direct),
            general_calls: Arc::default(),
            listeners,
            http2: self.http2,
        })
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
#[must_use = "a server does nothing until it serves"]
pub struct BoundServer {
    services: Services,
    direct: Arc<DirectMethods>,
    general_calls: Arc<AtomicU64>,
    listeners: Listeners,
    http2: Http2Options,
}

impl BoundServer {
    /// Where clients can connect, as it came out in the end: with the path behind `local:NAME`, and with the port that
    /// was chosen for `http://HOST:0`. First those of [`Server::listener`], then those of [`Server::listen`].
    pub fn local_addresses(&self) -> &[Address] {
        self.listeners.local_addresses()
    }

    /// Counts the requests that go the general way, and not directly to the methods of a generated server.
    #[doc(hidden)]
    pub fn general_calls(&self) -> Arc<AtomicU64> {
        Arc::clone(&self.general_calls)
    }

    /// Serves until the process ends.
    ///
    /// # Errors
    /// None at present: what fails later than [`Server::bind`] is a single connection.
    ///
    /// # Cancel safety
    /// Dropping the future lets go of the addresses and ends every connection.
    pub async fn serve(self) -> Result<(), ServeError> {
        self.serve_with_shutdown(pending(), Duration::ZERO).await
    }

    /// Serves until `signal`; then lets go of the addresses at once, refuses new calls, and lets those under way
    /// finish for at most `drain`. What is left then is ended, and its clients see it as
    /// [`Unavailable`](tonic::Code::Unavailable) or [`Cancelled`](tonic::Code::Cancelled). When this returns `Ok`, every
    /// handler is dropped. A client without a call holds it up for at most a second, also one that is stopped.
    ///
    /// # Errors
    /// [`ServeError::StillRunning`] when handlers go on for a second after they were to be dropped, because they block
    /// their threads.
    ///
    /// # Cancel safety
    /// Dropping the future lets go of the addresses and ends every connection.
    pub async fn serve_with_shutdown(
        self,
        signal: impl Future<Output = ()>,
        drain: Duration,
    ) -> Result<(), ServeError> {
        self.serve_until(async {
            signal.await;
            drain
        })
        .await
    }

    /// [`serve_with_shutdown`](Self::serve_with_shutdown), where the signal says how long the drain may be.
    pub(crate) async fn serve_until(self, signal: impl Future<Output = Duration>) -> Result<(), ServeError> {
        let Self { services, direct, general_calls, mut listeners, http2 } = self;
        let offered = Offered { services, direct, general_calls, http2 };
        let mut connections = Connections::default();
        tokio::pin!(signal);
        let drain = loop {
            tokio::select! {
                drain = &mut signal => break drain,
                Some(accepted) = listeners.connections().next() => connections.serve(accepted, &offered),
                () = connections.ended() => {}
            }
        };
        drop(listeners);
        connections.go_away();
        if timeout(drain, connections.all_ended()).await.is_err() {
            connections.close();
            if timeout(AFTER_CUT, connections.all_ended()).await.is_err() {
                let handlers = connections.running();
                if handlers > 0 {
                    return Err(ServeError::StillRunning { handlers });
                }
            }
        }
        Ok(())
    }
}

impl fmt::Debug for BoundServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BoundServer")
            .field("local_addresses", &self.local_addresses())
            .finish_non_exhaustive()
    }
}

/// How long connections that were closed may take to end, and their handlers to be dropped.
const AFTER_CUT: Duration = Duration::from_secs(1);

/// What every connection is served with.
struct Offered {
    services: Services,
    direct: Arc<DirectMethods>,
    general_calls: Arc<AtomicU64>,
    http2: Http2Options,
}

/// The connections of a server, each in a task of its own, which ends when the handlers have. Dropping them ends them.
#[derive(Default)]
struct Connections {
    tasks: JoinSet<()>,
    handles: HashMap<task::Id, Handle>,
}

impl Connections {
    fn serve(&mut self, (connection, place): Accepted, offered: &Offered) {
        let peer = connection.peer().clone();
        let service = PeerService {
            services: offered.services.clone(),
            general_calls: Arc::clone(&offered.general_calls),
            peer: peer.clone(),
            failed: None,
        };
        let http2 = offered.http2.clone().reads_at_once(connection.reads_at_once());
        let mut connection = server::Connection::new(connection, service, http2);
        if !offered.direct.is_empty() {
            let methods = Arc::clone(&offered.direct);
            connection = connection.direct(Box::new(PeerMethods::new(methods, peer)));
        }
        let handle = connection.handle();
        let handlers = handle.clone();
        let task = self.tasks.spawn(async move {
            if let Err(error) = connection.await {
                tracing::debug!(%error, "a connection has ended");
            }
            handlers.finished().await;
            drop(place);
        });
        self.handles.insert(task.id(), handle);
    }

    /// Waits until one more has ended; for ever while there is none.
    async fn ended(&mut self) {
        match self.tasks.join_next_with_id().await {
            Some(ended) => {
                let id = ended.map_or_else(|error| error.id(), |(id, ())| id);
                self.handles.remove(&id);
            }
            None => pending().await,
        }
    }

    fn go_away(&self) {
        self.handles.values().for_each(Handle::graceful_shutdown);
    }

    fn close(&self) {
        self.handles.values().for_each(Handle::close);
    }

    /// How many handlers are not dropped.
    fn running(&self) -> usize {
        self.handles.values().map(Handle::running).sum()
    }

    async fn all_ended(&mut self) {
        while !self.tasks.is_empty() {
            self.ended().await;
        }
    }
}

/// All services, for the requests of one peer.
#[derive(Clone)]
struct PeerService {
    services: Services,
    general_calls: Arc<AtomicU64>,
    peer: Peer,
    /// Why the services cannot take the next request.
    failed: Option<Status>,
}

impl Service<http::Request<RecvBody>> for PeerService {
    type Response = http::Response<Body>;
    type Error = BoxError;
    type Future = ServicesFuture;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        if let Err(error) = std::task::ready!(self.services.poll_ready(cx)) {
            self.failed = Some(Status::from_error(error));
        }
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<RecvBody>) -> Self::Future {
        if let Some(status) = self.failed.take() {
            return ServicesFuture::ready(status.into_http());
        }
        self.general_calls.fetch_add(1, Ordering::Relaxed);
        let is_grpc = is_grpc(request.headers());
        let mut request = request.map(|body| match is_grpc {
            true => Body::new(CallBody::request(body)),
            false => Body::new(CallBody::any(body)),
        });
        if is_grpc {
            fields::separate(request.headers_mut());
        }
        let path = MethodPath::of(request.uri());
        request.extensions_mut().insert(self.peer.clone());
        request.extensions_mut().insert(path);
        self.services.call(request)
    }
}
