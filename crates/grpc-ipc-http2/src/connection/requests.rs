//! Received requests, and the number of active handlers.

use std::collections::VecDeque;
use std::task::{Context, Poll};

use super::{Connection, Stream};
use crate::message::RequestHead;

impl Connection {
    /// Takes the next request.
    pub(crate) fn accept(&mut self) -> Option<(u32, RequestHead)> {
        let (id, head) = self.accepted.pop_front()?;
        if let Some(stream) = self.streams.get_mut(id) {
            stream.accepted = true;
        }
        Some((id, head))
    }

    /// Removes a stream that ended before its request was taken.
    pub(super) fn forget_request(&mut self, id: u32) {
        if let Ok(place) = self.accepted.binary_search_by_key(&id, |(id, _)| *id) {
            self.accepted.remove(place);
            self.disown(id);
        } else {
            self.forget_direct(id);
        }
    }

    /// How many calls are being answered.
    pub(crate) fn running(&self) -> usize {
        let is_running = |stream: &&Stream| stream.has_sender && !stream.direct.gathers_request();
        let all = self.streams.iter().filter(is_running).count();
        all.saturating_sub(self.accepted.len() + self.direct.waiting())
    }

    /// Waits until there are none.
    pub(crate) fn poll_finished(&mut self, cx: &Context<'_>) -> Poll<()> {
        if self.running() == 0 {
            return Poll::Ready(());
        }
        if !self.when_finished.iter().any(|waker| waker.will_wake(cx.waker())) {
            self.when_finished.push(cx.waker().clone());
        }
        Poll::Pending
    }
}

/// A used queue would reserve room for four entries, and most connections have one call at a time.
pub(crate) fn room_for_one<T>(queue: &mut VecDeque<T>) {
    if queue.capacity() == 0 {
        queue.reserve_exact(1);
    }
}
