//! Streams that have ended ([RFC 9113, section 5.1](https://www.rfc-editor.org/rfc/rfc9113#section-5.1)).

/// How a stream ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Closed {
    /// This end reset it, which the peer may not know yet.
    ByReset,
    /// The peer ended or reset it, so it can send nothing more.
    ByPeer,
}

/// The streams that ended last, and limits on late frames of earlier ones.
#[derive(Debug)]
pub(super) struct ClosedLately {
    streams: [(u32, Closed); 64],
    next: usize,
    /// The highest one that was removed to make room.
    forgotten: u32,
    /// How many bytes of DATA may still come for streams that this end reset, within their windows.
    late: u64,
    /// How many more streams the peer may reset: each once, even after it has ended.
    resets: u32,
}

/// The number of bytes that late headers count as. Up to four blocks may come for a stream: interim responses, a
/// response, and its trailers.
const LATE_HEADERS: u32 = 64;
/// The limit on resets of streams that ended long ago.
const MAX_RESETS: u32 = 1 << 16;

impl ClosedLately {
    pub(super) fn new() -> Self {
        Self { streams: [(0, Closed::ByPeer); 64], next: 0, forgotten: 0, late: 0, resets: 0 }
    }

    /// Counts a new stream.
    pub(super) fn opened(&mut self) {
        self.resets = (self.resets + 1).min(MAX_RESETS);
    }

    /// Records the end of a stream on which the peer can send nothing more.
    pub(super) fn ended(&mut self, stream: u32) {
        self.add(stream, Closed::ByPeer);
    }

    /// Records that this end reset a stream. Until the peer receives the reset, it may send `window` bytes.
    pub(super) fn reset(&mut self, stream: u32, window: i64) {
        self.late += u64::try_from(window).unwrap_or(0) + 4 * u64::from(LATE_HEADERS);
        self.add(stream, Closed::ByReset);
    }

    fn add(&mut self, stream: u32, how: Closed) {
        self.forgotten = self.forgotten.max(self.streams[self.next].0);
        self.streams[self.next] = (stream, how);
        self.next = (self.next + 1) % self.streams.len();
    }

    /// How a stream ended, if known.
    pub(super) fn get(&self, stream: u32) -> Option<Closed> {
        let (before, after) = self.streams.split_at(self.next);
        // The last one first, because a stream may be listed twice.
        let last = before.iter().rev().chain(after.iter().rev()).find(|(id, _)| *id == stream);
        last.map(|(_, how)| *how)
    }

    /// Whether this end may have reset a stream that has ended.
    pub(super) fn may_be_reset(&self, stream: u32) -> bool {
        self.get(stream).map_or(stream <= self.forgotten, |how| how == Closed::ByReset)
    }

    /// Counts DATA for a stream that this end may have reset. Returns whether it is within the limit.
    pub(super) fn take_data(&mut self, length: u32) -> bool {
        self.take_late(length.max(1))
    }

    /// The same for HEADERS.
    pub(super) fn take_headers(&mut self) -> bool {
        self.take_late(LATE_HEADERS)
    }

    fn take_late(&mut self, bytes: u32) -> bool {
        let left = self.late.checked_sub(bytes.into());
        self.late = left.unwrap_or(self.late);
        left.is_some()
    }

    /// Counts a reset by the peer of a stream that has ended. Returns whether it is within the limit.
    pub(super) fn take_reset(&mut self) -> bool {
        let left = self.resets.checked_sub(1);
        self.resets = left.unwrap_or(0);
        left.is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_stream_became_last_counts() {
        let mut closed = ClosedLately::new();
        for id in (1..200).step_by(2) {
            closed.ended(id);
            closed.reset(id, 0);
            assert_eq!(closed.get(id), Some(Closed::ByReset));
            closed.ended(id);
            assert_eq!(closed.get(id), Some(Closed::ByPeer));
        }
        assert_eq!(closed.get(1), None);
        assert!(closed.may_be_reset(1));
        assert!(!closed.may_be_reset(201));
    }

    #[test]
    fn no_more_comes_late_than_the_windows_let_through() {
        let mut closed = ClosedLately::new();
        assert!(!closed.take_data(1));
        closed.reset(1, 1000);
        assert!(closed.take_headers() && closed.take_data(1000));
        assert!((0..3).all(|_| closed.take_headers()));
        assert!(!closed.take_headers() && !closed.take_data(0));
    }
}
