//! What glibc's allocator has to know of large messages.

use std::hint::black_box;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

/// Messages up to this size leave the heap as it is.
const SMALL: usize = 32 << 10;
/// glibc takes blocks of more than 128 KiB for a measure, and of up to 32 MiB. With less than 512 KiB, the buffers beside the
/// messages still count.
const MEASURE: std::ops::RangeInclusive<usize> = 512 << 10..=(32 << 20) - (64 << 10);

/// A message of this length was sent or received, and others like it may follow.
///
/// glibc returns the free memory at the end of its heap when that is more than twice the largest block that was ever
/// freed ([mallopt(3)](https://man7.org/linux/man-pages/man3/mallopt.3.html), `M_TRIM_THRESHOLD` and `M_MMAP_THRESHOLD`).
/// A call has two messages in memory, the request and the response, or a message and the bytes that it is decoded from.
/// Both are freed when it ends, which is more than that: each call would fault in all of their pages again, at a price
/// above that of everything else it does. A block as large as both, freed once and never touched, raises the threshold.
/// A program that sets a threshold itself keeps it.
///
/// This is for messages with strings and vectors: most of the memory is the program's own, so no buffers that the engine
/// keeps would do instead. A message of [`Bytes`](bytes::Bytes) is memory of the engine alone. A call has only one of those
/// at a time, so it would not need this.
pub(crate) fn expect_messages_of(length: usize) {
    /// Messages of up to this length are expected.
    static EXPECTED: AtomicUsize = AtomicUsize::new(SMALL);

    if cfg!(all(target_os = "linux", target_env = "gnu")) && length > EXPECTED.load(Relaxed) {
        EXPECTED.store(length.saturating_add(length / 4), Relaxed);
        let both = length.saturating_mul(2).clamp(*MEASURE.start(), *MEASURE.end());
        drop(black_box(Vec::<u8>::with_capacity(both)));
    }
}

#[cfg(all(test, not(miri), target_os = "linux", target_env = "gnu"))]
mod tests {
    use super::*;

    /// How many pages this thread has taken from the system.
    fn page_faults() -> usize {
        let stat = std::fs::read_to_string("/proc/thread-self/stat").unwrap();
        let (_, fields) = stat.rsplit_once(')').unwrap();
        fields.split_whitespace().nth(7).unwrap().parse().unwrap()
    }

    /// A request, what it is decoded to, and the response.
    fn call(length: usize) {
        drop(black_box([(); 3].map(|()| vec![1_u8; length])));
    }

    #[test]
    fn calls_use_the_same_memory_again() {
        // Larger than what other tests of this process free.
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
