//! Fuzz targets. Each function takes an input, and panics if a guarantee is broken. `cargo xtask fuzz` runs them on
//! generated inputs, `cargo test` on inputs that once failed.

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
