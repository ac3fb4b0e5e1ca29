//! The interface of the code that `grpc-ipc-build` generates. It is only for that code.
//!
//! A call takes one of two paths. The *direct* path goes from generated code straight to the engine, without an HTTP
//! request or response in between. It is for calls over a [`Channel`](crate::Channel), and for servers without layers
//! other than [`Authorize`](crate::Authorize). All other calls take the *general* path, through tonic's client and
//! server and any tower service or layer. On both paths, handlers and callers see the same metadata, without the
//! protocol's own fields (`te`, `content-type`, `content-length`, `user-agent`, `grpc-encoding`,
//! `grpc-accept-encoding`, `grpc-status`, `grpc-message`).

mod answering;
mod blocking_client;
mod call;
mod client;
mod direct_call;
mod general;
mod large;
mod limits;
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
