//! Callers that wait until a request can be sent.

use std::task::{Context, Poll, Waker};

use super::{Connection, send};
use crate::frame::MAX_WINDOW;

impl Connection {
    /// Whether a request can be sent now.
    pub(crate) fn has_room(&self) -> bool {
        self.accepts_calls() && self.open < self.peer.max_concurrent_streams && !self.is_output_full()
    }

    /// Whether the peer has to read before more is sent.
    pub(super) fn is_output_full(&self) -> bool {
        self.output.len() > self.options.max_output.saturating_add(send::MAX_DATA)
    }

    /// All output has been written.
    pub(crate) fn output_is_empty(&mut self) {
        if std::mem::take(&mut self.waits_for_output) {
            self.wake_all_waiting();
        }
    }

    /// Whether requests can be sent, now or later.
    pub(crate) fn accepts_calls(&self) -> bool {
        self.failed.is_none()
            && self.going_away.peer.is_none()
            && !self.going_away.announced
            && self.next_stream <= MAX_WINDOW
    }

    /// The number of streams that this client has opened, if none of them is left.
    pub(crate) fn calls_if_idle(&self) -> Option<u32> {
        (self.streams.is_empty() && self.waiting.is_empty()).then_some(self.next_stream / 2)
    }

    /// Waits until [`has_room`](Self::has_room) may have changed; the ticket is for
    /// [`stop_waiting`](Self::stop_waiting).
    pub(crate) fn wait_for_room(&mut self, waker: &Waker) -> u64 {
        self.waits_for_output |= self.is_output_full();
        let ticket = self.next_ticket;
        self.next_ticket += 1;
        self.waiting.push_back((ticket, waker.clone()));
        ticket
    }

    /// The holder of the ticket stops waiting. If it was woken, it may not need the room, because the call was dropped
    /// or had already begun. Then the next waiting caller is woken.
    pub(crate) fn stop_waiting(&mut self, ticket: u64) {
        // Tickets increase.
        match self.waiting.binary_search_by_key(&ticket, |(waiting, _)| *waiting) {
            Ok(place) => _ = self.waiting.remove(place),
            Err(_) if self.has_room() => self.wake_waiting(),
            Err(_) => self.waits_for_output |= self.is_output_full(),
        }
    }

    /// Wakes the next caller that waits for a stream.
    pub(crate) fn wake_waiting(&mut self) {
        if let Some((_, waker)) = self.waiting.pop_front() {
            self.wakers.push(waker);
        }
    }

    pub(crate) fn wake_all_waiting(&mut self) {
        self.wakers.extend(self.waiting.drain(..).map(|(_, waker)| waker));
        self.wake_if_gone();
    }

    /// The connection may accept no more calls.
    pub(super) fn wake_if_gone(&mut self) {
        if !self.when_gone.is_empty() && !self.accepts_calls() {
            self.wakers.append(&mut self.when_gone);
        }
    }

    /// Ready when the connection accepts no more calls. Unlike callers in the queue, this does not wait for room.
    pub(crate) fn poll_gone(&mut self, cx: &Context<'_>) -> Poll<()> {
        if !self.accepts_calls() {
            return Poll::Ready(());
        }
        if !self.when_gone.iter().any(|waker| waker.will_wake(cx.waker())) {
            self.when_gone.push(cx.waker().clone());
        }
        Poll::Pending
    }
}
