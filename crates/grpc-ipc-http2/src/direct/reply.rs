//! How a server answers.

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

/// Answers requests that are complete and have one message. There is one for each connection.
pub trait Service: Send {
    /// Which method has a path; `None` if requests for it go the general way. The answer counts for as long as the
    /// connection lasts. It is called under the lock of the connection, so it must not use the connection.
    /// If it panics, the request goes the general way.
    fn route(&self, path: &str) -> Option<u32>;

    /// Whether requests for a [route](Self::route) have a stream of messages: they are given to
    /// [`call_with_stream`](Self::call_with_stream). By default none has. It is called as [`route`](Self::route) is.
    fn takes_stream(&self, route: u32) -> bool {
        _ = route;
        false
    }

    /// Answers a request, now or [later](Reply::later). A handler is polled with the [waker](Reply::waker) of the task of the
    /// connection; one that is not ready then has to be moved to a task of its own.
    ///
    /// A panic ends the call with gRPC's `UNKNOWN`; others go on.
    fn call(&mut self, head: &mut Arc<Head>, message: Message<'_>, reply: Reply<'_>);

    /// As [`call`](Self::call), for a request whose messages are still to come, or some of them. By default it resets the
    /// stream.
    fn call_with_stream(&mut self, head: &mut Arc<Head>, body: RecvBody, reply: Reply<'_>) {
        _ = (head, body, reply);
    }
}

/// Where the answer to a request goes. Dropping it without one resets the stream with
/// [`INTERNAL_ERROR`](Reason::INTERNAL_ERROR).
pub struct Reply<'a> {
    shared: &'a Arc<Shared>,
    id: u32,
    /// Until the connection has the deadline.
    timeout: Option<Duration>,
    place: Place<'a>,
    answered: bool,
}

/// Who answers.
enum Place<'a> {
    /// The task of the connection, which writes all the answers of a turn at once.
    ///
    /// `waker` is that of the task, if handlers may be polled in it.
    Turn { turn: &'a mut InTurn, waker: Option<&'a Waker> },
    /// Another task, which goes on with what is left to do.
    Task(&'a mut InTask),
}

/// A request in the task of a connection. It stays there: a reply is moved a few times.
pub(crate) struct InTurn {
    /// How long the handler may take to answer.
    handler_timeout: Option<Duration>,
    /// The path of the method, for the status of a handler that panics elsewhere.
    method: &'static str,
    /// Too much is kept for the client.
    pub(crate) overfull: bool,
    /// The handler has panicked before it has answered.
    pub(crate) panicked: bool,
}

impl InTurn {
    pub(crate) fn new(handler_timeout: Option<Duration>) -> Self {
        Self { handler_timeout, method: "", overfull: false, panicked: false }
    }
}

/// A request in a task of its own.
struct InTask {
    sender: Option<SendStream>,
    rest: Option<Rest>,
    method: &'static str,
}

/// What is left of an answer.
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

    /// The path of the method, for the status of a handler that panics.
    #[must_use]
    pub fn of_method(mut self, path: &'static str) -> Self {
        match &mut self.place {
            Place::Turn { turn, .. } => turn.method = path,
            Place::Task(task) => task.method = path,
        }
        self
    }

    /// The waker to poll the handler with in the task of the connection, if it may be polled there, which is then to be done
    /// once. Otherwise, and if it is not ready, it has to be answered [later](Self::later)
    /// ([`Options::poll_in_place`](crate::Options::poll_in_place)).
    #[must_use]
    pub fn waker(&self) -> Option<&'a Waker> {
        match self.place {
            Place::Turn { waker, .. } => waker,
            Place::Task(_) => None,
        }
    }

    /// Answers with a message and the status OK. `metadata` is sent before it; the protocol's own fields are added, and are
    /// left out if they are in there, too. `message` is of `length` bytes, without its prefix; it may be encoded under the
    /// lock of the connection, so it must not use the connection.
    pub fn message(mut self, metadata: Option<&HeaderMap>, length: usize, message: impl EncodeMessage) {
        if length <= IN_PLACE {
            let encode = Encode::Later(length, |out: &mut Vec<u8>| message.encode(out));
            self.answer(|connection, id| connection.answer_direct(id, metadata, encode));
        } else {
            let message = Encode::<fn(&mut Vec<u8>)>::Done(Parts::of(length, message));
            self.answer(|connection, id| connection.answer_direct(id, metadata, message));
        }
    }

    /// Answers with a status alone. `headers` are all fields of the response, `content-type` among them.
    pub fn trailers_only(mut self, headers: &HeaderMap) {
        self.answer(|connection, id| connection.send_response(id, StatusCode::OK, headers, true));
    }

    /// Answers with messages that come one after the other, and with how they end. `metadata` is sent before them, as by
    /// [`message`](Self::message). They are polled in the task of the connection once, if a handler may be, and then in
    /// another; they are dropped when the call is over before.
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
            // What the client does not let through ends with its deadline, too.
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

    /// Answers once a future is ready, which is polled in a task of its own. It is dropped when the call is over before:
    /// the client has cancelled it, its deadline has passed, or the connection has ended.
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
            // It has answered.
            Place::Task(task) => (None, task.method),
        };
        let timeouts = Timeouts { call: self.timeout, answer: answer_timeout };
        spawn(answer_later(sender, timeouts, method, future, answer));
    }

    /// Does something with the stream, after which nobody sends on it any more: what is not ended then is reset.
    fn answer(&mut self, act: impl FnOnce(&mut Connection, u32)) {
        let id = self.id;
        self.shared.with(|state| {
            let alone = state.connection.output.is_empty();
            act(&mut state.connection, id);
            // An answer that the client does not let through ends with its deadline.
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
            // Whoever catches the panic answers.
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

/// Polls a handler until it is ready or the call is over, and answers.
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
            // Before the deadline is looked at: what is ready in time, or at once, counts.
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
                // It is not encoded before less is kept for the client.
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
        // The connection may have it already.
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
