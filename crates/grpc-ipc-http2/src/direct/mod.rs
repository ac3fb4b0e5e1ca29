//! Calls of generated code: single messages or streams of them in each direction, without the types of [`http`].
//!
//! A client begins a call with [`SendRequest::begin`](crate::client::SendRequest::begin). A server answers it in a
//! [`Service`], which is passed to [`server::Connection::direct`](crate::server::Connection::direct). On the wire, a
//! direct call looks the same as a call on the general path, which uses [`http::Request`] and [`http::Response`]. The
//! two ends choose independently.
//!
//! A call moves to the general path when anything about it is unusual: a message is compressed, larger than the window
//! of its stream, or small and split over several frames, a request does not end with its message, or a response is an
//! error. A client then gets [`Answer::Response`], and on a server the connection's [`tower_service::Service`] is
//! called. So both must be able to handle any call on the general path.
//!
//! The [protocol's own fields](PROTOCOLS_OWN) are not part of the metadata here.

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

/// The fields that gRPC over HTTP/2 itself uses. They are not part of a program's metadata.
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

/// A method that clients call. Each needs its own `static`, because header templates are looked up by its address.
#[derive(Debug)]
pub struct Method {
    path: &'static str,
}

impl Method {
    /// Creates the method with a path such as `/greet.Greeter/SayHello`.
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

/// A received message, without its length prefix.
#[derive(Debug)]
pub enum Message<'a> {
    /// A small message: a slice of the read buffer.
    Slice(&'a [u8]),
    /// A large message, in its own memory.
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
