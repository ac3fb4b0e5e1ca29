use bytes::{Buf as _, Bytes, BytesMut};

/// What has come, and how much of it was taken: to say that once costs less than to do so for each frame.
pub(super) struct Input<'a> {
    buffer: &'a mut BytesMut,
    taken: usize,
}

impl<'a> Input<'a> {
    pub(super) fn new(buffer: &'a mut BytesMut) -> Self {
        Self { buffer, taken: 0 }
    }

    /// What is not taken.
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

    /// What is taken is gone.
    pub(super) fn finish(&mut self) {
        let taken = std::mem::take(&mut self.taken);
        if taken > 0 {
            self.buffer.advance(taken);
        }
    }
}
