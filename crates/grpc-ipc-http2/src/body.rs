use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::HeaderMap;
use http_body::{Frame, SizeHint};

use crate::connection::direct::Outcome;
use crate::direct;
use crate::message::ResponseHead;
use crate::pieces::Pieces;
use crate::shared::Shared;
use crate::{Error, Reason};

/// The body of a message from the peer. Dropping the body of a response before its end cancels the call.
pub struct RecvBody {
    kind: Kind,
}

enum Kind {
    /// The whole body is here.
    Whole {
        data: Pieces,
        trailers: Option<HeaderMap>,
    },
    Stream(RecvStream),
}

impl RecvBody {
    pub(crate) fn whole(data: Pieces, trailers: Option<HeaderMap>) -> Self {
        Self { kind: Kind::Whole { data, trailers } }
    }

    pub(crate) fn stream(stream: RecvStream) -> Self {
        Self { kind: Kind::Stream(stream) }
    }
}

impl Default for RecvBody {
    /// An empty body.
    fn default() -> Self {
        Self::whole(Pieces::default(), None)
    }
}

impl fmt::Debug for RecvBody {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RecvBody").finish_non_exhaustive()
    }
}

impl http_body::Body for RecvBody {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        let this = &mut *self;
        match &mut this.kind {
            Kind::Whole { data, trailers } => Poll::Ready(match data.pop() {
                Some(data) => Some(Ok(Frame::data(data))),
                None => trailers.take().map(|trailers| Ok(Frame::trailers(trailers))),
            }),
            Kind::Stream(stream) => {
                let frame = stream.poll_frame(cx);
                if let Poll::Ready(None | Some(Err(_))) = frame {
                    // The stream hears of the end, and is not polled again.
                    this.kind = Kind::Whole { data: Pieces::default(), trailers: None };
                }
                frame
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        matches!(&self.kind, Kind::Whole { data, trailers: None } if data.is_empty())
    }

    fn size_hint(&self) -> SizeHint {
        match &self.kind {
            Kind::Whole { data, .. } => SizeHint::with_exact(data.length() as u64),
            Kind::Stream(_) => SizeHint::default(),
        }
    }
}

/// The receiving half of a stream.
pub(crate) struct RecvStream {
    shared: Arc<Shared>,
    id: u32,
    /// The reset that the peer is sent if this is dropped before its end; `None` if the answer continues.
    when_dropped: Option<Reason>,
    /// Nothing is left to read.
    over: bool,
}

/// A whole body and its trailers.
pub(crate) type WholeBody = (Pieces, Option<HeaderMap>);

impl RecvStream {
    pub(crate) fn new(shared: &Arc<Shared>, id: u32, when_dropped: Option<Reason>) -> Self {
        Self { shared: Arc::clone(shared), id, when_dropped, over: false }
    }

    /// The head of the response, together with the body if all of it is here.
    pub(crate) fn poll_response(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Result<(ResponseHead, Option<WholeBody>), Error>> {
        let id = self.id;
        self.shared.with(|state| {
            let connection = &mut state.connection;
            connection.reader_runs(id);
            let Some(stream) = connection.stream_mut(id) else { return Poll::Ready(Err(Error::Closed)) };
            if let Some(head) = stream.response.take() {
                let alone = connection.output.is_empty();
                let whole = connection.take_all(id);
                self.over = whole.is_some();
                state.send(alone);
                return Poll::Ready(Ok((head, whole)));
            }
            if let Some(error) = connection.failure_of(id) {
                return Poll::Ready(Err(error));
            }
            connection.wait_to_read(id, cx.waker());
            Poll::Pending
        })
    }

    /// The answer to a direct call.
    pub(crate) fn poll_direct<T, R: FnOnce(direct::Message<'_>, direct::Metadata<'_>) -> T>(
        &mut self,
        cx: &Context<'_>,
        read: R,
    ) -> Outcome<T, R> {
        let id = self.id;
        self.shared.with(|state| {
            let connection = &mut state.connection;
            let alone = connection.output.is_empty();
            let outcome = connection.poll_direct(id, cx.waker(), read);
            if let Outcome::Answered(_) | Outcome::Gathered(..) = outcome {
                self.over = true;
                state.send(alone);
            }
            outcome
        })
    }

    fn poll_frame(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        let id = self.id;
        self.shared.with(|state| {
            let connection = &mut state.connection;
            connection.reader_runs(id);
            let alone = connection.output.is_empty();
            if let Some(data) = connection.take_data(id) {
                state.send(alone);
                return Poll::Ready(Some(Ok(Frame::data(data))));
            }
            let Some(stream) = connection.stream_mut(id) else { return Poll::Ready(None) };
            if let Some(trailers) = stream.trailers.take() {
                return Poll::Ready(Some(Ok(Frame::trailers(trailers))));
            }
            if stream.recv_ended {
                return Poll::Ready(None);
            }
            if let Some(error) = connection.failure_of(id) {
                return Poll::Ready(Some(Err(error)));
            }
            connection.wait_to_read(id, cx.waker());
            Poll::Pending
        })
    }
}

impl Drop for RecvStream {
    fn drop(&mut self) {
        if self.over {
            return;
        }
        self.shared.with(|state| {
            let alone = state.connection.output.is_empty();
            if let Some(reason) = self.when_dropped
                && state.connection.stream(self.id).is_some_and(|stream| !stream.recv_ended)
            {
                state.connection.reset(self.id, reason);
            }
            state.connection.drop_reader(self.id);
            state.send(alone);
        });
    }
}
