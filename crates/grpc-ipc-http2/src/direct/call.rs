//! Calls that a client makes.

use std::fmt;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use http::{HeaderMap, Response};

use super::{Message, Method};
use crate::Error;
use crate::body::{RecvBody, RecvStream};
use crate::client::{SendRequest, response};

/// What became of a try to begin a call.
#[derive(Debug)]
pub enum Begun {
    /// It is under way.
    Call(UnaryCall),
    /// The connection cannot take it now, and nothing was sent: the call has to go the general way, which waits for room,
    /// or finds out what is wrong with the connection.
    Elsewhere,
    /// It cannot be made on any connection.
    Failed(Error),
}

/// A call that was sent. Dropping it before it is ready cancels the call.
pub struct UnaryCall {
    stream: RecvStream,
}

/// How a call was answered.
#[derive(Debug)]
pub enum Answer<T> {
    /// With a message and the status OK.
    Message {
        /// What was made of the message.
        message: T,
        /// The metadata of the response, and that of its trailers, if there is any.
        metadata: Option<HeaderMap>,
    },
    /// In any other way, which the body tells: with an error, or with a message that is not a small one.
    Response(Box<Response<RecvBody>>),
}

impl SendRequest {
    /// Sends a whole request, if that is possible now.
    ///
    /// `metadata` goes behind the protocol's own fields, which are left out if they are in there, too. `encode` appends the
    /// message, of `length` bytes, without its prefix; it may be called under the lock of the connection, so it must not
    /// use the connection. It is not called if the call is to go [`Elsewhere`](Begun::Elsewhere).
    ///
    /// When `timeout` has passed, the call is cancelled and fails with [`Error::DeadlineExceeded`]. The server does not hear
    /// of it unless `grpc-timeout` is in the metadata.
    ///
    /// The task of `cx` is woken when there is an answer: the call need not be polled before.
    #[must_use = "dropping a call cancels it"]
    pub fn begin(
        &self,
        method: &'static Method,
        metadata: &HeaderMap,
        timeout: Option<Duration>,
        length: usize,
        encode: impl FnOnce(&mut Vec<u8>),
        cx: &Context<'_>,
    ) -> Begun {
        _ = (method, metadata, timeout, length, encode, cx);
        Begun::Elsewhere
    }

    /// How many calls were answered with [`Answer::Message`].
    #[doc(hidden)]
    #[must_use]
    pub fn direct_calls(&self) -> u64 {
        0
    }
}

impl UnaryCall {
    /// The answer. `decode` makes of the message what the caller wants; it may be called under the lock of the connection,
    /// so it must not use the connection. It is not called if the answer is a [`Response`](Answer::Response).
    ///
    /// # Errors
    /// Why there is no answer. [`Error::is_unprocessed`] tells whether the call can be made again.
    pub fn poll<T>(
        &mut self,
        cx: &mut Context<'_>,
        decode: impl FnOnce(Message<'_>) -> T,
    ) -> Poll<Result<Answer<T>, Error>> {
        _ = decode;
        let (head, whole) = ready!(self.stream.poll_response(cx))?;
        let (data, trailers) = whole.ok_or(Error::Closed)?;
        Poll::Ready(Ok(Answer::Response(Box::new(response(head, RecvBody::whole(data, trailers))))))
    }
}

impl fmt::Debug for UnaryCall {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UnaryCall").finish_non_exhaustive()
    }
}
