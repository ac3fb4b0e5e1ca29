//! AF_UNIX on Windows
//! ([announcement](https://devblogs.microsoft.com/commandline/af_unix-comes-to-windows/)).
//!
//! tokio has no type for such a socket. But mio waits for sockets of any family in the same way, so a tokio `TcpStream`
//! can wrap it. No TCP-specific method is ever called on it.

mod connector;
mod endpoint;
mod listener;
mod options;
mod peer;
mod socket_file;
mod sys;

pub use grpc_ipc_win32::SystemNames;

pub use connector::LocalConnector;
pub use listener::LocalListener;
pub use options::ListenOptions;

/// A connected AF_UNIX socket with its peer.
pub type LocalStream = grpc_ipc_core::PeerStream<tokio::net::TcpStream>;
