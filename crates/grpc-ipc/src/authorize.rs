use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;
use std::task::{Context, Poll};

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use grpc_ipc_core::{AccessPolicy, NameError, Peer, Refused};
use tonic::server::NamedService;
use tonic::service::Interceptor;
use tonic::{Request, Status};
use tower_layer::Layer;
use tower_service::Service;

use crate::MethodPath;
use crate::backend::Names;

/// Decides for each call whether the [`Peer`] may call the method.
///
/// The listener's [`AccessPolicy`] decides first who may connect. The most specific rule wins: that of the
/// [method](Self::method), then that of its [service](Self::service), then the one for all others. A refused call ends
/// with [`PermissionDenied`](tonic::Code::PermissionDenied); the connection stays open. If the peer is unknown, the
/// call is refused.
///
/// It is a tower layer, for the whole [`Server`](crate::Server) or for one service, and also an interceptor of tonic:
///
/// ```
/// # use grpc_ipc_proto::greet::greeter_server::{Greeter, GreeterServer};
/// use grpc_ipc::{AccessPolicy, Authorize, Server};
///
/// # fn example(greeter: impl Greeter) {
/// // Every connected peer may call SayHello; only administrators may call the rest.
/// let authorize = Authorize::new(AccessPolicy::administrators())
///     .method("/greet.Greeter/SayHello", AccessPolicy::dangerous_allow_anyone());
/// let server = Server::builder().add_service(GreeterServer::new(greeter)).layer(authorize);
/// # }
/// ```
///
/// On the whole server, and as the interceptor of a generated service (`GreeterServer::with_interceptor(greeter,
/// authorize)`), it leaves calls direct, unlike other layers. Only methods whose policy has an [asynchronous
/// rule](AccessPolicy::custom_async) take the general path. As a layer of one service, it sends all calls of that
/// service there.
///
/// For a layer of the server, [`Server::bind`](crate::Server::bind) looks up the [names](AccessPolicy::user_names) of
/// users and groups, and checks the rules: a rule for a service or a method that the server does not have is an error
/// ([`ServeError::UnknownMethod`](crate::ServeError::UnknownMethod)). It checks methods only where it knows them, which
/// excludes services that `tonic-build` generated, services with a layer of their own, and
/// `Server::routes` (feature `routes`); with routes, it does not check names of services either.
///
/// Nothing checks the rules of an interceptor or of a layer of one service, and a policy with names refuses everyone
/// there until [`look_up_names`](Self::look_up_names) is called. An interceptor cannot wait, so it refuses anyone
/// subject to an [asynchronous rule](AccessPolicy::custom_async).
#[derive(Clone)]
pub struct Authorize {
    rules: Arc<Rules>,
}

#[derive(Clone)]
struct Rules {
    methods: HashMap<String, AccessPolicy>,
    services: HashMap<String, AccessPolicy>,
    others: AccessPolicy,
}

impl Authorize {
    /// Rules in which `others` decides about every method without a rule of its own.
    pub fn new(others: AccessPolicy) -> Self {
        Self { rules: Arc::new(Rules { methods: HashMap::new(), services: HashMap::new(), others }) }
    }

    /// Lets `policy` decide who may call the method `/package.Service/Method`.
    ///
    /// # Panics
    /// If `path` has another form, because such a rule would never apply.
    #[must_use = "the rules are moved into the returned ones"]
    pub fn method(mut self, path: &str, policy: AccessPolicy) -> Self {
        let parts = path.strip_prefix('/').and_then(|path| path.split_once('/'));
        let is_method = parts.is_some_and(|(service, method)| is_name(service) && is_name(method));
        assert!(is_method, "{path:?} is not a method; write \"/package.Service/Method\"");
        Arc::make_mut(&mut self.rules).methods.insert(path.to_owned(), policy);
        self
    }

    /// Lets `policy` decide who may call the methods of `package.Service`.
    ///
    /// # Panics
    /// If `name` is empty or has a slash, because such a rule would never apply.
    #[must_use = "the rules are moved into the returned ones"]
    pub fn service(mut self, name: &str, policy: AccessPolicy) -> Self {
        assert!(is_name(name), "{name:?} is not a service; write \"package.Service\"");
        Arc::make_mut(&mut self.rules).services.insert(name.to_owned(), policy);
        self
    }

    /// Looks up the names of users and groups in all policies. A layer of a server does not need this:
    /// [`Server::bind`](crate::Server::bind) looks them up.
    ///
    /// # Errors
    /// [`NameError`] if a name does not exist, or cannot be looked up.
    ///
    /// # Cancel safety
    /// Dropping the future changes nothing.
    pub async fn look_up_names(mut self) -> Result<Self, NameError> {
        let rules = Arc::make_mut(&mut self.rules);
        let policies = rules.methods.values_mut().chain(rules.services.values_mut());
        for policy in policies.chain([&mut rules.others]) {
            *policy = policy.look_up_names(Names).await?;
        }
        Ok(self)
    }

    /// The paths of the methods that have a rule.
    pub(crate) fn methods(&self) -> impl Iterator<Item = &str> {
        self.rules.methods.keys().map(String::as_str)
    }

    /// The names of the services that have a rule.
    pub(crate) fn services(&self) -> impl Iterator<Item = &str> {
        self.rules.services.keys().map(String::as_str)
    }

    /// The policy for a method.
    pub(crate) fn policy(&self, path: &MethodPath) -> &AccessPolicy {
        let rules = &self.rules;
        let method = rules.methods.get(path.as_str());
        method.or_else(|| rules.services.get(path.service())).unwrap_or(&rules.others)
    }

    /// Checks a call. The future is ready at its first poll, unless the policy has an asynchronous rule.
    fn check(
        &self,
        extensions: &http::Extensions,
        path: &MethodPath,
    ) -> impl Future<Output = Result<(), Status>> + Send + use<> {
        let path = path.clone();
        let checked = extensions.get::<Peer>().map(|peer| self.policy(&path).check(peer));
        async move {
            match checked {
                None => Err(Status::permission_denied("the peer of this call is unknown")),
                Some(checked) => checked.await.map_err(|refused| refusal(&refused, &path)),
            }
        }
    }
}

/// The status of a call that the method's policy refuses.
pub(crate) fn refusal(refused: &Refused, path: &MethodPath) -> Status {
    Status::permission_denied(format!("{} may not call {path}", refused.peer()))
}

fn is_name(name: &str) -> bool {
    !name.is_empty() && !name.contains('/')
}

impl fmt::Debug for Authorize {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Rules { methods, services, others } = &*self.rules;
        f.debug_struct("Authorize")
            .field("methods", methods)
            .field("services", services)
            .field("others", others)
            .finish()
    }
}

impl Interceptor for Authorize {
    fn call(&mut self, request: Request<()>) -> Result<Request<()>, Status> {
        let Some(path) = request.extensions().get::<MethodPath>() else {
            return Err(Status::permission_denied("the method of this call is unknown"));
        };
        match self.check(request.extensions(), path).now_or_never() {
            Some(checked) => checked.map(|()| request),
            None => Err(Status::permission_denied("an interceptor cannot wait for an asynchronous rule")),
        }
    }
}

impl<S> Layer<S> for Authorize {
    type Service = Authorized<S>;

    fn layer(&self, service: S) -> Authorized<S> {
        Authorized { service, authorize: self.clone() }
    }
}

/// A service whose calls [`Authorize`] checks.
#[derive(Clone, Debug)]
pub struct Authorized<S> {
    service: S,
    authorize: Authorize,
}

impl<S: NamedService> NamedService for Authorized<S> {
    const NAME: &'static str = S::NAME;
}

impl<S, B, R> Service<http::Request<B>> for Authorized<S>
where
    S: Service<http::Request<B>, Response = http::Response<R>> + Clone + Send + 'static,
    S::Future: Send,
    B: Send + 'static,
    R: Default,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = BoxFuture<'static, Result<S::Response, S::Error>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.service.poll_ready(cx)
    }

    fn call(&mut self, request: http::Request<B>) -> Self::Future {
        let checked = self.authorize.check(request.extensions(), &MethodPath::of(request.uri()));
        // The instance that reported to be ready is the one to call.
        let next = self.service.clone();
        let mut service = std::mem::replace(&mut self.service, next);
        async move {
            match checked.await {
                Ok(()) => service.call(request).await,
                Err(status) => Ok(status.into_http()),
            }
        }
        .boxed()
    }
}
