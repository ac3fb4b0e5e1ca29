#![doc = include_str!("../../docs/blocking.md")]

mod call;
mod cancellation;
mod channel;
mod engine;
mod messages;
mod streaming;

pub(crate) use call::{call, streaming};
pub use cancellation::Cancellation;
pub use channel::Channel;
pub use messages::{Messages, Sender, messages};
pub use streaming::Streaming;
