//! Combines the messages of streams that are sent in quick succession into one write.

use std::pin::pin;
use std::task::{Context, Waker};

use crate::sync::is_one_thread;

/// Decides whether the output of streams' tasks is written at once, or after all ready tasks have run. A single message
/// is written at once. If several have come since the connection's task last ran, more are likely: one task produces
/// messages as fast as another sends them, and producing a message costs less than a separate write.
#[derive(Debug)]
pub(crate) struct Writes {
    /// Whether all tasks run on one thread. With more threads, other tasks continue while the connection's task writes.
    one_thread: bool,
    /// The number of messages since the connection's task last ran.
    parts: u32,
    /// Whether there were several the last time.
    is_on: bool,
    /// Whether the connection's task will be woken after the others.
    later: bool,
}

/// This much data is worth a write.
const ENOUGH: usize = 32 * 1024;

impl Writes {
    pub(crate) fn new() -> Self {
        Self { one_thread: is_one_thread(), parts: 0, is_on: false, later: false }
    }

    /// Called when the connection's task runs. Returns whether to leave the next output to it.
    pub(crate) fn next_turn(&mut self) -> bool {
        self.is_on = std::mem::take(&mut self.parts) > 1 && self.one_thread;
        self.later = false;
        self.is_on
    }

    /// Called when a stream has sent something. Returns whether that waits for more; `length` bytes are to be written.
    pub(crate) fn waits(&mut self, length: usize) -> bool {
        self.parts = self.parts.saturating_add(1);
        self.is_on && length < ENOUGH
    }

    /// Wakes the connection's task at the end of this turn of the runtime: when no task is ready, or many have run.
    pub(crate) fn wake_later(&mut self, driver: &Waker) {
        self.later = true;
        _ = pin!(tokio::task::yield_now()).poll(&mut Context::from_waker(driver));
    }

    /// Returns whether the connection's task was to be woken later, and cancels that.
    pub(crate) fn take_later(&mut self) -> bool {
        std::mem::take(&mut self.later)
    }
}
