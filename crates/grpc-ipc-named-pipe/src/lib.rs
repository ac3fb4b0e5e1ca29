//! Windows named pipes as a transport of grpc-ipc.
//!
//! `ListenOptions::listen` and `ConnectOptions::connector` make the listener and the connector; what they promise is
//! written at `grpc_ipc_core::Listener` and `grpc_ipc_core::Connector`.
//!
//! Its tests have run under Wine 10 only, not on Windows itself. Wine does not enforce security descriptors,
//! `FILE_FLAG_FIRST_PIPE_INSTANCE` or protected prefixes: tests check what is handed to the system, and skip what the system
//! would have to refuse.
//!
//! On other platforms than Windows this crate is empty.

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
