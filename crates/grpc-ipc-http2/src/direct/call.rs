//! Calls that a client makes.

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

/// What became of a try to begin a call with a stream of messages.
#[derive(Debug)]
pub enum BegunStream<M> {
    /// It is under way. If all its messages are there, it can be made again when the server has not processed it.
    Call(UnaryCall, Option<MessagesBody<M>>),
    /// As [`Begun::Elsewhere`].
    Elsewhere(MessagesBody<M>),
    /// It cannot be made on any connection, or the first message failed.
    Failed(Error),
}

/// A call that was sent. Dropping it before it is ready cancels the call.
pub struct UnaryCall {
    /// Until it is answered.
    stream: Option<RecvStream>,
}

/// How a call was answered.
#[derive(Debug)]
pub enum Answer<T> {
    /// With a message and the status OK.
    Message(
        /// What was made of the message, and of the metadata.
        T,
    ),
    /// In any other way, which the body tells: with an error, or with a message for which the window of its stream is too
    /// small.
    Response(Box<Response<RecvBody>>),
}

impl SendRequest {
    /// Sends a whole request, if that is possible now.
    ///
    /// `metadata` goes behind the protocol's own fields, which are left out if they are in there, too. `message` is of
    /// `length` bytes, without its prefix; it may be encoded under the lock of the connection, so it must not use the
    /// connection. It is rarely encoded if the call is to go [`Elsewhere`](Begun::Elsewhere).
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
        message: impl EncodeMessage,
        cx: &Context<'_>,
    ) -> Begun {
        self.begin_for(Answered::WithMessage, method, metadata, timeout, length, message, cx)
    }

    /// As [`begin`](Self::begin), with a response that has a message or a stream of them.
    #[expect(clippy::too_many_arguments, reason = "they are what a call has")]
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

    /// Begins a request with a stream of messages, if that is possible now. Those that are there are sent at once, and the
    /// others by a task, which drops them when the call is over before. The rest is as for [`begin`](Self::begin).
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

    /// How many calls were answered with [`Answer::Message`].
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
    /// The answer. `read` makes of the message and the metadata what the caller wants; it may be called under the lock of the
    /// connection, so it must not use the connection. It is not called if the answer is a [`Response`](Answer::Response).
    ///
    /// # Errors
    /// The reason the call failed. If [`Error::is_unprocessed`], the call can be made again.
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
