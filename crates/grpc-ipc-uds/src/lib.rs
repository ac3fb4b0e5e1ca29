//! Unix domain sockets as a transport of grpc-ipc: in the file system, and in Linux's abstract namespace.
//!
//! [`ListenOptions::listen`] and [`ConnectOptions::connector`] make the listener and the connector; what they promise
//! is written at [`grpc_ipc_core::Listener`] and [`grpc_ipc_core::Connector`].
//!
//! It runs on Linux, and is type-checked for macOS. Elsewhere this crate is empty.

#[cfg(unix)]
mod unix;

#[cfg(unix)]
pub use unix::{ConnectOptions, ListenOptions, LocalConnector, LocalListener, LocalStream};
