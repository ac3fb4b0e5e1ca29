//! Windows named pipes as a transport of grpc-ipc.
//!
//! `ListenOptions::listen` and `ConnectOptions::connector` make the listener and the connector; what they promise is
//! written at `grpc_ipc_core::Listener` and `grpc_ipc_core::Connector`.
//!
//! Elsewhere than on Windows this crate is empty.

#[cfg(windows)]
mod windows;

#[cfg(windows)]
pub use windows::{
    ClientProcess, ConnectOptions, ImpersonationLevel, ListenOptions, LocalConnector, LocalListener,
    LocalStream, PipeStream, SecurityDescriptor, SystemNames,
};
