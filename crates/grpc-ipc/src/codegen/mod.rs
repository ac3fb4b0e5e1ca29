//! What the code calls that `grpc-ipc-build` generates. It is for that code: programs have no use for it.
//!
//! A call takes one of two ways. The *direct* one goes from generated code to the engine at once, without a request or
//! response of HTTP in between; it is for calls over a [`Channel`](crate::Channel), and for servers without layers
//! other than [`Authorize`](crate::Authorize). All others take the *general* one, over tonic's client and server, through
//! whatever tower service or layer there is. In both, handlers and callers see the same metadata: without the protocol's own
//! fields (`te`, `content-type`, `content-length`, `user-agent`, `grpc-encoding`, `grpc-accept-encoding`, `grpc-status`,
//! `grpc-message`).

mod answering;
mod blocking_client;
mod call;
mod client;
mod direct_call;
mod general;
mod large;
mod messages;
mod metadata;
mod options;
mod outgoing;
mod streaming_client;
mod unary_client;
mod unusual;

pub use bytes::Bytes;
pub use grpc_ipc_http2::direct::Method;
pub use http;
pub use http_body::Body;
pub use tonic::codegen::StdError;
pub use tower_service::Service;

pub(crate) use self::answering::probe;
pub use self::answering::{Answering, DirectService, Served, answer};
pub use self::blocking_client::BlockingClient;
pub(crate) use self::call::intercept;
pub use self::call::{Call, Called};
pub use self::client::Client;
pub(crate) use self::direct_call::{DirectCall, Input, Slot};
pub(crate) use self::large::Aside;
pub use self::options::ServerOptions;

pub use crate::intercepted::{Intercepted, InterceptedServer};
