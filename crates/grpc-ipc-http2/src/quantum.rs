//! Bounds how much data a connection moves before the runtime looks for what other connections have received.

use crate::sync::is_one_thread;

/// The data that a connection has moved. A runtime of one thread polls for I/O when no task is ready, or after 61 tasks
/// ([`event_interval`](tokio::runtime::Builder::event_interval)). Two tasks that wake each other for each message of
/// 64 KiB would let all other connections wait for a millisecond.
#[derive(Debug)]
pub(crate) struct Quantum {
    one_thread: bool,
    moved: usize,
}

/// Moving this much takes less than 0.1 ms.
const MAX_MOVED: usize = 256 * 1024;

impl Quantum {
    pub(crate) fn new() -> Self {
        Self { one_thread: is_one_thread(), moved: 0 }
    }

    /// This much was read or written.
    pub(crate) fn spend(&mut self, length: usize) {
        self.moved = self.moved.saturating_add(length);
    }

    /// Whether the runtime has to poll for I/O before this connection moves more. If so, a new quantum begins.
    pub(crate) fn is_over(&mut self) -> bool {
        let is_over = self.one_thread && self.moved >= MAX_MOVED;
        if is_over {
            self.moved = 0;
        }
        is_over
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn on_one_thread_it_is_over_after_256_kib() {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let mut quantum = runtime.block_on(async { Quantum::new() });
        for _ in 0..3 {
            quantum.spend(MAX_MOVED - 1);
            assert!(!quantum.is_over());
            quantum.spend(1);
            assert!(quantum.is_over());
        }
        assert!(!quantum.is_over());
    }

    #[test]
    fn on_several_threads_another_one_polls_for_io() {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).build().unwrap();
        let mut quantum = runtime.block_on(async { Quantum::new() });
        quantum.spend(usize::MAX);
        assert!(!quantum.is_over());
    }
}
