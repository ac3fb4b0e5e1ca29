//! Messages of streams that are made one after the other leave with one write.

use std::pin::pin;
use std::task::{Context, Waker};

use tokio::runtime::Handle;

/// Whether what the tasks of streams send is written at once, or when all tasks that are ready have run. A message that is
/// alone is. If several have come since the task of the connection has run, more will: a task makes them as fast as another
/// sends them, and each message costs less than the write that it would leave with.
#[derive(Debug)]
pub(crate) struct Writes {
    /// All tasks run on one thread. With more, others go on while the task of the connection writes.
    one_thread: bool,
    /// How many have come since the task of the connection has run.
    parts: u32,
    /// There were several the last time.
    is_on: bool,
    /// The task of the connection is woken when others have run.
    later: bool,
}

/// So much is worth a write.
const ENOUGH: usize = 32 * 1024;

impl Writes {
    pub(crate) fn new() -> Self {
        let one_thread = Handle::try_current().is_ok_and(|runtime| runtime.metrics().num_workers() == 1);
        Self { one_thread, parts: 0, is_on: false, later: false }
    }

    /// The task of the connection runs. Whether what comes next is left to it.
    pub(crate) fn next_turn(&mut self) -> bool {
        self.is_on = std::mem::take(&mut self.parts) > 1 && self.one_thread;
        self.later = false;
        self.is_on
    }

    /// A stream has sent something. Whether that waits for what others send, with `length` bytes that are to be written.
    pub(crate) fn waits(&mut self, length: usize) -> bool {
        self.parts = self.parts.saturating_add(1);
        self.is_on && length < ENOUGH
    }

    /// Wakes the task of the connection at the end of this turn of the runtime: when no task is ready, or many have run.
    pub(crate) fn wake_later(&mut self, driver: &Waker) {
        self.later = true;
        _ = pin!(tokio::task::yield_now()).poll(&mut Context::from_waker(driver));
    }

    /// Whether the task of the connection was to be woken later, and now is not to wait for that.
    pub(crate) fn take_later(&mut self) -> bool {
        std::mem::take(&mut self.later)
    }
}
