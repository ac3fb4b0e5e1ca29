//! Adapts glibc's allocator to large messages.

use std::hint::black_box;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

/// Messages up to this size do not change the heap's settings.
const SMALL: usize = 32 << 10;
/// glibc adapts its thresholds only to blocks of more than 128 KiB and up to 32 MiB. Below 2 MiB, the buffers beside the
/// messages still matter, and that several messages of a stream may wait for their reader.
const MEASURE: std::ops::RangeInclusive<usize> = 2 << 20..=(32 << 20) - (64 << 10);

/// Prepares for messages of this length, after one was sent or received.
///
/// glibc returns the free memory at the end of its heap when that is more than twice the largest block ever freed
/// ([mallopt(3)](https://man7.org/linux/man-pages/man3/mallopt.3.html), `M_TRIM_THRESHOLD` and `M_MMAP_THRESHOLD`). A
/// call has two messages in memory: the request and the response, or a message and the bytes that it is decoded from.
/// Both are freed when the call ends, which exceeds that limit. Each call would then fault in all of their pages again,
/// which costs more than everything else it does. Freeing one block as large as both, without ever touching it, raises
/// the threshold. A program that sets a threshold itself keeps it.
///
/// This helps messages with strings and vectors: most of their memory belongs to the program, so a buffer pool in the
/// engine would not help. A message of [`Bytes`](bytes::Bytes) uses only the engine's memory. A call has only one of
/// those at a time, so it would not need this.
///
/// With 32-bit pointers, glibc adapts its thresholds only to blocks of up to 512 KiB, so this would not help either.
pub(crate) fn expect_messages_of(length: usize) {
    /// Messages of up to this length are expected.
    static EXPECTED: AtomicUsize = AtomicUsize::new(SMALL);

    let adapts = cfg!(all(target_os = "linux", target_env = "gnu", target_pointer_width = "64"));
    if adapts && length > EXPECTED.load(Relaxed) {
        EXPECTED.store(length.saturating_add(length / 4), Relaxed);
        let both = length.saturating_mul(2).clamp(*MEASURE.start(), *MEASURE.end());
        drop(black_box(Vec::<u8>::with_capacity(both)));
    }
}

/// Empties a buffer, and frees what it holds beyond `keep` bytes.
///
/// A large buffer is not shrunk, but freed as a whole. glibc maps a block of more than 128 KiB into memory of its own,
/// unmaps its pages when it shrinks, and faults them in when it grows again. After such a block was freed, the next one
/// comes from the heap.
pub(crate) fn empty(buffer: &mut Vec<u8>, keep: usize) {
    buffer.clear();
    if buffer.capacity() > LARGE {
        *buffer = Vec::new();
    } else {
        buffer.shrink_to(keep);
    }
}

/// The next capacity may be one that glibc maps.
const LARGE: usize = 64 << 10;

#[cfg(all(test, not(miri), target_os = "linux", target_env = "gnu", target_pointer_width = "64"))]
mod tests {
    use super::*;

    /// The number of page faults of this thread.
    fn page_faults() -> usize {
        let stat = std::fs::read_to_string("/proc/thread-self/stat").unwrap();
        let (_, fields) = stat.rsplit_once(')').unwrap();
        fields.split_whitespace().nth(7).unwrap().parse().unwrap()
    }

    /// A request, the decoded request, and the response.
    fn call(length: usize) {
        drop(black_box([(); 3].map(|()| vec![1_u8; length])));
    }

    #[test]
    fn a_buffer_that_is_filled_again_uses_the_same_memory() {
        const LENGTH: usize = 256 << 10;
        const TIMES: usize = 20;
        let mut buffer = Vec::new();
        let mut fill = || {
            (0..LENGTH / 1024).for_each(|_| buffer.extend_from_slice(black_box(&[1; 1024])));
            empty(&mut buffer, 4096);
        };
        (0..3).for_each(|_| fill());
        let before = page_faults();
        (0..TIMES).for_each(|_| fill());
        let taken = (page_faults() - before) / TIMES;
        assert!(taken < LENGTH / 4096 / 2, "{taken} pages each time");
    }

    #[test]
    fn calls_use_the_same_memory_again() {
        // Larger than any block that other tests of this process free.
        const LENGTH: usize = 9 << 20;
        const CALLS: usize = 5;
        expect_messages_of(LENGTH);
        call(LENGTH);
        let before = page_faults();
        (0..CALLS).for_each(|_| call(LENGTH));
        let taken = (page_faults() - before) / CALLS;
        assert!(taken < LENGTH / 4096 / 2, "{taken} pages a call");
    }
}
