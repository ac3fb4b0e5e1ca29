use bytes::{Buf as _, Bytes, BytesMut};

/// Received bytes, and how many of them were taken. Recording that once is cheaper than removing each frame.
pub(super) struct Input<'a> {
    buffer: &'a mut BytesMut,
    taken: usize,
}

impl<'a> Input<'a> {
    pub(super) fn new(buffer: &'a mut BytesMut) -> Self {
        Self { buffer, taken: 0 }
    }

    /// The bytes that have not been taken.
    pub(super) fn rest(&self) -> &[u8] {
        &self.buffer[self.taken..]
    }

    pub(super) fn take(&mut self, length: usize) {
        self.taken += length;
    }

    /// Takes bytes without copying them.
    pub(super) fn split(&mut self, length: usize) -> Bytes {
        self.finish();
        self.buffer.split_to(length).freeze()
    }

    /// Removes the bytes that were taken.
    pub(super) fn finish(&mut self) {
        let taken = std::mem::take(&mut self.taken);
        if taken > 0 {
            self.buffer.advance(taken);
        }
    }
}
