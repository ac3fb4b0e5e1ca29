//! The locks and tasks of the engine. The model checker replaces them, and explores the orders in which they can run
//! (`cargo xtask models`).

#[cfg(shuttle)]
pub(crate) use shuttle::{
    future::spawn,
    sync::{Mutex, MutexGuard},
};
#[cfg(not(shuttle))]
pub(crate) use std::sync::{Mutex, MutexGuard};
#[cfg(not(shuttle))]
pub(crate) use tokio::spawn;

/// Whether the current runtime has one thread for all tasks.
pub(crate) fn is_one_thread() -> bool {
    tokio::runtime::Handle::try_current().is_ok_and(|runtime| runtime.metrics().num_workers() == 1)
}
