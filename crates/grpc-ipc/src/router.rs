use std::collections::BTreeMap;
use std::convert::Infallible;
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use futures_util::FutureExt as _;
use futures_util::future::{BoxFuture, ready};
use tonic::Status;
use tonic::body::Body;
use tonic::server::NamedService;
use tonic::service::Routes;
use tower::ServiceExt as _;
use tower_service::Service;

use crate::services::{BoxError, Request, Response};

/// Finds the service of a request by the first segment of its path: `/package.Service/Method`.
#[derive(Clone, Default)]
pub(crate) struct Router {
    services: BTreeMap<&'static str, BoxService>,
    /// Where everything else goes.
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
        self.services.insert(S::NAME, BoxService(Box::new(service)));
    }

    pub(crate) fn set_others(&mut self, routes: Routes) {
        self.others = Some(routes.prepare());
    }

    pub(crate) fn call(&self, request: Request) -> BoxFuture<'static, Result<Response, BoxError>> {
        let path = request.uri().path();
        let name = path.strip_prefix('/').and_then(|path| path.split_once('/')).map(|(name, _)| name);
        if let Some(service) = name.and_then(|name| self.services.get(name)) {
            return service.0.answer(request);
        }
        match &self.others {
            Some(routes) => {
                routes.clone().oneshot(request).map(|response| response.map_err(Into::into)).boxed()
            }
            None => ready(Ok(Status::unimplemented("no such service").into_http())).boxed(),
        }
    }
}

/// A service whose type is forgotten.
trait AnyService: Send + Sync {
    fn answer(&self, request: Request) -> BoxFuture<'static, Result<Response, BoxError>>;
    fn boxed_clone(&self) -> BoxService;
}

impl<S, B> AnyService for S
where
    S: Service<Request, Response = http::Response<B>, Error = Infallible> + Clone + Send + Sync + 'static,
    S::Future: Send + 'static,
    B: http_body::Body<Data = Bytes, Error: Into<BoxError>> + Send + 'static,
{
    fn answer(&self, request: Request) -> BoxFuture<'static, Result<Response, BoxError>> {
        let mut service = self.clone();
        let done = |response: Result<http::Response<B>, Infallible>| match response {
            Ok(response) => Ok(response.map(Body::new)),
            Err(never) => match never {},
        };
        // What tonic generates always is ready.
        match service.poll_ready(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(_) => service.call(request).map(done).boxed(),
            Poll::Pending => service.oneshot(request).map(done).boxed(),
        }
    }

    fn boxed_clone(&self) -> BoxService {
        BoxService(Box::new(self.clone()))
    }
}

impl Clone for BoxService {
    fn clone(&self) -> Self {
        self.0.boxed_clone()
    }
}
