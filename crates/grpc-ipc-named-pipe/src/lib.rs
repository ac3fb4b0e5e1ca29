//! Windows named pipes for grpc-ipc.
//!
//! `ListenOptions::listen` creates a listener and `ConnectOptions::connector` a connector. `grpc_ipc_core::Listener`
//! and `grpc_ipc_core::Connector` describe their behavior.
//!
//! The tests have run only under Wine 10, not on Windows itself. Wine does not enforce security descriptors,
//! `FILE_FLAG_FIRST_PIPE_INSTANCE` or protected prefixes. The tests check the arguments of the system calls, and skip
//! checks that the system would have to enforce.
//!
//! On other platforms this crate is empty.

#[cfg(windows)]
mod windows;

#[cfg(windows)]
pub use windows::{
    ClientProcess, ConnectOptions, ImpersonationLevel, ListenOptions, LocalConnector, LocalListener,
    LocalStream, PipeStream, SecurityDescriptor, SystemNames,
};

/// The examples of the README.
#[cfg(all(doctest, windows))]
#[doc = include_str!("../README.md")]
struct Readme;
