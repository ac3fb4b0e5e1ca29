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
