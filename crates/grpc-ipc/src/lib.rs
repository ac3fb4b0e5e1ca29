#![doc = include_str!("../docs/lib.md")]
#![forbid(unsafe_code)]
#![cfg_attr(
    not(feature = "tonic-transport"),
    expect(unreachable_pub, reason = "used inside, but not exported")
)]

mod backend;
mod call_body;
mod channel;
mod connect;
mod deadline;
mod incoming;
mod options;
mod serve_error;
mod server;
mod services;
mod status;
mod tcp;

#[allow(
    unused_imports,
    unreachable_pub,
    clippy::allow_attributes,
    reason = "some platforms have nothing of their own"
)]
#[doc(inline)]
pub use backend::platform::*;
pub use channel::{Channel, ResponseFuture};
#[cfg(feature = "tonic-transport")]
pub use connect::EndpointConnector;
pub use grpc_ipc_core::{
    AccessPolicy, Address, AddressError, Backoff, BindError, BoxConnection, BoxConnector, BoxListener,
    ConnectError, Connection, Connector, IntoAddress, Listener, Peer, PeerStream, Refused, UserId, memory,
};
#[cfg(feature = "tonic-transport")]
pub use incoming::{Incoming, IncomingConnection};
pub use options::{ConnectOptions, ListenOptions};
pub use serve_error::ServeError;
pub use server::{BoundServer, Server};
pub use services::Services;
