//! Deadlines of calls
//! ([gRPC over HTTP/2](https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md#client-cancellation)).
//!
//! A connection has one timer for all of them. It is set to the earliest deadline, and stays set if that call ends
//! earlier. When it fires, the other deadlines are checked.

use http::HeaderValue;
use tokio::time::Instant;

use super::stream::End;
use super::{Connection, Role, Stream};
use crate::deadline::Deadlines;
use crate::{Error, Reason, Side};

impl Connection {
    /// Sets the deadline for the call of a stream. Returns whether it is the earliest of all; then the task that reads
    /// has to set its timer.
    pub(crate) fn set_deadline(&mut self, id: u32, deadline: Instant) -> bool {
        let Some(stream) = self.streams.get_mut(id) else { return false };
        stream.deadline = Some(deadline);
        self.see_deadline(id)
    }

    /// Like [`set_deadline`](Self::set_deadline), for a call that a handler answers.
    pub(crate) fn set_deadlines(&mut self, id: u32, deadlines: Deadlines) -> bool {
        let Some(stream) = self.streams.get_mut(id) else { return false };
        stream.deadline = deadlines.call;
        stream.answer_by = deadlines.answer;
        self.see_deadline(id)
    }

    fn see_deadline(&mut self, id: u32) -> bool {
        let Some(due) = self.streams.get(id).and_then(Stream::due) else { return false };
        let is_first = self.next_deadline.is_none_or(|next| due < next);
        if is_first {
            self.next_deadline = Some(due);
        }
        is_first
    }

    /// When to [check](Self::expire) the deadlines.
    pub(crate) fn next_deadline(&self) -> Option<Instant> {
        self.next_deadline
    }

    /// Ends the calls whose deadlines have passed.
    pub(crate) fn expire(&mut self, now: Instant) {
        let role = self.role;
        let mut passed = Vec::new();
        self.next_deadline = None;
        for stream in self.streams.iter() {
            match stream.due().filter(|_| stream.awaits_deadline(role)) {
                Some(deadline) if deadline <= now => passed.push(stream.id),
                Some(deadline) if self.next_deadline.is_none_or(|next| deadline < next) => {
                    self.next_deadline = Some(deadline);
                }
                _ => {}
            }
        }
        for id in passed {
            match role {
                Role::Client => self.reset_because(id, Reason::CANCEL, Error::DeadlineExceeded),
                Role::Server => self.be_late(id),
            }
        }
    }

    /// Marks a call as late. The handler's task ends it, unless the handler has an answer by then: it may be ready but
    /// not have run yet. An answer that is blocked by flow control is dropped.
    fn be_late(&mut self, id: u32) {
        let Some(stream) = self.streams.get_mut(id) else { return };
        if stream.end != End::Open {
            self.reset(id, Reason::CANCEL);
            return;
        }
        if stream.direct.gathers_request() {
            self.end_late(id);
            self.forget_direct(id);
            return;
        }
        stream.is_late = true;
        self.wakers.extend(stream.send_waker.take());
    }

    /// Ends a call with gRPC's status for a passed deadline. If part of the response is blocked by flow control, the
    /// call is cancelled instead.
    pub(crate) fn end_late(&mut self, id: u32) {
        let Some(stream) = self.streams.get(id) else { return };
        if !stream.is_drained() {
            return self.reset(id, Reason::CANCEL);
        }
        let message = match stream.due() {
            due if due == stream.deadline => "the deadline of the call has passed",
            _ => "the handler did not answer within the server's time limit",
        };
        self.end_with_status(id, "4", HeaderValue::from_static(message));
    }

    /// Why the call of a stream failed. A server that notices the deadline first cancels the call.
    pub(crate) fn failure_of(&self, id: u32) -> Option<Error> {
        let stream = self.streams.get(id)?;
        match stream.failed.as_ref()? {
            Error::Reset { by: Side::Peer, reason: Reason::CANCEL }
                if self.role == Role::Client
                    && stream.deadline.is_some_and(|deadline| deadline <= Instant::now()) =>
            {
                Some(Error::DeadlineExceeded)
            }
            error => Some(error.clone()),
        }
    }
}

impl Stream {
    /// The earlier of its two deadlines.
    pub(super) fn due(&self) -> Option<Instant> {
        match (self.deadline, self.answer_by.filter(|_| !self.has_answer)) {
            (Some(deadline), Some(answer_by)) => Some(deadline.min(answer_by)),
            (deadline, answer_by) => deadline.or(answer_by),
        }
    }

    /// Whether its call is still active, so that its deadline matters.
    pub(super) fn awaits_deadline(&self, role: Role) -> bool {
        match role {
            Role::Client => !self.closed,
            Role::Server => self.end != End::Sent && !self.is_late,
        }
    }
}
