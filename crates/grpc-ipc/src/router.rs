use std::any::Any;
use std::collections::BTreeMap;
use std::convert::Infallible;
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use futures_util::future::{BoxFuture, ready};
use futures_util::{FutureExt as _, TryFutureExt as _};
use http::{HeaderValue, Method, StatusCode, header};
use tonic::Status;
use tonic::body::Body;
use tonic::server::NamedService;
#[cfg(feature = "routes")]
use tonic::service::Routes;
use tower::ServiceExt as _;
use tower_service::Service;

use crate::codegen::Answering;
use crate::content_type::is_grpc;
use crate::services::{BoxError, Request, Response};

/// Finds the service of a request by the first segment of its path: `/package.Service/Method`.
#[derive(Clone, Default)]
pub(crate) struct Router {
    services: BTreeMap<&'static str, BoxService>,
    /// A name that more than one service has.
    duplicate: Option<&'static str>,
    /// Handles all other requests.
    #[cfg(feature = "routes")]
    others: Option<Routes>,
}

struct BoxService(Box<dyn AnyService>);

impl Router {
    pub(crate) fn add<S, B>(&mut self, service: S)
    where
        S: Service<Request, Response = http::Response<B>, Error = Infallible>
            + NamedService
            + Clone
            + Send
            + Sync
            + 'static,
        S::Future: Send + 'static,
        B: http_body::Body<Data = Bytes, Error: Into<BoxError>> + Send + 'static,
    {
        if self.services.insert(S::NAME, BoxService(Box::new(service))).is_some() {
            self.duplicate = Some(S::NAME);
        }
    }

    pub(crate) fn duplicate(&self) -> Option<&'static str> {
        self.duplicate
    }

    #[cfg(feature = "routes")]
    pub(crate) fn set_others(&mut self, routes: Routes) {
        self.others = Some(routes.prepare());
    }

    pub(crate) fn call(&self, request: Request) -> Answer {
        let path = request.uri().path();
        let name = path.strip_prefix('/').and_then(|path| path.split_once('/')).map(|(name, _)| name);
        if let Some(service) = name.and_then(|name| self.services.get(name)) {
            return match refusal_of(&request) {
                None => service.0.answer(request),
                Some(refusal) => ready(Ok(refusal)).boxed(),
            };
        }
        #[cfg(feature = "routes")]
        if let Some(routes) = &self.others {
            return routes.clone().oneshot(request).boxed();
        }
        let unknown = || unknown(path, name).into_http();
        ready(Ok(refusal_of(&request).unwrap_or_else(unknown))).boxed()
    }
}

/// The status of a call that matches no service.
fn unknown(path: &str, service: Option<&str>) -> Status {
    Status::unimplemented(match service {
        Some(service) => format!("the server has no service {service:?}"),
        None => format!("{path:?} is not the path of a method, such as \"/package.Service/Method\""),
    })
}

/// The answer to a request that is not gRPC, as an HTTP status. Its client would take 200 with a gRPC status for a
/// success ([gRPC over HTTP/2](https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md#requests)).
fn refusal_of(request: &Request) -> Option<Response> {
    let (status, name, value) = if request.method() != Method::POST {
        (StatusCode::METHOD_NOT_ALLOWED, header::ALLOW, "POST")
    } else if !is_grpc(request.headers()) {
        (StatusCode::UNSUPPORTED_MEDIA_TYPE, header::ACCEPT, "application/grpc")
    } else {
        return None;
    };
    let mut response = Response::new(Body::empty());
    *response.status_mut() = status;
    response.headers_mut().insert(name, HeaderValue::from_static(value));
    Some(response)
}

/// The future of the final response. Its errors are already responses.
pub(crate) type Answer = BoxFuture<'static, Result<Response, Infallible>>;

/// A type-erased service.
trait AnyService: Send + Sync {
    fn answer(&self, request: Request) -> Answer;
    fn boxed_clone(&self) -> BoxService;
}

impl<S, B> AnyService for S
where
    S: Service<Request, Response = http::Response<B>, Error = Infallible> + Clone + Send + Sync + 'static,
    S::Future: Send + 'static,
    B: http_body::Body<Data = Bytes, Error: Into<BoxError>> + Send + 'static,
{
    fn answer(&self, request: Request) -> Answer {
        let mut service = self.clone();
        // Services that tonic generates are always ready.
        match service.poll_ready(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(_) => boxed::<S, _>(service.call(request)),
            Poll::Pending => boxed::<S, _>(service.oneshot(request)),
        }
    }

    fn boxed_clone(&self) -> BoxService {
        BoxService(Box::new(self.clone()))
    }
}

/// Boxes the future. If the service `S` is generated code, its future is in a box already, which is used again.
fn boxed<S, B>(future: impl Future<Output = Result<http::Response<B>, Infallible>> + Send + 'static) -> Answer
where
    S: 'static,
    B: http_body::Body<Data = Bytes, Error: Into<BoxError>> + Send + 'static,
{
    let mut future = Some(future);
    let any: &mut dyn Any = &mut future;
    let boxed = match any.downcast_mut::<Option<Answer>>() {
        Some(future) => future.take(),
        None => Answering::<S>::take(any),
    };
    boxed.unwrap_or_else(|| {
        let future = future.expect("it is of another type, and so is still there");
        future.map_ok(|response| response.map(Body::new)).boxed()
    })
}

impl Clone for BoxService {
    fn clone(&self) -> Self {
        self.0.boxed_clone()
    }
}
