//! Identity of processes on Windows, for the transports of grpc-ipc: tokens, SIDs, accounts, processes and security
//! descriptors. Programs use the transports instead.
//!
//! - `Identity` is this process, for comparisons with a peer. `describe` adds the properties of a `Token` to a peer.
//! - `SystemNames` finds users and groups by name.
//! - `Descriptor`, `descriptor_of` and `owner_of` are the security descriptor and the owner of an object.
//! - `open_process`, `creation_time`, `is_running`, `system_time` and `spawn_apart` are for processes.
//!
//! The tests have run only under Wine 10, not on Windows itself. On other platforms this crate is empty.

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

/// The examples of the README.
#[cfg(all(doctest, windows))]
#[doc = include_str!("../README.md")]
struct Readme;
