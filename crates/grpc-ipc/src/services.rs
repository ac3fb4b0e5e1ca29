use std::error::Error;
use std::fmt;
use std::future::ready;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use futures_util::future::BoxFuture;
use tonic::body::Body;
use tower::ServiceExt as _;
use tower::util::BoxCloneService;
use tower_service::Service;

use crate::router::{Answer, Router};
use crate::status::status_from_service;

pub(crate) type Request = http::Request<Body>;
pub(crate) type Response = http::Response<Body>;
pub(crate) type BoxError = Box<dyn Error + Send + Sync>;

/// All services of a [`Server`](crate::Server), as the service that a layer wraps.
#[derive(Clone)]
pub struct Services(Kind);

#[derive(Clone)]
enum Kind {
    /// Without a layer, to avoid its cost.
    Plain(Router),
    Layered(BoxCloneService<Request, Response, BoxError>),
}

impl Services {
    pub(crate) fn around<S, B>(service: S) -> Self
    where
        S: Service<Request, Response = http::Response<B>> + Clone + Send + 'static,
        S::Error: Into<BoxError>,
        S::Future: Send + 'static,
        B: http_body::Body<Data = Bytes, Error: Into<BoxError>> + Send + 'static,
    {
        let service = service.map_err(Into::into).map_future(async |response| {
            Ok::<_, BoxError>(match response.await {
                Ok(response) => response.map(Body::new),
                Err(error) => status_from_service(error).into_http(),
            })
        });
        Self(Kind::Layered(service.boxed_clone()))
    }
}

impl From<Router> for Services {
    fn from(router: Router) -> Self {
        Self(Kind::Plain(router))
    }
}

impl fmt::Debug for Services {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Services").finish_non_exhaustive()
    }
}

impl Service<Request> for Services {
    type Response = Response;
    type Error = BoxError;
    type Future = ServicesFuture;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        match &mut self.0 {
            Kind::Plain(_) => Poll::Ready(Ok(())),
            Kind::Layered(service) => service.poll_ready(cx),
        }
    }

    fn call(&mut self, request: Request) -> Self::Future {
        match &mut self.0 {
            Kind::Plain(router) => ServicesFuture(Answering::Plain(router.call(request))),
            Kind::Layered(service) => ServicesFuture(Answering::Layered(service.call(request))),
        }
    }
}

/// The future of a response from [`Services`].
#[must_use = "futures do nothing unless polled"]
pub struct ServicesFuture(Answering);

enum Answering {
    Plain(Answer),
    Layered(BoxFuture<'static, Result<Response, BoxError>>),
}

impl ServicesFuture {
    pub(crate) fn boxed(answer: BoxFuture<'static, Result<Response, BoxError>>) -> Self {
        Self(Answering::Layered(answer))
    }

    pub(crate) fn ready(response: Response) -> Self {
        Self(Answering::Plain(Box::pin(ready(Ok(response)))))
    }
}

impl Future for ServicesFuture {
    type Output = Result<Response, BoxError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match &mut self.0 {
            Answering::Plain(answer) => answer.as_mut().poll(cx).map_err(|never| match never {}),
            Answering::Layered(answer) => answer.as_mut().poll(cx),
        }
    }
}

impl fmt::Debug for ServicesFuture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServicesFuture").finish_non_exhaustive()
    }
}
