mod connector;
mod directory_lock;
mod endpoint;
mod listener;
mod options;
mod peer;
mod runtime_dir;
mod socket_file;

pub use connector::LocalConnector;
pub use listener::LocalListener;
pub use options::{ConnectOptions, ListenOptions};

/// A connected Unix domain socket that knows its peer.
pub type LocalStream = grpc_ipc_core::PeerStream<tokio::net::UnixStream>;
