use std::any::type_name;
use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tonic::Status;
use tonic::body::Body;
use tonic::codegen::StdError;
use tonic::server::NamedService;
use tonic::service::Interceptor;
use tower_service::Service;

use crate::codegen::{Answering, Call, Called, DirectService, Served, ServerOptions, answer, intercept};

/// The service below a generated client that has an interceptor. The interceptor sees each request's metadata and
/// extensions before `T` does, and may change them or refuse the call.
///
/// It behaves like tonic's [`InterceptedService`](tonic::service::interceptor::InterceptedService), with two
/// differences: the interceptor does not see the protocol's own fields (`te`, `content-type`), and calls over a
/// [`Channel`](crate::Channel) stay as fast as without it.
#[derive(Clone, Copy)]
pub struct Intercepted<T, F> {
    pub(crate) inner: T,
    pub(crate) interceptor: F,
}

impl<T, F> Intercepted<T, F> {
    /// `inner` behind an interceptor.
    pub fn new(inner: T, interceptor: F) -> Self {
        Self { inner, interceptor }
    }
}

impl<T, F, B, R> Service<http::Request<B>> for Intercepted<T, F>
where
    T: Service<http::Request<B>, Response = http::Response<R>>,
    R: http_body::Body<Data = bytes::Bytes, Error: Into<StdError>> + Send + 'static,
    F: Interceptor,
{
    type Response = http::Response<Body>;
    type Error = T::Error;
    type Future = InterceptedFuture<T::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), T::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: http::Request<B>) -> Self::Future {
        InterceptedFuture(match intercept(request, &mut self.interceptor) {
            Ok(request) => Stage::Called(Box::pin(self.inner.call(request))),
            Err(status) => Stage::Refused(Some(status)),
        })
    }
}

impl<T: fmt::Debug, F> fmt::Debug for Intercepted<T, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Intercepted")
            .field("inner", &self.inner)
            .field("interceptor", &format_args!("{}", type_name::<F>()))
            .finish()
    }
}

/// The response to an intercepted request.
#[must_use = "futures do nothing unless polled"]
pub struct InterceptedFuture<A>(Stage<A>);

enum Stage<A> {
    Called(Pin<Box<A>>),
    Refused(Option<Status>),
}

impl<A, R, E> Future for InterceptedFuture<A>
where
    A: Future<Output = Result<http::Response<R>, E>>,
    R: http_body::Body<Data = bytes::Bytes, Error: Into<StdError>> + Send + 'static,
{
    type Output = Result<http::Response<Body>, E>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        Poll::Ready(match &mut self.0 {
            Stage::Called(future) => ready!(future.as_mut().poll(cx)).map(|response| response.map(Body::new)),
            Stage::Refused(status) => {
                let status = status.take().unwrap_or_else(|| Status::internal("polled after it was ready"));
                Ok(status.into_http())
            }
        })
    }
}

impl<A> fmt::Debug for InterceptedFuture<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("InterceptedFuture").finish_non_exhaustive()
    }
}

/// A generated server with an interceptor. The interceptor sees each request's metadata and extensions before a handler
/// does, and may change them or refuse the call.
///
/// It behaves like tonic's [`InterceptedService`](tonic::service::interceptor::InterceptedService), with two
/// differences: the interceptor does not see the protocol's own fields (`te`, `content-type`), and calls stay as fast
/// as without it.
#[derive(Clone, Copy)]
pub struct InterceptedServer<S, F> {
    inner: S,
    interceptor: F,
}

impl<S, F> InterceptedServer<S, F> {
    /// `inner` behind an interceptor.
    pub fn new(inner: S, interceptor: F) -> Self {
        Self { inner, interceptor }
    }
}

impl<S, F> DirectService for InterceptedServer<S, F>
where
    S: DirectService,
    F: Interceptor + Clone + Send + Sync + 'static,
{
    fn methods(&self) -> &'static [Served] {
        self.inner.methods()
    }

    fn options(&self) -> &ServerOptions {
        self.inner.options()
    }

    fn call(&self, method: usize, call: Call<'_>) -> Called {
        // Each request gets a clone, as with tonic, which clones the service.
        self.inner.call(method, call.intercepted(&mut self.interceptor.clone()))
    }
}

impl<S, F, B> Service<http::Request<B>> for InterceptedServer<S, F>
where
    S: DirectService + Clone,
    F: Interceptor + Clone + Send + Sync + 'static,
    B: http_body::Body + Send + 'static,
    B::Error: Into<StdError> + Send + 'static,
{
    type Response = http::Response<Body>;
    type Error = std::convert::Infallible;
    type Future = Answering<Self>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<B>) -> Self::Future {
        answer(self, request)
    }
}

impl<S: NamedService, F> NamedService for InterceptedServer<S, F> {
    const NAME: &'static str = S::NAME;
}

impl<S: fmt::Debug, F> fmt::Debug for InterceptedServer<S, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("InterceptedServer")
            .field("inner", &self.inner)
            .field("interceptor", &format_args!("{}", type_name::<F>()))
            .finish()
    }
}
