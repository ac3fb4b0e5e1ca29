//! The invariants of a connection while nothing uses it.

use std::collections::BTreeMap;

use super::flow::CONNECTION_WINDOW;
use super::{Connection, Stream};
use crate::frame::MAX_WINDOW;

/// How far the output may exceed [`Options::max_output`](crate::Options::max_output), by data that does not wait.
const MAX_OUTPUT: usize = 1 << 20;

impl Connection {
    /// # Panics
    /// If an invariant is broken.
    pub(crate) fn check_invariants(&self) {
        let count = |of: fn(&Stream) -> bool| self.streams.iter().filter(|stream| of(stream)).count();
        assert_eq!(self.open as usize, count(|stream| !stream.closed), "open streams");
        assert_eq!(self.woken.callers, count(|stream| stream.woken), "callers that were woken");
        assert_eq!(count(Stream::is_forgotten), 0, "streams that nobody needs");
        for (id, _) in &self.accepted {
            let stream = self.streams.get(*id);
            assert!(stream.is_some_and(|stream| !stream.accepted && stream.failed.is_none()), "request {id}");
        }
        self.check_direct();
        let output = self.output.len();
        assert!(output <= self.options.max_output + MAX_OUTPUT, "{output} bytes wait to be written");
        let goes = self.failed.is_some() || self.going_away.peer.is_some() || self.going_away.announced;
        assert!(!goes || self.when_gone.is_empty(), "somebody waits for the end of a connection that goes");
        // A failed connection may have failed in the middle of a step.
        if self.failed.is_some() {
            return;
        }
        assert!(self.send_window <= i64::from(MAX_WINDOW), "the connection's window");
        // The missing rest of a frame that has begun counts as received.
        let (coming, left) = match &self.data {
            Some(data) if data.wanted => (data.stream, i64::from(data.left)),
            _ => (0, 0),
        };
        let mut queued = BTreeMap::<u32, usize>::new();
        self.turns.iter().for_each(|id| *queued.entry(id).or_default() += 1);
        let (mut unread, mut opened, mut unsent) = (left, 0, 0);
        assert_eq!(self.streams.len(), self.streams.iter().count(), "streams");
        for stream in self.streams.iter() {
            let id = &stream.id;
            let overflows = stream.send_window > i64::from(MAX_WINDOW);
            assert!(!overflows || stream.failed.is_some(), "the window of stream {id}");
            assert!(stream.closed || stream.failed.is_none(), "stream {id} has failed and is open");
            let queued = queued.get(id).copied().unwrap_or_default();
            assert_eq!(queued, usize::from(stream.queued), "stream {id} in the queue");
            if let Some(deadline) = stream.due().filter(|_| stream.awaits_deadline(self.role)) {
                let is_seen = self.next_deadline.is_some_and(|next| next <= deadline);
                assert!(is_seen, "nobody looks at the deadline of stream {id}");
            }
            let waits = !stream.pending.is_empty() && stream.send_window > 0;
            assert!(!waits || stream.queued, "stream {id} is not sent");
            unread += stream.unread() as i64;
            unsent += stream.kept();
            opened += stream.opened as usize;
            if !stream.recv_ended && stream.failed.is_none() {
                let coming = if *id == coming { left } else { 0 };
                let window = stream.recv_window + i64::from(stream.credit) + stream.unread() as i64 + coming;
                let size = self.receiving.initial + stream.opened;
                assert_eq!(window, size.into(), "what stream {id} may receive");
            } else {
                let coming = if *id == coming { left } else { 0 };
                let unread = stream.unread() as i64 + coming;
                assert!(i64::from(stream.opened) <= unread, "stream {id} keeps more than is not read");
            }
        }
        assert_eq!(self.unsent.bytes, unsent, "what is not sent");
        let receiving = &self.receiving;
        assert_eq!(receiving.opened, opened, "by how much windows are opened");
        assert!(opened <= self.options.max_unread, "windows are opened too far");
        assert_eq!(receiving.unread as i64, unread, "what is not read");
        let window = receiving.window + i64::from(receiving.credit);
        assert_eq!(window, CONNECTION_WINDOW.into(), "what the connection may receive");
    }
}

impl Stream {
    fn is_forgotten(&self) -> bool {
        self.closed && !self.has_reader && !self.has_sender
    }
}
