//! The order in which streams send their data.

use std::collections::VecDeque;

/// Streams with data to send and a window for it.
///
/// Each of them sends one frame when it comes, so that small messages do not wait for large ones. The rest of large
/// messages is sent one stream after the other. If these took turns frame by frame, all messages would be complete only
/// at the end, and the peer would hold all of them in memory. The two kinds of frames alternate.
#[derive(Debug, Default)]
pub(super) struct Turns {
    /// Streams that have not sent a frame since they came.
    new: VecDeque<u32>,
    /// Streams that have.
    rest: VecDeque<u32>,
    /// How many frames the first of `rest` has sent in a row.
    sent: u8,
    /// The stream that sends is one of `rest`, and how many frames it has sent in a row.
    of_rest: Option<u8>,
}

/// How many frames of its rest a stream may send in a row. With the largest frames, that is the default limit of a gRPC
/// message.
const MAX_FRAMES: u8 = 64;

impl Turns {
    pub(super) fn is_empty(&self) -> bool {
        self.new.is_empty() && self.rest.is_empty()
    }

    /// A stream has data to send.
    pub(super) fn add(&mut self, id: u32) {
        self.new.push_back(id);
    }

    /// The stream that sends the next frame. It is in the order no more.
    pub(super) fn next(&mut self) -> Option<u32> {
        let is_rest = self.new.is_empty() || self.of_rest.is_none() && !self.rest.is_empty();
        if is_rest {
            self.of_rest = Some(std::mem::take(&mut self.sent) + 1);
            self.rest.pop_front()
        } else {
            self.of_rest = None;
            self.new.pop_front()
        }
    }

    /// The [next](Self::next) stream has sent a frame, and has more data.
    pub(super) fn go_on(&mut self, id: u32) {
        match self.of_rest {
            Some(sent) if sent < MAX_FRAMES => {
                self.sent = sent;
                self.rest.push_front(id);
            }
            _ => self.rest.push_back(id),
        }
    }

    pub(super) fn remove(&mut self, id: u32) {
        if self.rest.front() == Some(&id) {
            self.sent = 0;
        }
        self.new.retain(|new| *new != id);
        self.rest.retain(|rest| *rest != id);
    }

    pub(super) fn shrink_to(&mut self, streams: usize) {
        self.new.shrink_to(streams);
        self.rest.shrink_to(streams);
    }

    #[cfg(any(test, fuzzing))]
    pub(super) fn iter(&self) -> impl Iterator<Item = u32> {
        self.new.iter().chain(&self.rest).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The streams that send, in order. `frames` is the number of frames of each stream.
    fn order(turns: &mut Turns, frames: &mut [usize], count: usize) -> Vec<u32> {
        let mut order = Vec::new();
        while order.len() < count
            && let Some(id) = turns.next()
        {
            order.push(id);
            let left = &mut frames[id as usize];
            *left -= 1;
            if *left > 0 {
                turns.go_on(id);
            }
        }
        order
    }

    #[test]
    fn large_messages_are_sent_one_after_the_other() {
        let mut turns = Turns::default();
        (0..3).for_each(|id| turns.add(id));
        assert_eq!(order(&mut turns, &mut [4; 3], 100), [0, 0, 1, 0, 2, 0, 1, 1, 1, 2, 2, 2]);
        assert!(turns.is_empty());
    }

    #[test]
    fn a_small_message_waits_for_one_frame() {
        let mut turns = Turns::default();
        let mut frames = [60, 60, 1, 1];
        (0..2).for_each(|id| turns.add(id));
        order(&mut turns, &mut frames, 20);
        turns.add(2);
        turns.add(3);
        let order = order(&mut turns, &mut frames, 4);
        assert_eq!(order.iter().filter(|id| **id >= 2).collect::<Vec<_>>(), [&2, &3]);
    }

    #[test]
    fn many_small_messages_leave_half_of_the_frames_to_large_ones() {
        let mut turns = Turns::default();
        turns.add(0);
        assert_eq!(turns.next(), Some(0));
        turns.go_on(0);
        let mut large = 0;
        for small in 1..=100 {
            turns.add(small);
            let id = turns.next().unwrap();
            if id == 0 {
                large += 1;
                turns.go_on(0);
            }
        }
        assert_eq!(large, 50);
    }

    #[test]
    fn no_stream_sends_for_too_long() {
        let mut turns = Turns::default();
        (0..2).for_each(|id| turns.add(id));
        let mut frames = [1000; 2];
        assert_eq!(order(&mut turns, &mut frames, 3), [0, 0, 1]);
        let most = usize::from(MAX_FRAMES);
        assert_eq!(order(&mut turns, &mut frames, most - 1), vec![0; most - 1]);
        assert_eq!(order(&mut turns, &mut frames, most), vec![1; most]);
        assert_eq!(order(&mut turns, &mut frames, most), vec![0; most]);
    }

    #[test]
    fn the_next_stream_has_a_turn_of_its_own() {
        let mut turns = Turns::default();
        (0..2).for_each(|id| turns.add(id));
        let mut frames = [1000; 2];
        order(&mut turns, &mut frames, 20);
        turns.remove(0);
        let most = usize::from(MAX_FRAMES);
        assert_eq!(order(&mut turns, &mut frames, most), vec![1; most]);
        assert_eq!(turns.iter().collect::<Vec<_>>(), [1]);
    }
}
