//! Recognizes a service as generated code, and answers its calls on the general path.

use std::any::{Any, TypeId};
use std::convert::Infallible;
use std::fmt;
use std::marker::PhantomData;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

use tonic::Status;
use tonic::body::Body;
use tonic::codegen::StdError;
use tower_service::Service;

use super::{Bytes, Call, ServerOptions};
use crate::router::Answer;

/// A service whose methods can be called directly, such as every generated server.
pub trait DirectService: Send + Sync + 'static {
    /// The methods of the service.
    fn methods(&self) -> &'static [Served];

    /// How the service decodes requests and encodes responses.
    fn options(&self) -> &ServerOptions;

    /// Makes a method answer a call. `method` is its index in [`methods`](Self::methods); any other number means a
    /// method that the service does not have.
    fn call(&self, method: usize, call: Call<'_>) -> super::Called;
}

/// A method of a generated server.
#[derive(Clone, Copy, Debug)]
pub struct Served {
    path: &'static str,
    kind: Kind,
}

/// The kind of the request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    WithMessage,
    WithStream,
}

impl Served {
    /// A unary method.
    #[must_use]
    pub const fn unary(path: &'static str) -> Self {
        Self { path, kind: Kind::WithMessage }
    }

    /// A method with one request and a stream of responses.
    #[must_use]
    pub const fn server_streaming(path: &'static str) -> Self {
        Self { path, kind: Kind::WithMessage }
    }

    /// A method with a stream of requests and one response.
    #[must_use]
    pub const fn client_streaming(path: &'static str) -> Self {
        Self { path, kind: Kind::WithStream }
    }

    /// A method with a stream in each direction.
    #[must_use]
    pub const fn streaming(path: &'static str) -> Self {
        Self { path, kind: Kind::WithStream }
    }

    pub(crate) fn path(&self) -> &'static str {
        self.path
    }

    /// Whether requests are streams of messages.
    pub(crate) fn takes_stream(&self) -> bool {
        self.kind == Kind::WithStream
    }
}

/// Answers a request, like [`Service::call`] of a generated server.
pub fn answer<S, B>(service: &S, request: http::Request<B>) -> Answering<S>
where
    S: DirectService + Clone,
    B: http_body::Body + Send + 'static,
    B::Error: Into<StdError> + Send + 'static,
{
    if let Some(Probe(found)) = request.extensions().get::<Probe>() {
        *found.lock().unwrap_or_else(PoisonError::into_inner) = Some(Box::new(service.clone()));
        return Answering::of(Box::pin(async { Ok(Status::unknown("only asked").into_http()) }));
    }
    let path = request.uri().path();
    let method = service.methods().iter().position(|method| method.path == path);
    Answering::of(service.call(method.unwrap_or(usize::MAX), Call::general(request.map(body))).into_answer())
}

/// The response of a generated server `S` on the general path. Only [`answer`] creates one, so a service with this
/// future is `S` itself, without anything around it.
#[must_use = "futures do nothing unless polled"]
pub struct Answering<S> {
    answer: Answer,
    service: PhantomData<fn() -> S>,
}

impl<S> Answering<S> {
    fn of(answer: Answer) -> Self {
        Self { answer, service: PhantomData }
    }
}

impl<S: 'static> Answering<S> {
    /// The inner future of an `Answering<S>`, so that it is not boxed twice.
    pub(crate) fn take(future: &mut dyn Any) -> Option<Answer> {
        future.downcast_mut::<Option<Self>>()?.take().map(|answering| answering.answer)
    }
}

impl<S> Future for Answering<S> {
    type Output = Result<http::Response<Body>, Infallible>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.answer.as_mut().poll(cx)
    }
}

impl<S> fmt::Debug for Answering<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Answering").finish_non_exhaustive()
    }
}

/// An extension of a probe, which asks a generated server for itself and is not a real request.
#[derive(Clone, Default)]
struct Probe(Arc<Mutex<Option<Box<dyn DirectService>>>>);

/// Returns the service for direct calls, if it is a generated server itself. A service inside another, such as a layer
/// or an interceptor of tonic's, has another future, and is not found.
pub(crate) fn probe<S>(service: &mut S) -> Option<Box<dyn DirectService>>
where
    S: Service<http::Request<Body>> + 'static,
    S::Future: 'static,
{
    if TypeId::of::<S::Future>() != TypeId::of::<Answering<S>>() {
        return None;
    }
    let probe = Probe::default();
    let mut request = http::Request::new(Body::empty());
    request.extensions_mut().insert(probe.clone());
    drop(service.call(request));
    let mut found = probe.0.lock().unwrap_or_else(PoisonError::into_inner);
    found.take()
}

/// Converts the body into tonic's type.
fn body<B>(body: B) -> Body
where
    B: http_body::Body + Send + 'static,
    B::Error: Into<StdError> + Send + 'static,
{
    let mut body = Some(body);
    let tonics = (&mut body as &mut dyn Any).downcast_mut::<Option<Body>>().and_then(Option::take);
    tonics.unwrap_or_else(|| Body::new(AnyBody(body.map(Box::pin))))
}

/// A body with any type of data.
struct AnyBody<B>(Option<Pin<Box<B>>>);

impl<B: http_body::Body> http_body::Body for AnyBody<B> {
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<http_body::Frame<Bytes>, B::Error>>> {
        use bytes::Buf as _;

        let Some(body) = &mut self.0 else { return Poll::Ready(None) };
        let frame = std::task::ready!(body.as_mut().poll_frame(cx));
        Poll::Ready(
            frame.map(|frame| {
                frame.map(|frame| frame.map_data(|mut data| data.copy_to_bytes(data.remaining())))
            }),
        )
    }

    fn is_end_stream(&self) -> bool {
        self.0.as_ref().is_none_or(|body| body.is_end_stream())
    }

    fn size_hint(&self) -> http_body::SizeHint {
        self.0.as_ref().map_or_else(|| http_body::SizeHint::with_exact(0), |body| body.size_hint())
    }
}
