use std::collections::VecDeque;

use bytes::Bytes;

/// A body as it came: most have one piece, and cost no memory beside it.
#[derive(Debug, Default)]
pub(crate) struct Pieces {
    first: Option<Bytes>,
    /// Empty while there is no first one.
    more: VecDeque<Bytes>,
}

impl Pieces {
    pub(crate) fn push(&mut self, piece: Bytes) {
        match self.first {
            None => self.first = Some(piece),
            Some(_) => self.more.push_back(piece),
        }
    }

    pub(crate) fn pop(&mut self) -> Option<Bytes> {
        let piece = self.first.take()?;
        self.first = self.more.pop_front();
        Some(piece)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.first.is_none()
    }

    /// How many bytes they have.
    pub(crate) fn length(&self) -> usize {
        self.first.iter().chain(&self.more).map(Bytes::len).sum()
    }

    /// The first one, of which a part may be taken.
    pub(crate) fn first_mut(&mut self) -> Option<&mut Bytes> {
        self.first.as_mut()
    }

    pub(crate) fn first(&self) -> Option<&Bytes> {
        self.first.as_ref()
    }

    pub(crate) fn clear(&mut self) {
        self.first = None;
        self.more.clear();
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
            if step % 3 < 2 {
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
