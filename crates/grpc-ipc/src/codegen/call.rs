//! A call that a generated server answers.

use std::fmt;
use std::future::ready;
use std::marker::PhantomData;
use std::task::{Context, Poll};

use futures_core::Stream;
use prost::Message;
use tonic::body::Body;
use tonic::metadata::MetadataMap;
use tonic::service::Interceptor;
use tonic::{Request, Response, Status, Streaming};
use tower_service::Service;

use super::ServerOptions;
use super::metadata::{strip, without_protocols_own};
use crate::router::Answer;

/// A call that has come, which one of these methods answers.
#[must_use = "a call is to be answered"]
pub struct Call<'a> {
    request: Result<http::Request<Body>, Status>,
    direct: PhantomData<&'a mut ()>,
}

/// That a call is answered, or will be.
#[must_use = "a call is to be answered"]
pub struct Called(Answer);

impl Called {
    pub(super) fn into_answer(self) -> Answer {
        self.0
    }
}

impl fmt::Debug for Called {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Called").finish_non_exhaustive()
    }
}

impl Call<'_> {
    pub(super) fn general(request: http::Request<Body>) -> Self {
        Self { request: Ok(request), direct: PhantomData }
    }

    /// One message each way.
    pub fn unary<M, R, F, A>(self, options: &ServerOptions, handler: F) -> Called
    where
        M: Message + Default + 'static,
        R: Message + 'static,
        F: FnOnce(Request<M>) -> A + Send + 'static,
        A: Future<Output = Result<Response<R>, Status>> + Send + 'static,
    {
        let mut grpc = options.grpc::<M, R>();
        self.answered(move |request| async move { grpc.unary(Handler(Some(handler)), request).await })
    }

    /// One message there, and a stream of them back.
    pub fn server_streaming<M, R, S, F, A>(self, options: &ServerOptions, handler: F) -> Called
    where
        M: Message + Default + 'static,
        R: Message + 'static,
        S: Stream<Item = Result<R, Status>> + Send + 'static,
        F: FnOnce(Request<M>) -> A + Send + 'static,
        A: Future<Output = Result<Response<S>, Status>> + Send + 'static,
    {
        let mut grpc = options.grpc::<M, R>();
        self.answered(
            move |request| async move { grpc.server_streaming(Handler(Some(handler)), request).await },
        )
    }

    /// A stream of messages there, and one back.
    pub fn client_streaming<M, R, F, A>(self, options: &ServerOptions, handler: F) -> Called
    where
        M: Message + Default + 'static,
        R: Message + 'static,
        F: FnOnce(Request<Streaming<M>>) -> A + Send + 'static,
        A: Future<Output = Result<Response<R>, Status>> + Send + 'static,
    {
        let mut grpc = options.grpc::<M, R>();
        self.answered(
            move |request| async move { grpc.client_streaming(Handler(Some(handler)), request).await },
        )
    }

    /// A stream of messages each way.
    pub fn streaming<M, R, S, F, A>(self, options: &ServerOptions, handler: F) -> Called
    where
        M: Message + Default + 'static,
        R: Message + 'static,
        S: Stream<Item = Result<R, Status>> + Send + 'static,
        F: FnOnce(Request<Streaming<M>>) -> A + Send + 'static,
        A: Future<Output = Result<Response<S>, Status>> + Send + 'static,
    {
        let mut grpc = options.grpc::<M, R>();
        self.answered(move |request| async move { grpc.streaming(Handler(Some(handler)), request).await })
    }

    /// The service has no such method.
    pub fn unimplemented(self) -> Called {
        self.answered(|_| async { Status::unimplemented("").into_http() })
    }

    fn answered<A>(self, answer: impl FnOnce(http::Request<Body>) -> A) -> Called
    where
        A: Future<Output = http::Response<Body>> + Send + 'static,
    {
        match self.request {
            Ok(request) => {
                let response = answer(request);
                Called(Box::pin(async { Ok(response.await) }))
            }
            Err(status) => Called(Box::pin(ready(Ok(status.into_http())))),
        }
    }

    /// Asks an interceptor about the call before it is answered.
    pub(crate) fn intercepted(self, interceptor: &mut impl Interceptor) -> Self {
        let request = self.request.and_then(|request| intercept(request, interceptor));
        Self { request, ..self }
    }
}

impl fmt::Debug for Call<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Call").finish_non_exhaustive()
    }
}

/// A request as an interceptor leaves it.
pub(crate) fn intercept<B>(
    request: http::Request<B>,
    interceptor: &mut impl Interceptor,
) -> Result<http::Request<B>, Status> {
    let (mut head, body) = request.into_parts();
    let own = without_protocols_own(&mut head.headers);
    let metadata = MetadataMap::from_headers(head.headers);
    let (metadata, extensions, ()) =
        interceptor.call(Request::from_parts(metadata, head.extensions, ()))?.into_parts();
    head.extensions = extensions;
    head.headers = metadata.into_headers();
    head.headers.extend(own);
    Ok(http::Request::from_parts(head, body))
}

/// A handler as tonic calls it.
struct Handler<F>(Option<F>);

impl<F, T, R, A> Service<Request<T>> for Handler<F>
where
    F: FnOnce(Request<T>) -> A,
    A: Future<Output = Result<R, Status>>,
{
    type Response = R;
    type Error = Status;
    type Future = A;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Status>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, mut request: Request<T>) -> A {
        strip(request.metadata_mut());
        let handler = self.0.take().expect("tonic calls a handler once");
        handler(request)
    }
}
