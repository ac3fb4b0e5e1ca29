//! What is done with arbitrary bytes: each function takes an input of a fuzzer, and panics where a promise is broken.
//! `cargo xtask fuzz` runs them on inputs that it makes up, `cargo test` on those that once failed.

mod client;
mod differential;
mod direct;
mod echo;
mod frames;
mod hpack;
mod script;
mod server;
mod wire;

#[cfg(test)]
mod h2;
#[cfg(test)]
mod regressions;

pub use client::client;
pub use differential::{MAX_FRAME_SIZE, MAX_HEADER_LIST_SIZE, MAX_STREAMS, Other, WINDOW, differential};
pub use echo::{Answer, metadata, summary, trailers};
pub use frames::frames;
pub use hpack::{Block, hpack_decode, hpack_round_trip};
pub use server::server;
