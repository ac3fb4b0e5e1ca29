//! A stream of messages to send.

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

/// The source of a stream's messages.
pub trait Messages: Send + Unpin {
    /// Appends available messages to `batch` until it [has enough](Batch::has_enough). `Ready(Some)` ends the stream.
    /// `Ready(None)` means that more may be available at once. `Pending` means that more will come, and that the task
    /// of `cx` is woken then.
    fn poll(&mut self, cx: &mut Context<'_>, batch: &mut Batch) -> Poll<Option<Ending>>;
}

/// The end of a stream of messages.
#[derive(Debug)]
pub enum Ending {
    /// A normal end. For a response, it means the status OK.
    Done,
    /// Trailers that contain a status. Only for responses.
    Status(HeaderMap),
    /// An error that fails the call. Only for requests.
    Failed(Box<dyn error::Error + Send + Sync>),
}

/// Messages that are sent together. Small ones share one buffer.
#[derive(Debug, Default)]
pub struct Batch {
    /// The data before the buffer.
    pub(crate) pieces: Vec<Bytes>,
    pub(crate) buffer: Vec<u8>,
    length: usize,
}

/// The size at which a batch is sent.
const ENOUGH: usize = 32 * 1024;
/// A larger buffer is freed while there are no messages.
const KEEP: usize = 2 * 1024;

impl Batch {
    /// Appends a message of `length` bytes, without its prefix.
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

    /// Whether the batch is worth sending before more is added.
    #[must_use]
    pub fn has_enough(&self) -> bool {
        self.length >= ENOUGH
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.length == 0
    }

    /// Clears the batch after it was sent.
    pub(crate) fn clear(&mut self) {
        self.pieces.clear();
        self.buffer.clear();
        self.length = 0;
    }

    /// Frees memory.
    pub(crate) fn shrink(&mut self) {
        self.buffer.shrink_to(KEEP);
    }

    /// Takes all messages, to send them later.
    pub(crate) fn into_pieces(mut self) -> Vec<Bytes> {
        if !self.buffer.is_empty() {
            self.pieces.push(self.buffer.into());
        }
        self.pieces
    }
}

/// Messages as the body of a request on the general path.
#[derive(Debug)]
pub struct MessagesBody<M> {
    /// Messages that have already been taken.
    begun: std::vec::IntoIter<Bytes>,
    /// `None` after the last message.
    messages: Option<M>,
    batch: Batch,
}

impl<M> MessagesBody<M> {
    /// Wraps messages, none of which have been taken.
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
