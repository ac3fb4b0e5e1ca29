//! The limit on the size of a received message on the general path.
//!
//! tonic fails with `OutOfRange` for a message over the limit. This module fails with `ResourceExhausted`, as other
//! implementations do, and as [gRPC's list of codes](https://github.com/grpc/grpc/blob/master/doc/statuscodes.md) says.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use futures_util::FutureExt as _;
use http_body::{Frame, SizeHint};
use tonic::Status;
use tonic::body::Body;
use tonic::client::GrpcService;
use tonic::codegen::StdError;
use tower_service::Service;

use crate::messages::{Fault, Messages, too_large};

/// A received body. A message over the limit fails before it is read.
pub(super) struct Limited {
    body: Body,
    messages: Messages,
    limit: usize,
    failed: Option<Status>,
}

impl Limited {
    pub(super) fn new<B>(body: B, limit: usize) -> Self
    where
        B: http_body::Body<Data = Bytes, Error: Into<StdError>> + Send + 'static,
    {
        Self { body: Body::new(body), messages: Messages::default(), limit, failed: None }
    }
}

impl http_body::Body for Limited {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        if let Some(status) = self.failed.take() {
            self.body = Body::empty();
            return Poll::Ready(Some(Err(status)));
        }
        let frame = ready!(Pin::new(&mut self.body).poll_frame(cx));
        let Some(Ok(Some(data))) = frame.as_ref().map(|frame| frame.as_ref().map(Frame::data_ref)) else {
            return Poll::Ready(frame);
        };
        let limit = self.limit;
        match self.messages.take(data, limit) {
            Err(Fault::TooLarge { length, before }) => {
                let before = data.slice(..before);
                self.failed = Some(too_large(length, limit));
                Poll::Ready(Some(Ok(Frame::data(before))))
            }
            // tonic checks the flags.
            Ok(()) | Err(Fault::Flag(_)) => Poll::Ready(frame),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.failed.is_none() && self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// A service whose responses are [`Limited`].
pub(super) struct Limiting<T> {
    pub(super) inner: T,
    pub(super) limit: usize,
}

impl<T> Service<http::Request<Body>> for Limiting<T>
where
    T: GrpcService<Body>,
    T::ResponseBody: http_body::Body<Data = Bytes, Error: Into<StdError>> + Send + 'static,
{
    type Response = http::Response<Limited>;
    type Error = T::Error;
    type Future = LimitingFuture<T::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), T::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        LimitingFuture { future: Box::pin(self.inner.call(request)), limit: self.limit }
    }
}

/// The response of a [`Limiting`] service.
pub(super) struct LimitingFuture<F> {
    future: Pin<Box<F>>,
    limit: usize,
}

impl<F, B, E> Future for LimitingFuture<F>
where
    F: Future<Output = Result<http::Response<B>, E>>,
    B: http_body::Body<Data = Bytes, Error: Into<StdError>> + Send + 'static,
{
    type Output = Result<http::Response<Limited>, E>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let limit = self.limit;
        let response = ready!(self.future.poll_unpin(cx));
        Poll::Ready(response.map(|response| response.map(|body| Limited::new(body, limit))))
    }
}
