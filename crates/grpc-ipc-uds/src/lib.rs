//! Unix domain sockets as a transport of grpc-ipc: in the file system, and in Linux's abstract namespace.
//!
//! [`ListenOptions::listen`] and [`ConnectOptions::connector`] make the listener and the connector; what they promise
//! is written at [`grpc_ipc_core::Listener`] and [`grpc_ipc_core::Connector`].
//!
//! It runs on Linux, and is type-checked for macOS. On Windows it serves `unix:PATH` by AF_UNIX; that is type-checked,
//! and only its error on a system without AF_UNIX has run. Prefer named pipes there: they tell for certain who is at
//! the other end, and keep others out by themselves. Elsewhere this crate is empty.
#![cfg_attr(docsrs, feature(doc_cfg))]

#[cfg(any(unix, windows))]
mod connect_options;
#[cfg(unix)]
#[path = "unix/mod.rs"]
mod platform;
#[cfg(windows)]
#[path = "windows/mod.rs"]
mod platform;

#[cfg(any(unix, windows))]
pub use connect_options::ConnectOptions;
#[cfg(any(target_os = "linux", target_os = "android"))]
pub use platform::PidFd;
#[cfg(any(unix, windows))]
pub use platform::{ListenOptions, LocalConnector, LocalListener, LocalStream, SystemNames};
#[cfg(unix)]
pub use platform::{LocalSocket, StartLock, StartPlace, detach, kill_detached, peer_of};

/// The examples of the README.
#[cfg(all(doctest, unix))]
#[doc = include_str!("../README.md")]
struct Readme;
