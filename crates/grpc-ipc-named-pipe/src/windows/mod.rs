mod client_process;
mod connector;
mod descriptor;
mod endpoint;
mod first_instance;
mod hand_over;
mod held_name;
mod identify;
mod instances;
mod listener;
mod options;
mod stream;
mod sys;

pub use grpc_ipc_win32::SystemNames;

pub use client_process::ClientProcess;
pub use connector::LocalConnector;
pub use descriptor::SecurityDescriptor;
pub use listener::LocalListener;
pub use options::{ConnectOptions, ImpersonationLevel, ListenOptions};
pub use stream::PipeStream;

/// A connected named pipe with its peer.
pub type LocalStream = grpc_ipc_core::PeerStream<PipeStream>;
