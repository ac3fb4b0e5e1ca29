use std::any::Any;
use std::convert::Infallible;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use grpc_ipc_core::{BoxListener, Listener, Peer};
use tonic::body::Body;
use tonic::server::NamedService;
#[cfg(feature = "routes")]
use tonic::service::Routes;
use tower_layer::Layer;
use tower_service::Service;

use crate::codegen;
use crate::direct::DirectMethods;
use crate::hooks::Hooks;
use crate::known_methods::KnownMethods;
use crate::layers::Layers;
use crate::lifecycle::Ending;
use crate::limits::Limits;
use crate::listeners::Listeners;
use crate::observer::Observer;
use crate::places::Places;
use crate::router::Router;
use crate::services::{BoxError, Services};
use crate::{BoundServer, Http2Options, ListenOptions, ServeError, ServerStats, sync};

/// A builder for a server of tonic services on local addresses.
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
///
/// A call is *direct* if it goes from the connection to the generated method, without layers and routing. Other calls
/// take the *general path*, which costs about three times as much ([`ServerStats::general_calls`] counts them). Options
/// that take calls off the direct path say so.
///
/// [`from_tonic`](crate::from_tonic) lists tonic's options and their equivalents in grpc-ipc.
#[derive(Default)]
#[must_use = "a server does nothing until it serves"]
pub struct Server {
    router: Router,
    direct: DirectMethods,
    known: KnownMethods,
    layers: Layers,
    listen: Vec<ListenOptions>,
    listeners: Vec<BoxListener>,
    max_connections: Option<usize>,
    max_connections_per_user: Option<usize>,
    timeout: Option<Duration>,
    limits: Limits,
    hooks: Hooks,
    http2: Http2Options,
    /// For [`spawn`](Self::spawn).
    pub(crate) worker_threads: usize,
    pub(crate) ending: Ending,
    pub(crate) notify_systemd: bool,
}

impl Server {
    /// A server without services or addresses.
    pub fn builder() -> Self {
        Self::default()
    }

    /// Adds a service that grpc-ipc-build or tonic generated, with or without an interceptor.
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
        let direct = codegen::probe(&mut service);
        self.known.add(S::NAME, direct.as_deref());
        if let Some(service) = direct {
            self.direct.add(service);
        }
        self.router.add(service);
        self
    }

    /// Adds a service if it is `Some`, for a service that the program's configuration enables.
    pub fn add_optional_service<S, B>(self, service: Option<S>) -> Self
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
        match service {
            Some(service) => self.add_service(service),
            None => self,
        }
    }

    /// Handles requests that match no service, with tonic's [`Routes`], which can hold axum routes as well. These
    /// routes also receive requests that are not gRPC. Services receive only gRPC requests; they answer any other
    /// method than POST with the HTTP status 405, and any other content-type than `application/grpc` with 415.
    ///
    /// Default: requests that match no service end with [`Unimplemented`](tonic::Code::Unimplemented).
    #[cfg(feature = "routes")]
    pub fn routes(mut self, routes: Routes) -> Self {
        self.known.open();
        self.router.set_others(routes);
        self
    }

    /// Puts a tower layer around all services, including those added later. The first layer added sees a request first,
    /// as with tonic's server and with `tower::ServiceBuilder`.
    ///
    /// If the layer fails, its error becomes the status of the call. A [`Status`](tonic::Status) among the error's
    /// sources is used as it is. The error of tower's timeout layer becomes
    /// [`DeadlineExceeded`](tonic::Code::DeadlineExceeded), that of its load-shed layer
    /// [`ResourceExhausted`](tonic::Code::ResourceExhausted), and any other error [`Unknown`](tonic::Code::Unknown).
    ///
    /// Calls are not direct behind any layer except [`Authorize`](crate::Authorize).
    pub fn layer<L, B>(mut self, layer: L) -> Self
    where
        L: Layer<Services> + Send + 'static,
        L::Service: Service<http::Request<Body>, Response = http::Response<B>> + Clone + Send + 'static,
        <L::Service as Service<http::Request<Body>>>::Error: Into<BoxError>,
        <L::Service as Service<http::Request<Body>>>::Future: Send + 'static,
        B: http_body::Body<Data = Bytes, Error: Into<BoxError>> + Send + 'static,
    {
        self.layers.add(layer);
        self
    }

    /// Listens on an address, or with [`ListenOptions`]. Each call adds an address.
    pub fn listen(mut self, options: impl Into<ListenOptions>) -> Self {
        self.listen.push(options.into());
        self
    }

    /// Listens with a transport of your own. Each call adds a listener.
    pub fn listener(mut self, listener: impl Listener) -> Self {
        self.listeners.push(BoxListener::new(listener));
        self
    }

    /// Limits the number of open connections, at least 1. Idle connections count; to end them, set
    /// [`Http2Options::max_connection_idle`] or [`Http2Options::max_connection_age`]. Further clients wait to be
    /// accepted, up to their own time limit
    /// ([`ConnectOptions::connect_timeout`](crate::ConnectOptions::connect_timeout), 5 seconds by default). Closed
    /// connections do not count, although their last data may take up to a second to flush (6 seconds with TLS).
    /// Default: no limit.
    pub fn max_connections(self, connections: usize) -> Self {
        Self { max_connections: Some(connections.max(1)), ..self }
    }

    /// Limits the number of open connections of each user, at least 1, so that one user cannot take all of
    /// [`max_connections`](Self::max_connections). The server closes a connection over the limit, and the client fails
    /// with [`ConnectError::TooManyConnections`](crate::ConnectError::TooManyConnections). A
    /// [`Channel`](crate::Channel) opens up to 8 connections. Peers whose user is unknown, as over TCP, count as one
    /// user. Default: no limit.
    pub fn max_connections_per_user(self, connections: usize) -> Self {
        Self { max_connections_per_user: Some(connections.max(1)), ..self }
    }

    /// Limits the time from the call of a handler to its answer. After that, the server drops the handler, and the call
    /// ends with [`DeadlineExceeded`](tonic::Code::DeadlineExceeded). An earlier deadline of the caller takes
    /// precedence. The limit does not apply to a response that has begun, such as a stream of messages. (tonic's server
    /// does the same, with the code `Cancelled`.) This overrides [`Http2Options::handler_timeout`]. Default: no limit.
    pub fn timeout(self, timeout: Duration) -> Self {
        Self { timeout: Some(timeout), ..self }
    }

    /// Limits how many calls of one connection may wait for their handler's answer at a time, at least 1. Further calls
    /// wait, or are refused if [`load_shed`](Self::load_shed) is set. A streaming response counts until it begins.
    ///
    /// The server enforces this limit. [`Http2Options::max_concurrent_streams`] instead tells clients how many calls
    /// they may make at a time, so that they wait themselves, and counts streams until they end. With this limit, calls
    /// are not direct. Default: no limit.
    pub fn concurrency_limit_per_connection(mut self, calls: usize) -> Self {
        self.limits.concurrency = Some(calls.max(1));
        self
    }

    /// Whether to refuse a call with [`ResourceExhausted`](tonic::Code::ResourceExhausted) instead of letting it wait
    /// when the services are not ready: when
    /// [`concurrency_limit_per_connection`](Self::concurrency_limit_per_connection) is reached, or when a layer is not
    /// ready. Default: `false`.
    pub fn load_shed(mut self, load_shed: bool) -> Self {
        self.limits.load_shed = load_shed;
        self
    }

    /// Runs each request in a span that `trace` makes from the request's head. The extensions of the head contain the
    /// [`Peer`](crate::Peer) and the [`MethodPath`](crate::MethodPath). The span encloses all layers. It ends when the
    /// handler has answered, so it does not cover the messages of a stream. With it, calls are not direct. Default: no
    /// spans.
    pub fn trace_fn<F>(mut self, trace: F) -> Self
    where
        F: Fn(&http::Request<()>) -> tracing::Span + Send + Sync + 'static,
    {
        self.layers.trace = Some(Arc::new(trace));
        self
    }

    /// Notifies `observer` when a client connects, is refused, or disconnects, with the reason. Each call adds an
    /// observer. Calls stay direct. Default: no observer.
    pub fn observe(mut self, observer: impl Observer) -> Self {
        self.hooks.observers.add(observer);
        self
    }

    /// Attaches the value that `tag` returns to the [`Peer`] of each connection, such as a session, a record, or the
    /// name of a plug-in. Handlers read it with [`Peer::tag`](crate::Peer::tag). The server calls `tag` after the
    /// access policy has accepted the peer; it must not block. Its value replaces any tag that a listener of your own
    /// has set. If `tag` panics, the peer has no tag. Default: no tag.
    pub fn tag_peers<T: Any + Send + Sync>(
        mut self,
        tag: impl Fn(&Peer) -> T + Send + Sync + 'static,
    ) -> Self {
        self.hooks.tag = Some(Arc::new(move |peer| {
            let tag = tag(&peer);
            peer.with_tag(tag)
        }));
        self
    }

    /// Sets the HTTP/2 options: the limits on what one connection may cost, and how calls are run. Default:
    /// [`Http2Options::new`].
    pub fn http2(self, options: Http2Options) -> Self {
        Self { http2: options, ..self }
    }

    /// Listens on all addresses. Clients can connect from then on; the server answers them once [`BoundServer::serve`]
    /// runs.
    ///
    /// # Errors
    /// - [`ServeError::NoRuntime`] outside of a tokio runtime
    /// - [`ServeError::NoListener`] without an address
    /// - [`ServeError::Bind`] for the first address on which the server cannot listen
    /// - [`ServeError::DuplicateService`] if two services have the same name
    /// - [`ServeError::UnknownMethod`] if [`Authorize`](crate::Authorize) has a rule for a service or a method that the
    ///   server does not have
    /// - [`ServeError::Name`] if [`Authorize`](crate::Authorize) names a user or a group that does not exist
    ///
    /// # Cancel safety
    /// Dropping the future releases all addresses.
    pub async fn bind(mut self) -> Result<BoundServer, ServeError> {
        if !sync::in_runtime() {
            return Err(ServeError::NoRuntime);
        }
        if let Some(name) = self.router.duplicate() {
            return Err(ServeError::DuplicateService(name));
        }
        self.layers.authorize().try_for_each(|authorize| self.known.check(authorize))?;
        self.layers.look_up_names().await?;
        let stats = ServerStats::default();
        let places = Places::new(self.max_connections, self.max_connections_per_user);
        let mut listeners = Listeners::new(places, stats.clone(), self.hooks.observers.clone());
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
        self.layers.authorize().for_each(|authorize| direct.authorize(authorize));
        if self.layers.see_every_request() || self.limits.concurrency.is_some() {
            direct = DirectMethods::default();
        }
        let http2 = match self.timeout {
            Some(timeout) => self.http2.handler_timeout(timeout),
            None => self.http2,
        };
        let services = self.layers.around(Services::from(self.router));
        Ok(BoundServer {
            services,
            direct: Arc::new(direct),
            limits: self.limits,
            hooks: self.hooks,
            stats,
            ending: self.ending,
            listeners,
            http2,
            notify_systemd: self.notify_systemd,
        })
    }

    /// Binds, then serves until the process ends. [`BoundServer::serve`] has the details.
    ///
    /// # Errors
    /// Those of [`bind`](Self::bind) and [`BoundServer::serve`].
    pub async fn serve(self) -> Result<(), ServeError> {
        self.bind().await?.serve().await
    }

    /// Binds, then serves until `signal` completes. [`BoundServer::serve_with_shutdown`] has the details.
    ///
    /// # Errors
    /// Those of [`bind`](Self::bind) and [`BoundServer::serve_with_shutdown`].
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
