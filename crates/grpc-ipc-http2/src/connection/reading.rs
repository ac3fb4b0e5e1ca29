//! The readers of streams.

use std::task::Waker;

use bytes::Bytes;
use http::HeaderMap;

use super::{Connection, Stream};
use crate::pieces::Pieces;

impl Connection {
    /// Waits for data on a stream.
    pub(crate) fn wait_to_read(&mut self, id: u32, waker: &Waker) {
        if let Some(stream) = self.streams.get_mut(id)
            && !stream.recv_waker.as_ref().is_some_and(|known| known.will_wake(waker))
        {
            stream.wait(waker);
        }
    }

    /// The task that waits for data on a stream runs.
    pub(crate) fn reader_runs(&mut self, id: u32) {
        if let Some(stream) = self.streams.get_mut(id)
            && stream.woken
        {
            stream.woken = false;
            self.woken.callers -= 1;
        }
    }

    /// The reader of a stream is dropped. Its unread data counts as read.
    pub(crate) fn drop_reader(&mut self, id: u32) {
        self.reader_runs(id);
        let Some(stream) = self.streams.get_mut(id) else { return };
        stream.has_reader = false;
        stream.recv_waker = None;
        let unread = stream.drop_unread();
        self.give_back(id, unread as u32);
        self.remove_if_done(id);
    }

    /// Takes the whole message if it is complete and small, so that the reader need not come back.
    pub(crate) fn take_all(&mut self, id: u32) -> Option<(Pieces, Option<HeaderMap>)> {
        const SMALL: u64 = 16 * 1024;
        let stream = self.streams.get_mut(id)?;
        if !stream.recv_ended || stream.received > SMALL {
            return None;
        }
        let all = (std::mem::take(&mut stream.data), stream.trailers.take());
        let length = stream.received as u32;
        stream.has_reader = false;
        self.give_back(id, length);
        self.remove_if_done(id);
        Some(all)
    }

    /// Takes the next piece of a body.
    pub(crate) fn take_data(&mut self, id: u32) -> Option<Bytes> {
        let data = self.streams.get_mut(id)?.data.pop()?;
        self.give_back(id, data.len() as u32);
        Some(data)
    }
}

/// Counts the readers of streams that were woken.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Woken {
    /// Readers that have not run yet. They will probably make another call.
    pub(crate) callers: usize,
    /// How many of the [wakers](Connection::wakers) do not belong to tasks of a runtime.
    pub(crate) outside: usize,
}

impl Connection {
    /// Whether tasks will be woken when the lock is released, and not only threads that block on a future.
    pub(crate) fn wakes_tasks(&self) -> bool {
        self.wakers.len() > self.woken.outside
    }
}

/// Wakes the task that waits for data on a stream.
pub(super) fn wake_reader(stream: &mut Stream, wakers: &mut Vec<Waker>, woken: &mut Woken) {
    if let Some(waker) = stream.recv_waker.take() {
        wakers.push(waker);
        woken.outside += usize::from(stream.waits_outside);
        if !stream.woken {
            stream.woken = true;
            woken.callers += 1;
        }
    }
}
