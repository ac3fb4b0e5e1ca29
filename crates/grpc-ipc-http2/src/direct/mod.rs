//! Calls of generated code: one message each way or streams of them, and none of [`http`]'s types around them.
//!
//! A client begins a call with [`SendRequest::begin`](crate::client::SendRequest::begin), and a server answers it in a
//! [`Service`] that is given to [`server::Connection::direct`](crate::server::Connection::direct). On the wire, nothing
//! differs from a call that goes the general way, by [`http::Request`] and [`http::Response`]: either end may take the one
//! way while its peer takes the other.
//!
//! A call goes the general way as soon as anything about it is unusual: a message that is compressed, larger than the
//! window of its stream, or small and in several frames, a request that does not end with its message, a response that is
//! an error. A client then gets
//! [`Answer::Response`], and a server has the [`tower_service::Service`] of the connection called. So both have to be able
//! to take any call the general way.
//!
//! The [protocol's own fields](PROTOCOLS_OWN) are not metadata here.

mod call;
mod head;
mod messages;
mod metadata;
mod parts;
mod reply;
mod sending;
mod sys;

use bytes::Bytes;

pub use self::call::{Answer, Begun, BegunStream, UnaryCall};
pub use self::head::Head;
pub(crate) use self::head::{Route, is_plain, metadata_of};
pub use self::messages::{Batch, Ending, Messages, MessagesBody};
pub use self::metadata::Metadata;
pub use self::parts::{EncodeMessage, Parts};
pub(crate) use self::reply::InTurn;
pub use self::reply::{Reply, Service};
pub(crate) use self::sending::Sending;
pub use crate::connection::direct::Answered;
pub use crate::deadline::timeout_of;

/// The fields of gRPC over HTTP/2 itself, which are not a program's metadata.
pub const PROTOCOLS_OWN: [&str; 8] = [
    "te",
    "content-type",
    "content-length",
    "user-agent",
    "grpc-encoding",
    "grpc-accept-encoding",
    "grpc-status",
    "grpc-message",
];

/// A method that clients call. Each has a `static` of its own: what is sent for a call is found by its address.
#[derive(Debug)]
pub struct Method {
    path: &'static str,
}

impl Method {
    /// The method with a path such as `/greet.Greeter/SayHello`.
    #[must_use]
    pub const fn new(path: &'static str) -> Self {
        Self { path }
    }

    /// The path of the method.
    #[must_use]
    pub fn path(&self) -> &'static str {
        self.path
    }
}

/// A message that has come, without the prefix that tells its length.
#[derive(Debug)]
pub enum Message<'a> {
    /// A small one: a part of what was read.
    Slice(&'a [u8]),
    /// A large one, with memory of its own.
    Bytes(Bytes),
}

impl Message<'_> {
    /// The message.
    #[must_use]
    pub fn as_slice(&self) -> &[u8] {
        match self {
            Self::Slice(slice) => slice,
            Self::Bytes(bytes) => bytes,
        }
    }
}
