//! A client's calls.

use std::fmt;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use http::{HeaderMap, Response};
use tokio::time::Instant;

use super::{
    Batch, EncodeMessage, Ending, Message, Messages, MessagesBody, Metadata, Method, Parts, Sending,
};
use crate::body::{RecvBody, RecvStream};
use crate::client::{SendRequest, response};
use crate::connection::direct::{Answered, Encode, IN_PLACE, Outcome};
use crate::deadline::after;
use crate::shared::{SendStream, State};
use crate::sync::spawn;
use crate::{Error, Reason};

/// The result of an attempt to begin a call.
#[derive(Debug)]
pub enum Begun {
    /// The call has begun.
    Call(UnaryCall),
    /// The connection cannot accept the call now, and nothing was sent. Make the call on the general path, which waits
    /// for room, or reports what is wrong with the connection.
    Elsewhere,
    /// The call cannot be made on any connection.
    Failed(Error),
}

/// The result of an attempt to begin a call with a stream of messages.
#[derive(Debug)]
pub enum BegunStream<M> {
    /// The call has begun. If all its messages were available, it can be repeated when the server has not processed it.
    Call(UnaryCall, Option<MessagesBody<M>>),
    /// Like [`Begun::Elsewhere`].
    Elsewhere(MessagesBody<M>),
    /// The call cannot be made on any connection, or the first message failed.
    Failed(Error),
}

/// A call that was sent. Dropping it before it is ready cancels the call.
pub struct UnaryCall {
    /// Present until the call is answered.
    stream: Option<RecvStream>,
}

/// The answer to a call.
#[derive(Debug)]
pub enum Answer<T> {
    /// A message and the status OK.
    Message(
        /// The result of decoding the message and the metadata.
        T,
    ),
    /// Any other answer, for the general path: an error, or a message that does not fit into the window of its stream.
    Response(Box<Response<RecvBody>>),
}

impl SendRequest {
    /// Sends a whole request, if that is possible now.
    ///
    /// `metadata` follows the protocol's own fields, which are left out of `metadata` if they occur there. `message`
    /// has `length` bytes without its prefix. It may be encoded under the connection's lock, so it must not use the
    /// connection. It may be encoded even if the call has to be made [`Elsewhere`](Begun::Elsewhere), but rarely is.
    ///
    /// After `timeout`, the call is cancelled and fails with [`Error::DeadlineExceeded`]. The server learns the timeout
    /// only if `grpc-timeout` is in the metadata.
    ///
    /// The task of `cx` is woken when there is an answer. The call need not be polled before that.
    #[must_use = "dropping a call cancels it"]
    pub fn begin(
        &self,
        method: &'static Method,
        metadata: &HeaderMap,
        timeout: Option<Duration>,
        length: usize,
        message: impl EncodeMessage,
        cx: &Context<'_>,
    ) -> Begun {
        self.begin_for(Answered::WithMessage, method, metadata, timeout, length, message, cx)
    }

    /// Like [`begin`](Self::begin), for a response that has one message or a stream of them.
    #[expect(clippy::too_many_arguments, reason = "a call has this many parts")]
    #[must_use = "dropping a call cancels it"]
    pub fn begin_for(
        &self,
        answer: Answered,
        method: &'static Method,
        metadata: &HeaderMap,
        timeout: Option<Duration>,
        length: usize,
        message: impl EncodeMessage,
        cx: &Context<'_>,
    ) -> Begun {
        if timeout.is_some_and(|timeout| timeout.is_zero()) {
            return Begun::Failed(Error::DeadlineExceeded);
        }
        let shared = self.shared();
        let deadline = timeout.map(|timeout| after(Instant::now(), timeout));
        let begun = if length <= IN_PLACE {
            let encode = Encode::Later(length, |out: &mut Vec<u8>| message.encode(out));
            shared.with(|state| begin(state, answer, method, metadata, deadline, encode, cx))
        } else if length < u32::MAX as usize && shared.with(|state| takes_call(state)) {
            let message = Encode::<fn(&mut Vec<u8>)>::Done(Parts::of(length, message));
            shared.with(|state| begin(state, answer, method, metadata, deadline, message, cx))
        } else {
            return Begun::Elsewhere;
        };
        match begun {
            Ok(Some(id)) => {
                Begun::Call(UnaryCall { stream: Some(RecvStream::new(shared, id, Some(Reason::CANCEL))) })
            }
            Ok(None) => Begun::Elsewhere,
            Err(error) => Begun::Failed(error),
        }
    }

    /// Begins a request with a stream of messages, if that is possible now. Available messages are sent at once. A task
    /// sends the others, and drops the rest if the call ends early. In all other respects, this is like
    /// [`begin`](Self::begin).
    #[must_use = "dropping a call cancels it"]
    pub fn begin_stream<M: Messages + 'static>(
        &self,
        answer: Answered,
        method: &'static Method,
        metadata: &HeaderMap,
        timeout: Option<Duration>,
        mut messages: M,
        cx: &mut Context<'_>,
    ) -> BegunStream<M> {
        if timeout.is_some_and(|timeout| timeout.is_zero()) {
            return BegunStream::Failed(Error::DeadlineExceeded);
        }
        let shared = self.shared();
        let deadline = timeout.map(|timeout| after(Instant::now(), timeout));
        let mut batch = Batch::default();
        let mut ending = match messages.poll(cx, &mut batch) {
            Poll::Ready(Some(Ending::Failed(error))) if batch.is_empty() => {
                return BegunStream::Failed(Error::Body(error.into()));
            }
            Poll::Ready(ending) => ending,
            Poll::Pending => None,
        };
        let ended = ending.is_some();
        let is_whole = matches!(ending, Some(Ending::Done));
        let begun = shared.with(|state| {
            if !takes_call(state) {
                return Ok(None);
            }
            let connection = &mut state.connection;
            let alone = connection.output.is_empty() && connection.woken.callers == 0;
            let id = connection.begin_stream(method, metadata, answer, cx.waker())?;
            match ending.take() {
                Some(ending) => {
                    connection.send_last(id, &batch, ending);
                    connection.drop_sender(id, Reason::CANCEL);
                }
                None => connection.send_batch(id, &mut batch),
            }
            state.send(alone);
            if let Some(deadline) = deadline {
                state.set_deadline(id, deadline);
            }
            Ok(Some(id))
        });
        match begun {
            Ok(Some(id)) => {
                let mut again = None;
                if !ended {
                    let stream = SendStream { shared: Arc::clone(shared), id, when_dropped: Reason::CANCEL };
                    spawn(Sending::new(messages, batch, stream, None, None));
                } else if is_whole {
                    again = Some(MessagesBody::new(batch.into_pieces(), None));
                }
                let stream = Some(RecvStream::new(shared, id, Some(Reason::CANCEL)));
                BegunStream::Call(UnaryCall { stream }, again)
            }
            Ok(None) => {
                if let Some(Ending::Failed(error)) = ending {
                    return BegunStream::Failed(Error::Body(error.into()));
                }
                let messages = (!ended).then_some(messages);
                BegunStream::Elsewhere(MessagesBody::new(batch.into_pieces(), messages))
            }
            Err(error) => BegunStream::Failed(error),
        }
    }

    /// The number of calls answered with [`Answer::Message`].
    #[doc(hidden)]
    #[must_use]
    pub fn direct_calls(&self) -> u64 {
        self.shared().with(|state| state.connection.direct.calls)
    }
}

fn takes_call(state: &State) -> bool {
    state.connection.is_established() && state.connection.has_room()
}

fn begin(
    state: &mut State,
    answer: Answered,
    method: &'static Method,
    metadata: &HeaderMap,
    deadline: Option<Instant>,
    encode: Encode<impl FnOnce(&mut Vec<u8>)>,
    cx: &Context<'_>,
) -> Result<Option<u32>, Error> {
    if !takes_call(state) {
        return Ok(None);
    }
    let connection = &mut state.connection;
    let alone = connection.output.is_empty() && connection.woken.callers == 0;
    let id = connection.begin_direct(method, metadata, encode, answer, cx.waker())?;
    state.send(alone);
    if let Some(deadline) = deadline {
        state.set_deadline(id, deadline);
    }
    Ok(Some(id))
}

impl UnaryCall {
    /// Polls for the answer. `read` decodes the message and the metadata. It may be called under the connection's lock,
    /// so it must not use the connection. It is not called if the answer is a [`Response`](Answer::Response).
    ///
    /// # Errors
    /// The reason why the call failed. If [`Error::is_unprocessed`], the call can be repeated.
    pub fn poll<T>(
        &mut self,
        cx: &mut Context<'_>,
        read: impl FnOnce(Message<'_>, Metadata<'_>) -> T,
    ) -> Poll<Result<Answer<T>, Error>> {
        let Some(stream) = &mut self.stream else { return Poll::Ready(Err(Error::Closed)) };
        match stream.poll_direct(cx, read) {
            Outcome::Waits => return Poll::Pending,
            Outcome::Answered(answer) => {
                self.stream = None;
                return Poll::Ready(Ok(Answer::Message(answer)));
            }
            Outcome::Gathered(read, gathered) => {
                self.stream = None;
                return Poll::Ready(Ok(Answer::Message(gathered.read(read))));
            }
            Outcome::General => {}
        }
        let result = ready!(stream.poll_response(cx));
        let stream = self.stream.take();
        let (head, whole) = result?;
        let body = match (whole, stream) {
            (Some((data, trailers)), _) => RecvBody::whole(data, trailers),
            (None, Some(stream)) => RecvBody::stream(stream),
            (None, None) => RecvBody::default(),
        };
        Poll::Ready(Ok(Answer::Response(Box::new(response(head, body)))))
    }
}

impl fmt::Debug for UnaryCall {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UnaryCall").finish_non_exhaustive()
    }
}
