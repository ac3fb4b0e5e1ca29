mod connector;
mod directory_lock;
mod endpoint;
mod listener;
mod options;
mod peer;
mod runtime_dir;
mod socket_file;

pub use connector::UdsConnector;
pub use listener::UdsListener;
pub use options::{ConnectOptions, ListenOptions};

/// A connected Unix domain socket that knows its peer.
pub type UdsStream = grpc_ipc_core::PeerStream<tokio::net::UnixStream>;
