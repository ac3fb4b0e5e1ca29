//! The locks and tasks of a channel: the real ones, or those of the model checker, which tries out the orders in which
//! they can run (`cargo xtask models`).

#[cfg(shuttle)]
pub(crate) use shuttle::{
    future::spawn,
    sync::{Mutex, MutexGuard},
};
#[cfg(not(shuttle))]
pub(crate) use std::sync::{Mutex, MutexGuard};
#[cfg(not(shuttle))]
pub(crate) use tokio::spawn;

/// Whether there is a runtime here to spawn tasks on.
pub(crate) fn in_runtime() -> bool {
    cfg!(shuttle) || tokio::runtime::Handle::try_current().is_ok()
}
