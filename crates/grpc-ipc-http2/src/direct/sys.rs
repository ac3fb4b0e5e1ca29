//! The trait of buffers for encoding messages, which is unsafe to implement.

use bytes::buf::UninitSlice;
use bytes::{Buf, BufMut};

use super::Parts;

#[expect(
    unsafe_code,
    reason = "the trait has no safe implementation that sees `Bytes` before they are copied"
)]
// SAFETY: a vector upholds the rules of this trait, and the unsafe functions are those of the vector for copied data.
unsafe impl BufMut for Parts {
    fn remaining_mut(&self) -> usize {
        self.copied.remaining_mut()
    }

    unsafe fn advance_mut(&mut self, length: usize) {
        // SAFETY: the caller has written this much of `chunk_mut`, which is that of the vector.
        unsafe { self.copied.advance_mut(length) };
        self.took(length);
    }

    fn chunk_mut(&mut self) -> &mut UninitSlice {
        self.make_room(1);
        self.copied.chunk_mut()
    }

    fn put<T: Buf>(&mut self, from: T)
    where
        Self: Sized,
    {
        self.append(from);
    }

    fn put_slice(&mut self, from: &[u8]) {
        self.copy(from);
    }
}
