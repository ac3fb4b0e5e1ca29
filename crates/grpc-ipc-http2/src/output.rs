use std::collections::VecDeque;
use std::io::IoSlice;

use bytes::{Buf as _, Bytes};

use crate::heap::empty;

/// Data to write, in order. Small pieces are copied into one buffer, large ones keep their own.
#[derive(Debug, Default)]
pub(crate) struct Output {
    small: Vec<u8>,
    /// How much of `small` has been written.
    written: usize,
    /// Each goes before the byte of `small` with this index.
    large: VecDeque<(usize, Bytes)>,
    len: usize,
    /// The total number of bytes written.
    all_written: u64,
}

/// A piece of up to this many bytes is cheaper to copy than to write separately.
const COPY_UP_TO: usize = 1024;
/// A larger capacity is freed when the buffer is empty.
const KEEP: usize = 4 * 1024;
/// Written data is removed once it exceeds this size.
const WRITTEN: usize = 64 * 1024;
/// The maximum number of pieces in a write. POSIX allows 1024; a socket takes about 200 KiB.
pub(crate) const SLICES: usize = 32;

impl Output {
    /// The number of bytes to write.
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// The total number of bytes written.
    pub(crate) fn all_written(&self) -> u64 {
        self.all_written
    }

    /// The total that will have been written before the data that is appended next.
    pub(crate) fn position(&self) -> u64 {
        self.all_written + self.len as u64
    }

    /// Drops unwritten data.
    pub(crate) fn clear(&mut self) {
        *self = Self { all_written: self.all_written, ..Self::default() };
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Appends the output of `write`.
    pub(crate) fn write<T>(&mut self, write: impl FnOnce(&mut Vec<u8>) -> T) -> T {
        let before = self.small.len();
        let result = write(&mut self.small);
        self.len += self.small.len() - before;
        result
    }

    /// The same, but appends nothing if `write` panics.
    pub(crate) fn write_whole<T>(&mut self, write: impl FnOnce(&mut Vec<u8>) -> T) -> T {
        struct Appended<'a> {
            to: &'a mut Vec<u8>,
            before: usize,
        }
        impl Drop for Appended<'_> {
            fn drop(&mut self) {
                self.to.truncate(self.before);
            }
        }
        let mut appended = Appended { before: self.small.len(), to: &mut self.small };
        let result = write(appended.to);
        let length = appended.to.len();
        self.len += length - std::mem::replace(&mut appended.before, length);
        result
    }

    pub(crate) fn put(&mut self, bytes: Bytes) {
        self.len += bytes.len();
        if bytes.len() <= COPY_UP_TO {
            self.small.extend_from_slice(&bytes);
        } else {
            self.large.push_back((self.small.len(), bytes));
        }
    }

    /// All data, if it is in one piece.
    pub(crate) fn contiguous(&self) -> Option<&[u8]> {
        self.large.is_empty().then(|| &self.small[self.written..])
    }

    /// The first pieces, without empty ones.
    pub(crate) fn slices<'a>(&'a self, slices: &mut [IoSlice<'a>; SLICES]) -> usize {
        let mut count = 0;
        let mut from = self.written;
        let mut push = |bytes: &'a [u8]| {
            if !bytes.is_empty() && count < SLICES {
                slices[count] = IoSlice::new(bytes);
                count += 1;
            }
        };
        for (position, bytes) in self.large.iter().take(SLICES) {
            push(&self.small[from..*position]);
            push(bytes);
            from = *position;
        }
        if self.large.len() <= SLICES {
            push(&self.small[from..]);
        }
        count
    }

    /// Marks the first `count` bytes as written.
    pub(crate) fn advance(&mut self, mut count: usize) {
        debug_assert!(count <= self.len);
        self.len -= count;
        self.all_written += count as u64;
        while count > 0 {
            let Some((position, bytes)) = self.large.front_mut() else {
                self.written += count;
                break;
            };
            let before = (*position - self.written).min(count);
            self.written += before;
            count -= before;
            let taken = bytes.len().min(count);
            count -= taken;
            if taken < bytes.len() {
                bytes.advance(taken);
                break;
            }
            self.large.pop_front();
        }
        if self.len == 0 {
            empty(&mut self.small, KEEP);
            self.large.shrink_to(SLICES);
            self.written = 0;
        } else if self.written > WRITTEN {
            self.small.drain(..self.written);
            for (position, _) in &mut self.large {
                *position -= self.written;
            }
            self.written = 0;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn drain(output: &mut Output, at_once: usize) -> Vec<u8> {
        let mut all = Vec::new();
        while !output.is_empty() {
            let mut slices = [IoSlice::new(&[]); SLICES];
            let count = output.slices(&mut slices);
            assert!(count > 0, "something is left, but no slice of it");
            let bytes = slices[..count].iter().flat_map(|slice| slice.iter().copied());
            let before = all.len();
            all.extend(bytes.take(at_once));
            let taken = all.len() - before;
            output.advance(taken);
        }
        all
    }

    #[test]
    fn pieces_of_every_size_come_out_in_order() {
        for at_once in [1, 7, 1000, 70_000, usize::MAX] {
            let mut output = Output::default();
            let mut expected = Vec::new();
            for piece in 0..if cfg!(miri) { 5 } else { 100_u8 } {
                let size = [0, 3, COPY_UP_TO, COPY_UP_TO + 1, 5000][usize::from(piece) % 5];
                let bytes = vec![piece; size];
                expected.extend_from_slice(&bytes);
                if piece % 2 == 0 {
                    output.put(bytes.into());
                } else {
                    output.write(|out| out.extend_from_slice(&bytes));
                }
            }
            assert_eq!(output.len(), expected.len());
            assert!(drain(&mut output, at_once) == expected, "{at_once} at once");
            assert_eq!(output.contiguous(), Some(&[][..]));
        }
    }

    #[test]
    fn what_is_written_while_more_comes_does_not_pile_up() {
        let mut output = Output::default();
        output.write(|out| out.push(0));
        for _ in 0..if cfg!(miri) { 50 } else { 1000 } {
            output.write(|out| out.extend_from_slice(&[0; 1000]));
            output.advance(1000);
        }
        assert!(output.small.capacity() < 4 * WRITTEN, "{}", output.small.capacity());
    }
}
