#![doc = include_str!("../docs/lib.md")]
#![forbid(unsafe_code)]

mod body;
mod budget;
pub mod client;
mod connection;
mod deadline;
mod decode;
mod driver;
mod encode;
mod error;
mod frame;
mod hpack;
mod message;
mod options;
mod output;
mod pieces;
mod pump;
pub mod server;
mod shared;

pub use body::RecvBody;
pub use error::{Error, Reason, Side};
pub use message::Authority;
pub use options::Options;
