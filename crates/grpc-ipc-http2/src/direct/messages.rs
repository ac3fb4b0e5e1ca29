//! Messages that one end sends one after the other.

use std::error;
use std::iter;
use std::mem;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::HeaderMap;
use http_body::{Body, Frame};

use super::{EncodeMessage, Parts};
use crate::connection::direct::{IN_PLACE, PREFIX};

/// Where the messages of a stream come from.
pub trait Messages: Send + Unpin {
    /// Appends the messages that are there to `batch`, until that has [enough](Batch::has_enough). `Ready` says how they end,
    /// or that more may be there. `Pending` says that more will come, and the task of `cx` is woken then.
    fn poll(&mut self, cx: &mut Context<'_>, batch: &mut Batch) -> Poll<Option<Ending>>;
}

/// How a stream of messages ends.
#[derive(Debug)]
pub enum Ending {
    /// As it should; that of a response with the status OK.
    Done,
    /// With trailers, which have a status in them. It is for responses.
    Status(HeaderMap),
    /// The call fails. It is for requests.
    Failed(Box<dyn error::Error + Send + Sync>),
}

/// Messages that are sent together: small ones stand in one buffer, one behind the other.
#[derive(Debug, Default)]
pub struct Batch {
    /// What goes before the buffer.
    pub(crate) pieces: Vec<Bytes>,
    pub(crate) buffer: Vec<u8>,
    length: usize,
}

/// More is not sent together.
const ENOUGH: usize = 32 * 1024;
/// A longer buffer is given back while there are no messages.
const KEEP: usize = 2 * 1024;

impl Batch {
    /// Appends a message, of `length` bytes without its prefix.
    pub fn message(&mut self, length: usize, message: impl EncodeMessage) {
        self.length += PREFIX + length;
        if length > IN_PLACE {
            if !self.buffer.is_empty() {
                self.pieces.push(mem::take(&mut self.buffer).into());
            }
            let mut parts = Parts::of(length, message);
            self.pieces.extend(iter::from_fn(|| parts.pop()));
            return;
        }
        let begin = self.buffer.len();
        self.buffer.reserve(PREFIX + length);
        self.buffer.extend_from_slice(&[0; PREFIX]);
        message.encode(&mut self.buffer);
        let encoded = (self.buffer.len() - begin - PREFIX) as u32;
        self.buffer[begin + 1..begin + PREFIX].copy_from_slice(&encoded.to_be_bytes());
    }

    /// Whether it is worth sending before more is added.
    #[must_use]
    pub fn has_enough(&self) -> bool {
        self.length >= ENOUGH
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.length == 0
    }

    /// It has been sent.
    pub(crate) fn clear(&mut self) {
        self.pieces.clear();
        self.buffer.clear();
        self.length = 0;
    }

    /// Gives memory back.
    pub(crate) fn shrink(&mut self) {
        self.buffer.shrink_to(KEEP);
    }

    /// All of it, for another time.
    pub(crate) fn into_pieces(mut self) -> Vec<Bytes> {
        if !self.buffer.is_empty() {
            self.pieces.push(self.buffer.into());
        }
        self.pieces
    }
}

/// Messages as the body of a request that goes the general way.
#[derive(Debug)]
pub struct MessagesBody<M> {
    /// What was taken of the messages already.
    begun: std::vec::IntoIter<Bytes>,
    /// `None` if that was all.
    messages: Option<M>,
    batch: Batch,
}

impl<M> MessagesBody<M> {
    /// Messages that nobody has taken any of.
    #[must_use]
    pub fn of(messages: M) -> Self {
        Self::new(Vec::new(), Some(messages))
    }

    pub(crate) fn new(begun: Vec<Bytes>, messages: Option<M>) -> Self {
        Self { begun: begun.into_iter(), messages, batch: Batch::default() }
    }
}

impl<M: Messages> Body for MessagesBody<M> {
    type Data = Bytes;
    type Error = Box<dyn error::Error + Send + Sync>;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        loop {
            if let Some(piece) = self.begun.next() {
                return Poll::Ready(Some(Ok(Frame::data(piece))));
            }
            let Self { begun, messages, batch } = &mut *self;
            let Some(source) = messages else { return Poll::Ready(None) };
            let polled = source.poll(cx, batch);
            let is_empty = batch.is_empty();
            *begun = mem::take(batch).into_pieces().into_iter();
            match polled {
                Poll::Pending if is_empty => return Poll::Pending,
                Poll::Ready(Some(Ending::Failed(error))) => {
                    *messages = None;
                    return Poll::Ready(Some(Err(error)));
                }
                Poll::Ready(Some(_)) => *messages = None,
                Poll::Pending | Poll::Ready(None) => {}
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.messages.is_none() && self.begun.len() == 0
    }
}
