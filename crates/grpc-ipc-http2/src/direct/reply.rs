//! A server's answers.

use std::fmt;
use std::future::poll_fn;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::thread;
use std::time::Duration;

use http::{HeaderMap, StatusCode};
use tokio::time::Instant;

use super::{Batch, EncodeMessage, Head, Message, Messages, Parts, Sending};
use crate::connection::Connection;
use crate::connection::direct::{Encode, IN_PLACE};
use crate::deadline::{Timeouts, after};
use crate::panics;
use crate::shared::{SendStream, Shared, ToAnswer};
use crate::sync::spawn;
use crate::{Reason, RecvBody};

/// Answers complete requests with one message. Each connection has its own.
pub trait Service: Send {
    /// Returns the number of the method with this path, or `None` if its requests take the general path. The result is
    /// remembered for the life of the connection. This is called under the connection's lock, so it must not use the
    /// connection. If it panics, the request takes the general path.
    fn route(&self, path: &str) -> Option<u32>;

    /// Whether requests for a [route](Self::route) have a stream of messages. They are passed to
    /// [`call_with_stream`](Self::call_with_stream). Default: `false`. The rules of [`route`](Self::route) apply.
    fn takes_stream(&self, route: u32) -> bool {
        _ = route;
        false
    }

    /// Answers a request, either now or [later](Reply::later). Poll a handler with the [waker](Reply::waker) of the
    /// connection's task; if it is not ready, move it to its own task.
    ///
    /// A panic ends the call with gRPC's `UNKNOWN`; other calls continue.
    fn call(&mut self, head: &mut Arc<Head>, message: Message<'_>, reply: Reply<'_>);

    /// Like [`call`](Self::call), for a request whose messages have not all come. The default resets the stream.
    fn call_with_stream(&mut self, head: &mut Arc<Head>, body: RecvBody, reply: Reply<'_>) {
        _ = (head, body, reply);
    }
}

/// Sends the answer to a request. Dropping it without an answer resets the stream with
/// [`INTERNAL_ERROR`](Reason::INTERNAL_ERROR).
pub struct Reply<'a> {
    shared: &'a Arc<Shared>,
    id: u32,
    /// Present until the connection enforces the deadline.
    timeout: Option<Duration>,
    place: Place<'a>,
    answered: bool,
}

/// Where the answer is made.
enum Place<'a> {
    /// In the connection's task, which writes all answers of a turn together.
    ///
    /// `waker` is that task's waker, if handlers may be polled in it.
    Turn { turn: &'a mut InTurn, waker: Option<&'a Waker> },
    /// In another task, which continues with the rest.
    Task(&'a mut InTask),
}

/// A request in the task of a connection. It is kept outside of [`Reply`], which is moved several times.
pub(crate) struct InTurn {
    /// How long the handler may take to answer.
    handler_timeout: Option<Duration>,
    /// The path of the method, for the status if the handler panics in another task.
    method: &'static str,
    /// Too much is kept for the client.
    pub(crate) overfull: bool,
    /// The handler panicked before it answered.
    pub(crate) panicked: bool,
}

impl InTurn {
    pub(crate) fn new(handler_timeout: Option<Duration>) -> Self {
        Self { handler_timeout, method: "", overfull: false, panicked: false }
    }
}

/// A request in its own task.
struct InTask {
    sender: Option<SendStream>,
    rest: Option<Rest>,
    method: &'static str,
}

/// The rest of an answer.
type Rest = Pin<Box<dyn Future<Output = ()> + Send>>;

impl<'a> Reply<'a> {
    /// For a handler in the task of the connection.
    pub(crate) fn in_turn(
        shared: &'a Arc<Shared>,
        id: u32,
        timeout: Option<Duration>,
        turn: &'a mut InTurn,
        waker: Option<&'a Waker>,
    ) -> Self {
        Self { shared, id, timeout, place: Place::Turn { turn, waker }, answered: false }
    }

    /// Sets the path of the method, for the status if the handler panics.
    #[must_use]
    pub fn of_method(mut self, path: &'static str) -> Self {
        match &mut self.place {
            Place::Turn { turn, .. } => turn.method = path,
            Place::Task(task) => task.method = path,
        }
        self
    }

    /// The waker for polling the handler in the task of the connection, if that is allowed. Poll it once. If it is not
    /// ready, or if there is no waker, answer [later](Self::later)
    /// ([`Options::poll_in_place`](crate::Options::poll_in_place)).
    #[must_use]
    pub fn waker(&self) -> Option<&'a Waker> {
        match self.place {
            Place::Turn { waker, .. } => waker,
            Place::Task(_) => None,
        }
    }

    /// Answers with a message and the status OK. `metadata` is sent before the message. The protocol's own fields are
    /// added, and left out of `metadata` if they occur there. `message` has `length` bytes without its prefix. It may
    /// be encoded under the connection's lock, so it must not use the connection.
    pub fn message(mut self, metadata: Option<&HeaderMap>, length: usize, message: impl EncodeMessage) {
        if length <= IN_PLACE {
            let encode = Encode::Later(length, |out: &mut Vec<u8>| message.encode(out));
            self.answer(|connection, id| connection.answer_direct(id, metadata, encode));
        } else {
            let message = Encode::<fn(&mut Vec<u8>)>::Done(Parts::of(length, message));
            self.answer(|connection, id| connection.answer_direct(id, metadata, message));
        }
    }

    /// Answers with a status alone. `headers` are all fields of the response, including `content-type`.
    pub fn trailers_only(mut self, headers: &HeaderMap) {
        self.answer(|connection, id| connection.send_response(id, StatusCode::OK, headers, true));
    }

    /// Answers with a stream of messages. `metadata` is sent before them, as in [`message`](Self::message). They are
    /// polled once in the task of the connection, if handlers may be, and then in another task. They are dropped if the
    /// call ends early.
    pub fn stream<M: Messages + 'static>(mut self, metadata: Option<&HeaderMap>, mut messages: M) {
        let mut batch = Batch::default();
        let polled = match &self.place {
            Place::Turn { waker: Some(waker), .. } => {
                messages.poll(&mut Context::from_waker(waker), &mut batch)
            }
            _ => Poll::Pending,
        };
        let (id, timeout) = (self.id, self.timeout);
        let mut ended = false;
        let mut unwritten = None;
        self.shared.with(|state| {
            if let Place::Task(_) = &self.place {
                unwritten = Some(state.connection.output.is_empty());
            }
            state.connection.begin_answer(id, metadata);
            if let Poll::Ready(Some(ending)) = polled {
                ended = true;
                state.connection.send_last(id, &batch, ending);
            } else {
                state.connection.send_batch(id, &mut batch);
            }
            // If flow control blocks the answer, it ends with the deadline, too.
            if let Some(timeout) = timeout
                && let Some(stream) = state.connection.stream(id)
                && !stream.is_send_over()
                && !stream.has_deadline()
            {
                state.set_deadline(id, after(Instant::now(), timeout));
            }
            if ended {
                state.connection.drop_sender(id, Reason::INTERNAL_ERROR);
            }
            if let Place::Turn { turn, .. } = &mut self.place {
                turn.overfull = state.connection.is_overfull();
            }
        });
        self.answered = true;
        if ended {
            return;
        }
        match &mut self.place {
            Place::Turn { turn, .. } => {
                let shared = Arc::clone(self.shared);
                let sender = SendStream { shared, id, when_dropped: Reason::INTERNAL_ERROR };
                spawn(Sending::new(messages, batch, sender, None, Some(turn.method)));
            }
            Place::Task(task) => {
                if let Some(sender) = task.sender.take() {
                    let sending = Sending::new(messages, batch, sender, unwritten, Some(task.method));
                    task.rest = Some(Box::pin(sending));
                }
            }
        }
    }

    /// Answers when a future is ready, which is polled in its own task. It is dropped if the call ends early: if the
    /// client cancels, the deadline passes, or the connection ends.
    pub fn later<F, A>(mut self, future: F, answer: A)
    where
        F: Future<Output: Send> + Send + 'static,
        A: FnOnce(F::Output, Reply<'_>) + Send + 'static,
    {
        self.answered = true;
        let shared = Arc::clone(self.shared);
        let sender = SendStream { shared, id: self.id, when_dropped: Reason::INTERNAL_ERROR };
        let (answer_timeout, method) = match &self.place {
            Place::Turn { turn, .. } => (turn.handler_timeout, turn.method),
            // It has already answered.
            Place::Task(task) => (None, task.method),
        };
        let timeouts = Timeouts { call: self.timeout, answer: answer_timeout };
        spawn(answer_later(sender, timeouts, method, future, answer));
    }

    /// Changes the stream. Nothing is sent on it afterwards: if it has not ended then, it is reset.
    fn answer(&mut self, act: impl FnOnce(&mut Connection, u32)) {
        let id = self.id;
        self.shared.with(|state| {
            let alone = state.connection.output.is_empty();
            act(&mut state.connection, id);
            // If flow control blocks an answer, it ends with the deadline.
            if let Some(timeout) = self.timeout
                && state.connection.stream(id).is_some_and(|stream| !stream.is_send_over())
            {
                state.set_deadline(id, after(Instant::now(), timeout));
            }
            state.connection.drop_sender(id, Reason::INTERNAL_ERROR);
            match &mut self.place {
                Place::Turn { turn, .. } => turn.overfull = state.connection.is_overfull(),
                Place::Task(_) => state.send(alone),
            }
        });
        self.answered = true;
    }
}

impl Drop for Reply<'_> {
    fn drop(&mut self) {
        if self.answered {
            return;
        }
        match &mut self.place {
            // The code that catches the panic answers.
            Place::Turn { turn, .. } if thread::panicking() => turn.panicked = true,
            Place::Task(_) if thread::panicking() => {}
            _ => self.answer(|_, _| {}),
        }
    }
}

impl fmt::Debug for Reply<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reply").finish_non_exhaustive()
    }
}

/// Polls a handler until it is ready or the call has ended, and answers.
async fn answer_later<F, A>(
    sender: SendStream,
    timeouts: Timeouts,
    method: &'static str,
    future: F,
    answer: A,
) where
    F: Future,
    A: FnOnce(F::Output, Reply<'_>),
{
    let mut deadlines = timeouts.begin();
    let output = {
        let mut future = pin!(future);
        let mut output = None;
        poll_fn(|cx| {
            let Some(ToAnswer { has_room: mut room, is_late }) = sender.to_answer(cx) else {
                return Poll::Ready(None);
            };
            // Before the deadline is checked: an answer that is ready in time counts, even if this runs late.
            if output.is_none() {
                match catch_unwind(AssertUnwindSafe(|| future.as_mut().poll(cx))) {
                    Ok(Poll::Ready(ready)) => output = Some(ready),
                    Ok(Poll::Pending) => {}
                    Err(panic) => {
                        panics::log(method, &*panic);
                        sender.send(|connection, id| connection.end_panicked(id, method));
                        return Poll::Ready(None);
                    }
                }
            }
            if output.is_some() && !room {
                // The answer is not encoded until less is kept for the client.
                match sender.poll_drained(cx) {
                    Some(drained) => room = drained.is_ready(),
                    None => return Poll::Ready(None),
                }
            }
            if room && output.is_some() {
                return Poll::Ready(output.take());
            }
            if is_late {
                sender.send(|connection, id| connection.end_late(id));
                return Poll::Ready(None);
            }
            if let Some(deadlines) = deadlines.take() {
                sender.set_deadlines(deadlines);
            }
            Poll::Pending
        })
        .await
    };
    if let Some(output) = output {
        // The connection may already have it.
        let timeout = timeouts.call.filter(|_| deadlines.is_some());
        let (shared, id) = (Arc::clone(&sender.shared), sender.id);
        let mut task = InTask { sender: Some(sender), rest: None, method };
        let place = Place::Task(&mut task);
        let reply = Reply { shared: &shared, id, timeout, place, answered: false };
        if let Err(panic) = catch_unwind(AssertUnwindSafe(|| answer(output, reply))) {
            panics::log(method, &*panic);
            if let Some(sender) = &task.sender {
                sender.send(|connection, id| connection.end_panicked(id, method));
            }
        }
        if let Some(rest) = task.rest.take() {
            rest.await;
        }
    }
}
