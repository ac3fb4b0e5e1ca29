//! The types that all grpc-ipc transports share.
//!
//! - [`Address`]: one string that names a local endpoint, parsed once.
//! - [`Listener`], [`Connector`], [`Connection`]: the three traits that a transport implements.
//! - [`Peer`] and [`AccessPolicy`]: the process at the other end, and whether it is allowed. [`Admission`] applies the
//!   policy in a listener.
//! - [`Acceptor`]: a ready-made listener for a transport that provides its clients as a [`Source`].
//! - [`BindError`], [`ConnectError`], [`AddressError`]: one error type per operation.
//! - [`memory`]: a complete transport inside one process, for tests and as an example of how to write one.
//!
//! This crate contains no gRPC, no HTTP and no system calls. A custom transport implements the traits, and is used with
//! `grpc_ipc::Server::listener` and `grpc_ipc::Channel::from_connector`. The crate `grpc-ipc-conformance` has the tests
//! that it should pass.
#![forbid(unsafe_code)]
#![cfg_attr(docsrs, feature(doc_cfg))]

mod acceptor;
mod access;
mod address;
mod admission;
mod backoff;
mod bind_error;
mod boxed;
mod connect_error;
mod connection;
mod connector;
mod into_connection;
mod listener;
pub mod memory;
mod peer;
mod peer_stream;

pub use acceptor::{Acceptor, Source};
pub use access::{AccessPolicy, LogLimit, NameError, NameService, NoNames, Refused};
pub use address::{Address, AddressError, IntoAddress};
pub use admission::Admission;
pub use backoff::Backoff;
pub use bind_error::BindError;
pub use boxed::{BoxConnection, BoxConnector, BoxListener};
pub use connect_error::ConnectError;
pub use connection::Connection;
pub use connector::Connector;
pub use into_connection::IntoConnection;
pub use listener::Listener;
pub use peer::{GroupId, IntegrityLevel, Peer, Process, ProcessHandle, UserId};
pub use peer_stream::PeerStream;

/// The examples of the README.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
