//! The streams of a connection, by their id.

use std::cell::RefCell;
use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};

use super::Stream;

/// Ids increase, so concurrent streams usually have separate slots in a small array. A stream whose slot is taken goes
/// into a map.
#[derive(Default)]
pub(super) struct Streams {
    /// The length is a power of two, or zero.
    slots: Vec<Option<Box<Stream>>>,
    others: HashMap<u32, Box<Stream>, BuildHasherDefault<IdHasher>>,
    len: usize,
}

thread_local! {
    /// The memory of ended streams of this thread, for new streams of any connection. It holds no data.
    #[expect(clippy::vec_box, reason = "the boxes themselves are reused")]
    static SPARE: RefCell<Vec<Box<Stream>>> = const { RefCell::new(Vec::new()) };
}

/// The initial number of slots.
const MIN_SLOTS: usize = 4;
/// The number of slots that a connection without streams keeps.
const KEEP_SLOTS: usize = 64;
/// The number of streams whose memory is kept.
const MAX_SPARE: usize = 64;

impl Streams {
    pub(super) fn len(&self) -> usize {
        self.len
    }

    pub(super) fn is_empty(&self) -> bool {
        self.len == 0
    }

    #[inline]
    pub(super) fn get(&self, id: u32) -> Option<&Stream> {
        match self.slots.get(self.slot(id)) {
            Some(Some(stream)) if stream.id == id => Some(stream),
            _ if self.others.is_empty() => None,
            _ => self.others.get(&id).map(|stream| &**stream),
        }
    }

    #[inline]
    pub(super) fn get_mut(&mut self, id: u32) -> Option<&mut Stream> {
        let slot = self.slot(id);
        match self.slots.get_mut(slot) {
            Some(Some(stream)) if stream.id == id => Some(stream),
            _ if self.others.is_empty() => None,
            _ => self.others.get_mut(&id).map(|stream| &mut **stream),
        }
    }

    /// Inserts a new stream. Its id must not be in use.
    #[inline]
    pub(super) fn insert(&mut self, id: u32, recv_window: u32, send_window: u32) -> &mut Stream {
        debug_assert!(self.get(id).is_none(), "stream {id} is there");
        // Does nothing while the thread is ending.
        let spare = SPARE.try_with(|spare| spare.try_borrow_mut().ok()?.pop());
        let stream = match spare.ok().flatten() {
            Some(mut spare) => {
                spare.renew(id, recv_window, send_window);
                spare
            }
            None => Box::new(Stream::new(id, recv_window, send_window)),
        };
        self.len += 1;
        if self.slots.get(self.slot(id)).is_none_or(Option::is_some) && self.slots.len() < 2 * self.len {
            self.grow();
        }
        let slot = self.slot(id);
        match &mut self.slots[slot] {
            free @ None => free.insert(stream),
            Some(_) => self.others.entry(id).insert_entry(stream).into_mut(),
        }
    }

    /// Removes a stream, after calling `act` on it.
    #[inline]
    pub(super) fn remove(&mut self, id: u32, act: impl FnOnce(&mut Stream)) {
        let slot = self.slot(id);
        let stream = match self.slots.get_mut(slot) {
            Some(place) if place.as_ref().is_some_and(|stream| stream.id == id) => place.take(),
            _ => self.others.remove(&id),
        };
        let Some(mut stream) = stream else { return };
        act(&mut stream);
        self.len -= 1;
        stream.clear();
        _ = SPARE.try_with(|spare| {
            if let Ok(mut spare) = spare.try_borrow_mut()
                && spare.len() < MAX_SPARE
            {
                spare.push(stream);
            }
        });
    }

    /// Frees memory if no stream is left after there were many. Returns whether it did.
    #[inline]
    pub(super) fn shrink(&mut self) -> bool {
        let shrinks =
            self.is_empty() && (self.slots.len() > KEEP_SLOTS || self.others.capacity() > KEEP_SLOTS);
        if shrinks {
            self.slots = Vec::new();
            self.others = HashMap::default();
        }
        shrinks
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Stream> {
        self.slots.iter().flatten().chain(self.others.values()).map(|stream| &**stream)
    }

    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = &mut Stream> {
        self.slots.iter_mut().flatten().chain(self.others.values_mut()).map(|stream| &mut **stream)
    }

    /// The slot of a stream.
    #[inline]
    fn slot(&self, id: u32) -> usize {
        (id >> 1) as usize & self.slots.len().wrapping_sub(1)
    }

    #[cold]
    fn grow(&mut self) {
        let size = (2 * self.slots.len()).max(MIN_SLOTS);
        let before = std::mem::replace(&mut self.slots, std::iter::repeat_with(|| None).take(size).collect());
        let others = std::mem::take(&mut self.others);
        for stream in before.into_iter().flatten().chain(others.into_values()) {
            let slot = self.slot(stream.id);
            match &mut self.slots[slot] {
                free @ None => *free = Some(stream),
                Some(_) => _ = self.others.insert(stream.id, stream),
            }
        }
    }
}

/// The peer cannot choose ids freely, so the hash need not be secret.
#[derive(Default)]
struct IdHasher(u64);

impl Hasher for IdHasher {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.write_u32(u32::from(*byte));
        }
    }

    fn write_u32(&mut self, id: u32) {
        // Fibonacci hashing: a bijection, so two ids never collide.
        self.0 = (self.0 ^ u64::from(id)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn remove(streams: &mut Streams, id: u32) -> bool {
        let mut found = false;
        streams.remove(id, |stream| found = stream.id == id);
        found
    }

    #[test]
    fn every_stream_is_found_wherever_it_is() {
        let mut streams = Streams::default();
        assert!(streams.get(1).is_none() && streams.get_mut(1).is_none() && !remove(&mut streams, 1));
        // Some streams last for ever, and the others need their slots one after the other.
        let lasting = [1, 9, 17, 129];
        let mut known = Vec::new();
        for id in (1..2_000).step_by(2) {
            assert_eq!(streams.insert(id, 0, id).id, id);
            known.push(id);
            assert!(known.iter().all(|id| streams.get(*id).is_some_and(|stream| stream.id == *id)));
            assert_eq!(streams.get_mut(id).map(|stream| stream.send_window), Some(i64::from(id)));
            if id % 7 == 0 {
                known.retain(|id| lasting.contains(id) || !remove(&mut streams, *id));
            }
            assert_eq!(
                (streams.len(), streams.iter().count(), streams.iter_mut().count()),
                (known.len(), known.len(), known.len())
            );
            assert!(streams.get(id + 2).is_none());
        }
        assert!(streams.slots.len() <= 64, "{}", streams.slots.len());
        known.retain(|id| !remove(&mut streams, *id));
        assert!(known.is_empty() && streams.is_empty());
    }

    #[test]
    fn room_for_many_streams_is_given_back() {
        let mut streams = Streams::default();
        for id in (1..10_001).step_by(2) {
            streams.insert(id, 0, 0);
        }
        assert!(streams.slots.len() >= 4096 && !streams.shrink());
        for id in (1..10_001).step_by(2) {
            assert!(remove(&mut streams, id));
        }
        assert!(streams.shrink() && !streams.shrink());
        assert_eq!((streams.slots.capacity(), streams.others.capacity()), (0, 0));
        assert_eq!(SPARE.with_borrow(Vec::len), MAX_SPARE);
    }
}
