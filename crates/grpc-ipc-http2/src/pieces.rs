use std::collections::VecDeque;

use bytes::{Bytes, BytesMut};

/// A body as it came: most have one piece, and cost no memory beside it.
#[derive(Debug, Default)]
pub(crate) struct Pieces {
    first: Option<Bytes>,
    /// Empty while there is no first one.
    more: VecDeque<Bytes>,
    /// Behind them, what was copied piece by piece; empty while there is no first one.
    tail: BytesMut,
}

impl Pieces {
    pub(crate) fn push(&mut self, piece: Bytes) {
        match self.first {
            None => self.first = Some(piece),
            Some(_) => {
                if !self.tail.is_empty() {
                    self.more.push_back(self.tail.split().freeze());
                }
                self.more.push_back(piece);
            }
        }
    }

    /// Appends a copy. Those that wait become one piece: a piece costs more than a few bytes.
    pub(crate) fn push_copy(&mut self, piece: &[u8]) {
        match self.first {
            None => self.first = Some(Bytes::copy_from_slice(piece)),
            Some(_) => self.tail.extend_from_slice(piece),
        }
    }

    pub(crate) fn pop(&mut self) -> Option<Bytes> {
        let piece = self.first.take()?;
        self.first = self.more.pop_front();
        if self.first.is_none() && !self.tail.is_empty() {
            self.first = Some(std::mem::take(&mut self.tail).freeze());
        }
        Some(piece)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.first.is_none()
    }

    /// How many bytes they have.
    pub(crate) fn length(&self) -> usize {
        self.first.iter().chain(&self.more).map(Bytes::len).sum::<usize>() + self.tail.len()
    }

    /// The first one, of which a part may be taken.
    pub(crate) fn first_mut(&mut self) -> Option<&mut Bytes> {
        self.first.as_mut()
    }

    pub(crate) fn first(&self) -> Option<&Bytes> {
        self.first.as_ref()
    }

    pub(crate) fn clear(&mut self) {
        // Mostly there is nothing, which is found out faster than by dropping it.
        if self.first.is_some() || self.more.capacity() > 0 || self.tail.capacity() > 0 {
            *self = Self::default();
        }
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
            assert_eq!(pieces.is_empty(), expected.is_empty());
        }
    }
}
