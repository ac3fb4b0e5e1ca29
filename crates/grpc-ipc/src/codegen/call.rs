//! A call to a generated server.

use std::fmt;
use std::future::ready;
use std::task::{Context, Poll};

use futures_core::Stream;
use prost::Message;
use tonic::body::Body;
use tonic::metadata::MetadataMap;
use tonic::service::Interceptor;
use tonic::{Request, Response, Status, Streaming};
use tower_service::Service;

use super::ServerOptions;
use super::direct_call::DirectCall;
use super::limits::Limited;
use super::metadata::{ProtocolsOwn, strip};
use crate::router::Answer;

/// A call that has arrived. One of its methods answers it.
#[must_use = "a call is to be answered"]
pub struct Call<'a>(Kind<'a>);

enum Kind<'a> {
    General(http::Request<Body>),
    Direct(DirectCall<'a>),
    /// Refused by an interceptor. A direct call has been answered already.
    Refused(Called),
}

/// Proof that a call is answered, or will be.
#[must_use = "a call is to be answered"]
pub struct Called(Option<Answer>);

impl Called {
    fn with(status: Status) -> Self {
        Self(Some(Box::pin(ready(Ok(status.into_http())))))
    }

    /// The answer to a call that is not direct.
    pub(super) fn into_answer(self) -> Answer {
        self.0
            .unwrap_or_else(|| Box::pin(ready(Ok(Status::internal("the call was not answered").into_http()))))
    }
}

impl fmt::Debug for Called {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Called").finish_non_exhaustive()
    }
}

impl<'a> Call<'a> {
    pub(super) fn general(request: http::Request<Body>) -> Self {
        Self(Kind::General(request))
    }

    pub(crate) fn direct(call: DirectCall<'a>) -> Self {
        Self(Kind::Direct(call))
    }

    /// Answers a unary call.
    pub fn unary<M, R, F, A>(self, options: &ServerOptions, handler: F) -> Called
    where
        M: Message + Default + 'static,
        R: Message + 'static,
        F: FnOnce(Request<M>) -> A + Send + 'static,
        A: Future<Output = Result<Response<R>, Status>> + Send + 'static,
    {
        if let Kind::Direct(call) = self.0 {
            call.unary(options, handler);
            return Called(None);
        }
        let (mut grpc, limit) = (options.grpc::<M, R>(), options.decoding_limit());
        self.answered(limit, move |request| async move { grpc.unary(Handler(Some(handler)), request).await })
    }

    /// Answers one message with a stream.
    pub fn server_streaming<M, R, S, F, A>(self, options: &ServerOptions, handler: F) -> Called
    where
        M: Message + Default + 'static,
        R: Message + 'static,
        S: Stream<Item = Result<R, Status>> + Send + 'static,
        F: FnOnce(Request<M>) -> A + Send + 'static,
        A: Future<Output = Result<Response<S>, Status>> + Send + 'static,
    {
        if let Kind::Direct(call) = self.0 {
            call.server_streaming(options, handler);
            return Called(None);
        }
        let (mut grpc, limit) = (options.grpc::<M, R>(), options.decoding_limit());
        self.answered(limit, move |request| async move {
            grpc.server_streaming(Handler(Some(handler)), request).await
        })
    }

    /// Answers a stream of messages with one message.
    pub fn client_streaming<M, R, F, A>(self, options: &ServerOptions, handler: F) -> Called
    where
        M: Message + Default + 'static,
        R: Message + 'static,
        F: FnOnce(Request<Streaming<M>>) -> A + Send + 'static,
        A: Future<Output = Result<Response<R>, Status>> + Send + 'static,
    {
        if let Kind::Direct(call) = self.0 {
            call.client_streaming(options, handler);
            return Called(None);
        }
        let (mut grpc, limit) = (options.grpc::<M, R>(), options.decoding_limit());
        self.answered(limit, move |request| async move {
            grpc.client_streaming(Handler(Some(handler)), request).await
        })
    }

    /// Answers a stream of messages with a stream.
    pub fn streaming<M, R, S, F, A>(self, options: &ServerOptions, handler: F) -> Called
    where
        M: Message + Default + 'static,
        R: Message + 'static,
        S: Stream<Item = Result<R, Status>> + Send + 'static,
        F: FnOnce(Request<Streaming<M>>) -> A + Send + 'static,
        A: Future<Output = Result<Response<S>, Status>> + Send + 'static,
    {
        if let Kind::Direct(call) = self.0 {
            call.streaming(options, handler);
            return Called(None);
        }
        let (mut grpc, limit) = (options.grpc::<M, R>(), options.decoding_limit());
        self.answered(
            limit,
            move |request| async move { grpc.streaming(Handler(Some(handler)), request).await },
        )
    }

    /// Answers that the service has no such method.
    pub fn unimplemented(self) -> Called {
        self.answered(usize::MAX, |request| {
            let status = no_such_method(request.uri().path());
            async move { status.into_http() }
        })
    }

    /// Answers on the general path. No message of the request may be larger than `limit`.
    fn answered<A>(self, limit: usize, answer: impl FnOnce(http::Request<Limited>) -> A) -> Called
    where
        A: Future<Output = http::Response<Body>> + Send + 'static,
    {
        match self.0 {
            Kind::General(request) => {
                let response = answer(request.map(|body| Limited::new(body, limit)));
                Called(Some(Box::pin(async { Ok(response.await) })))
            }
            Kind::Direct(call) => {
                let status = no_such_method(call.head.path());
                call.refuse(&status);
                Called(None)
            }
            Kind::Refused(called) => called,
        }
    }

    /// Lets an interceptor check the call before it is answered.
    pub(crate) fn intercepted(self, interceptor: &mut impl Interceptor) -> Self {
        Self(match self.0 {
            Kind::General(request) => match intercept(request, interceptor) {
                Ok(request) => Kind::General(request),
                Err(status) => Kind::Refused(Called::with(status)),
            },
            Kind::Direct(call) => match call.intercepted(interceptor) {
                Some(call) => Kind::Direct(call),
                None => Kind::Refused(Called(None)),
            },
            Kind::Refused(called) => Kind::Refused(called),
        })
    }
}

impl fmt::Debug for Call<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Call").finish_non_exhaustive()
    }
}

fn no_such_method(path: &str) -> Status {
    match path.strip_prefix('/').and_then(|path| path.split_once('/')) {
        Some((service, method)) => {
            Status::unimplemented(format!("the service {service} has no method {method:?}"))
        }
        None => Status::unimplemented(""),
    }
}

/// The request after an interceptor.
pub(crate) fn intercept<B>(
    request: http::Request<B>,
    interceptor: &mut impl Interceptor,
) -> Result<http::Request<B>, Status> {
    let (mut head, body) = request.into_parts();
    let own = ProtocolsOwn::take(&mut head.headers);
    let metadata = MetadataMap::from_headers(head.headers);
    let (mut metadata, extensions, ()) =
        interceptor.call(Request::from_parts(metadata, head.extensions, ()))?.into_parts();
    head.extensions = extensions;
    own.put_back(&mut metadata);
    head.headers = metadata.into_headers();
    Ok(http::Request::from_parts(head, body))
}

/// A handler, in the form that tonic calls.
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
