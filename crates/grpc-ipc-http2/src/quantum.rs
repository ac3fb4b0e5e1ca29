//! Bounds how much data a connection moves before the runtime looks for what other connections have received.

use crate::sync::is_one_thread;

/// The data that a connection has moved. A runtime of one thread polls for I/O when no task is ready, or after 61 tasks
/// ([`event_interval`](tokio::runtime::Builder::event_interval)). Two tasks that wake each other for each message of
/// 64 KiB would let all other connections wait for a millisecond.
#[derive(Debug)]
pub(crate) struct Quantum {
    one_thread: bool,
    read: usize,
    written: usize,
}

/// Moving this much takes less than 0.1 ms.
const MAX: usize = 256 * 1024;

impl Quantum {
    pub(crate) fn new() -> Self {
        Self { one_thread: is_one_thread(), read: 0, written: 0 }
    }

    pub(crate) fn read(&mut self, length: usize) {
        self.read = self.read.saturating_add(length);
    }

    /// Everything that had come was read.
    pub(crate) fn read_all(&mut self) {
        self.read = 0;
    }

    pub(crate) fn write(&mut self, length: usize) {
        self.written = self.written.saturating_add(length);
    }

    /// Whether the runtime has to poll for I/O before this connection reads more. If so, a new quantum begins.
    pub(crate) fn ends_reading(&mut self) -> bool {
        self.one_thread && ends(&mut self.read)
    }

    /// The same before it writes more.
    pub(crate) fn ends_writing(&mut self) -> bool {
        self.one_thread && ends(&mut self.written)
    }
}

fn ends(moved: &mut usize) -> bool {
    let ends = *moved >= MAX;
    if ends {
        *moved = 0;
    }
    ends
}

#[cfg(test)]
mod tests {
    use tokio::runtime::Builder;

    use super::*;

    fn on(runtime: &mut Builder) -> Quantum {
        runtime.build().unwrap().block_on(async { Quantum::new() })
    }

    #[test]
    fn on_one_thread_it_ends_after_256_kib() {
        let mut quantum = on(&mut Builder::new_current_thread());
        for _ in 0..3 {
            quantum.read(MAX - 1);
            quantum.write(MAX - 1);
            assert!(!quantum.ends_reading() && !quantum.ends_writing());
            quantum.read(1);
            assert!(quantum.ends_reading() && !quantum.ends_writing());
            quantum.write(1);
            assert!(!quantum.ends_reading() && quantum.ends_writing());
        }
    }

    #[test]
    fn who_has_read_everything_goes_on_reading() {
        let mut quantum = on(&mut Builder::new_current_thread());
        for _ in 0..3 {
            quantum.read(MAX - 1);
            quantum.read_all();
            quantum.read(1);
            assert!(!quantum.ends_reading());
            quantum.read_all();
        }
    }

    #[test]
    fn on_several_threads_another_one_polls_for_io() {
        let mut quantum = on(Builder::new_multi_thread().worker_threads(2));
        quantum.read(usize::MAX);
        quantum.write(usize::MAX);
        assert!(!quantum.ends_reading() && !quantum.ends_writing());
    }
}
