//! AF_UNIX on Windows
//! ([announcement](https://devblogs.microsoft.com/commandline/af_unix-comes-to-windows/)).
//!
//! tokio has no type for such a socket. But mio waits for sockets of any family in the same way, so a tokio `TcpStream`
//! carries it; nothing that is about TCP is ever asked of it.

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

/// A connected AF_UNIX socket that knows its peer.
pub type LocalStream = grpc_ipc_core::PeerStream<tokio::net::TcpStream>;
