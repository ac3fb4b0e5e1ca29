//! Who a process is to Windows: tokens, SIDs, accounts, processes and security descriptors, as the transports of grpc-ipc
//! that run there ask for them. Programs use the transports.
//!
//! - `Identity` is this process, to compare a peer with. `describe` adds what a `Token` says to a peer.
//! - `SystemNames` finds users and groups by name.
//! - `Descriptor`, `descriptor_of` and `owner_of`: who may open an object, and whose it is.
//! - `open_process`, `creation_time`, `is_running`, `system_time` and `spawn_apart` are about processes.
//!
//! Its tests have run under Wine 10 only, not on Windows itself. On other platforms than Windows this crate is empty.

#[cfg(windows)]
mod identity;
#[cfg(windows)]
mod names;
#[cfg(windows)]
mod sys;

#[cfg(windows)]
pub use identity::{Identity, describe};
#[cfg(windows)]
pub use names::SystemNames;
#[cfg(windows)]
pub use sys::{
    Descriptor, Token, creation_time, descriptor_of, is_administrator, is_network_logon, is_running,
    open_process, owner_of, spawn_apart, system_time,
};
