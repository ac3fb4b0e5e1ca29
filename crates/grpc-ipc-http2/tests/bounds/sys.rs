//! Measures the memory that a thread has allocated.

#![expect(unsafe_code, reason = "the functions of an allocator are unsafe")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

#[global_allocator]
static ALLOCATOR: Counting = Counting;

thread_local! {
    /// The octets that this thread has allocated and not freed.
    static LIVE: Cell<isize> = const { Cell::new(0) };
    /// The maximum since the last [`Peak::start`].
    static PEAK: Cell<isize> = const { Cell::new(0) };
}

struct Counting;

fn count(octets: isize) {
    // Does nothing while the thread is ending.
    _ = LIVE.try_with(|live| {
        live.set(live.get() + octets);
        _ = PEAK.try_with(|peak| peak.set(peak.get().max(live.get())));
    });
}

// SAFETY: all work is left to the system's allocator; the counters neither allocate nor panic.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(layout.size() as isize);
        // SAFETY: the caller keeps the rules of this function, which are those of `GlobalAlloc`.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        count(-(layout.size() as isize));
        // SAFETY: as above.
        unsafe { System.dealloc(memory, layout) }
    }
}

/// Measures the thread's allocations from now on.
pub(super) struct Peak {
    before: isize,
}

impl Peak {
    pub(super) fn start() -> Self {
        let before = LIVE.get();
        PEAK.set(before);
        Self { before }
    }

    /// The maximum allocated at once since the start, in octets.
    pub(super) fn octets(&self) -> usize {
        (PEAK.get() - self.before).try_into().unwrap_or(0)
    }

    /// The octets that are still allocated.
    pub(super) fn left(&self) -> usize {
        (LIVE.get() - self.before).try_into().unwrap_or(0)
    }
}

#[test]
fn a_peak_is_of_its_thread() {
    let peak = Peak::start();
    let large = vec![0_u8; 1 << 20];
    std::thread::spawn(|| drop(vec![0_u8; 16 << 20])).join().unwrap();
    drop(large);
    assert!((1 << 20..2 << 20).contains(&peak.octets()), "{}", peak.octets());
    assert!(peak.left() < 1 << 20, "{}", peak.left());
}
