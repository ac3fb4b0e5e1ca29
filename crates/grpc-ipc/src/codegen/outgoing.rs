//! Streams of messages on the direct path.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use futures_core::Stream;
use futures_util::StreamExt as _;
use futures_util::stream::Map;
use grpc_ipc_http2::direct::{Batch, Ending, Messages};
use http::HeaderMap;
use prost::Message;
use tonic::Status;

use super::messages::{Encoded, encoded_len};

/// The messages of a response, or of a request.
pub(super) struct Outgoing<S> {
    stream: Pin<Box<S>>,
    limit: usize,
    /// Turns an error into the end of the stream.
    fail: fn(Status) -> Ending,
}

/// The messages of a request. The caller provides them without errors.
pub(super) type Requests<S> =
    Outgoing<Map<S, fn(<S as Stream>::Item) -> Result<<S as Stream>::Item, Status>>>;

impl<S: Stream> Requests<S> {
    pub(super) fn of_request(stream: S, limit: usize) -> Self {
        let stream = Box::pin(stream.map(Ok as fn(_) -> _));
        Self { stream, limit, fail: |status| Ending::Failed(status.into()) }
    }
}

impl<S> Outgoing<S> {
    pub(super) fn of_response(stream: S, limit: usize) -> Self {
        let fail = |status: Status| {
            let mut trailers = HeaderMap::new();
            // It cannot fail, because messages are percent-encoded.
            _ = status.add_header(&mut trailers);
            Ending::Status(trailers)
        };
        Self { stream: Box::pin(stream), limit, fail }
    }
}

impl<S, M> Messages for Outgoing<S>
where
    S: Stream<Item = Result<M, Status>> + Send,
    M: Message,
{
    fn poll(&mut self, cx: &mut Context<'_>, batch: &mut Batch) -> Poll<Option<Ending>> {
        while !batch.has_enough() {
            let added = match ready!(self.stream.as_mut().poll_next(cx)) {
                Some(message) => message.and_then(|message| add(batch, &message, self.limit)),
                None => return Poll::Ready(Some(Ending::Done)),
            };
            if let Err(status) = added {
                return Poll::Ready(Some((self.fail)(status)));
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
