//! Streams of messages that go the direct way.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use futures_core::Stream;
use grpc_ipc_http2::direct::{Batch, Ending, Messages};
use http::HeaderMap;
use prost::Message;
use tonic::Status;

use super::messages::{Encoded, encoded_len};

/// The messages of a request.
pub(super) struct Requests<S> {
    stream: Pin<Box<S>>,
    limit: usize,
}

/// The messages of a response.
pub(super) struct Responses<S> {
    stream: Pin<Box<S>>,
    limit: usize,
}

impl<S> Requests<S> {
    pub(super) fn new(stream: S, limit: usize) -> Self {
        Self { stream: Box::pin(stream), limit }
    }
}

impl<S> Responses<S> {
    pub(super) fn new(stream: S, limit: usize) -> Self {
        Self { stream: Box::pin(stream), limit }
    }
}

impl<S> Messages for Requests<S>
where
    S: Stream<Item: Message> + Send,
{
    fn poll(&mut self, cx: &mut Context<'_>, batch: &mut Batch) -> Poll<Option<Ending>> {
        while !batch.has_enough() {
            let added = match ready!(self.stream.as_mut().poll_next(cx)) {
                Some(message) => add(batch, &message, self.limit),
                None => return Poll::Ready(Some(Ending::Done)),
            };
            if let Err(status) = added {
                return Poll::Ready(Some(Ending::Failed(status.into())));
            }
        }
        Poll::Ready(None)
    }
}

impl<S, R> Messages for Responses<S>
where
    S: Stream<Item = Result<R, Status>> + Send,
    R: Message,
{
    fn poll(&mut self, cx: &mut Context<'_>, batch: &mut Batch) -> Poll<Option<Ending>> {
        while !batch.has_enough() {
            let added = match ready!(self.stream.as_mut().poll_next(cx)) {
                Some(Ok(message)) => add(batch, &message, self.limit),
                Some(Err(status)) => Err(status),
                None => return Poll::Ready(Some(Ending::Done)),
            };
            if let Err(status) = added {
                let mut trailers = HeaderMap::new();
                // It cannot fail: a message is percent-encoded.
                _ = status.add_header(&mut trailers);
                return Poll::Ready(Some(Ending::Status(trailers)));
            }
        }
        Poll::Ready(None)
    }
}

fn add(batch: &mut Batch, message: &impl Message, limit: usize) -> Result<(), Status> {
    let length = encoded_len(message, limit)?;
    batch.message(length, Encoded(message));
    Ok(())
}
