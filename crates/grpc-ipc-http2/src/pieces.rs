use std::collections::VecDeque;

use bytes::{Bytes, BytesMut};

/// A received body. Most have a single piece, and then need no further memory.
#[derive(Debug, Default)]
pub(crate) struct Pieces {
    first: Option<Bytes>,
    /// Empty while there is no first piece.
    rest: Option<Box<Rest>>,
}

/// The data after the first piece.
#[derive(Debug, Default)]
struct Rest {
    more: VecDeque<Bytes>,
    /// After those, copied pieces.
    tail: BytesMut,
}

impl Pieces {
    pub(crate) fn push(&mut self, piece: Bytes) {
        if self.first.is_none() {
            self.first = Some(piece);
            return;
        }
        let Rest { more, tail } = &mut **self.rest.get_or_insert_default();
        if !tail.is_empty() {
            more.push_back(tail.split().freeze());
        }
        more.push_back(piece);
    }

    /// The total length, or more than `limit` if it exceeds that.
    pub(crate) fn length_up_to(&self, limit: usize) -> usize {
        let first = self.first.as_ref().map_or(0, Bytes::len);
        let Some(Rest { more, tail }) = self.rest.as_deref().filter(|_| first <= limit) else { return first };
        let mut length = first;
        for piece in more {
            if length > limit {
                return length;
            }
            length += piece.len();
        }
        length + tail.len()
    }

    /// Appends a copy. Waiting copies become one piece, because a piece costs more than a few bytes.
    pub(crate) fn push_copy(&mut self, piece: &[u8]) {
        match self.first {
            None => self.first = Some(Bytes::copy_from_slice(piece)),
            Some(_) => self.rest.get_or_insert_default().tail.extend_from_slice(piece),
        }
    }

    pub(crate) fn pop(&mut self) -> Option<Bytes> {
        let piece = self.first.take()?;
        if let Some(Rest { more, tail }) = self.rest.as_deref_mut() {
            let tail = || (!tail.is_empty()).then(|| std::mem::take(tail).freeze());
            self.first = more.pop_front().or_else(tail);
        }
        Some(piece)
    }

    /// Takes the first piece, or at most `at_most` bytes of it, and returns whether the piece is complete. An empty
    /// piece gives no bytes.
    pub(crate) fn take(&mut self, at_most: usize) -> Option<(Bytes, bool)> {
        let first = self.first.as_mut()?;
        if first.len() <= at_most {
            return self.pop().map(|piece| (piece, true));
        }
        (at_most > 0).then(|| (first.split_to(at_most), false))
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.first.is_none()
    }

    /// The total length.
    pub(crate) fn length(&self) -> usize {
        let rest = |rest: &Rest| rest.more.iter().map(Bytes::len).sum::<usize>() + rest.tail.len();
        self.first.as_ref().map_or(0, Bytes::len) + self.rest.as_deref().map_or(0, rest)
    }

    pub(crate) fn first(&self) -> Option<&Bytes> {
        self.first.as_ref()
    }

    pub(crate) fn clear(&mut self) {
        // Usually there is nothing, and checking that is faster than dropping.
        if self.first.is_some() {
            self.first = None;
        }
        if self.rest.is_some() {
            self.rest = None;
        }
    }
}

impl From<Bytes> for Pieces {
    fn from(first: Bytes) -> Self {
        Self { first: Some(first), rest: None }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_come_out_in_the_order_they_went_in() {
        let mut pieces = Pieces::default();
        let mut expected = VecDeque::new();
        for step in 0..200_u8 {
            if step % 12 == 4 || step % 12 == 7 {
                pieces.push_copy(&[step]);
                expected.push_back(step);
            } else if step % 3 < 2 {
                pieces.push(Bytes::from(vec![step]));
                expected.push_back(step);
            } else {
                assert_eq!(pieces.pop().map(|piece| piece[0]), expected.pop_front());
            }
            assert_eq!(pieces.length(), expected.len());
            assert_eq!(pieces.length_up_to(usize::MAX), expected.len());
            assert_eq!(pieces.length_up_to(20) > 20, expected.len() > 20);
            assert_eq!(pieces.is_empty(), expected.is_empty());
        }
    }
}
