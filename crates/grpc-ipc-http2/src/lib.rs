#![doc = include_str!("../docs/lib.md")]

// Code that fuzzing shares with tests refers to the crate by its name.
#[cfg(test)]
extern crate self as grpc_ipc_http2;

mod body;
mod budget;
pub mod client;
mod connection;
mod deadline;
mod decode;
pub mod direct;
mod driver;
mod encode;
mod error;
mod frame;
#[cfg(any(test, fuzzing))]
#[doc(hidden)]
pub mod fuzzing;
mod heap;
mod hpack;
mod message;
mod options;
mod output;
mod panics;
mod pieces;
mod pump;
mod quantum;
mod record;
pub mod refusal;
pub mod server;
mod shared;
mod spin;
mod sync;
mod timers;
mod writes;

pub use body::RecvBody;
pub use error::{Error, Reason, Side};
pub use message::Authority;
pub use options::Options;
pub use record::{End, Record, Traffic};

/// The examples of the README.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
