//! Unix domain sockets for grpc-ipc: in the file system, and in Linux's abstract namespace.
//!
//! [`ListenOptions::listen`] creates a listener and [`ConnectOptions::connector`] a connector.
//! [`grpc_ipc_core::Listener`] and [`grpc_ipc_core::Connector`] describe their behavior.
//!
//! The crate is tested on Linux and type-checked for macOS. On Windows, it serves `unix:PATH` with AF_UNIX; that code
//! is type-checked, and only its error on a system without AF_UNIX has been run. Prefer named pipes on Windows: they
//! identify the peer reliably, and Windows itself keeps other users out. On other platforms this crate is empty.
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
