//! The common code of the benchmarks' peers: the commands of grpc-ipc's own peer (`examples/src/peer`) that the
//! benchmarks use.
//!
//! ```text
//! PEER serve ADDRESS             prints `listening on ADDRESS`, serves until SIGINT or SIGTERM
//! PEER bench ADDRESS SECONDS SHAPE...
//!                                figures for each kind of call
//! PEER calls ADDRESS COUNT       exactly so many unary calls
//! PEER connections ADDRESS COUNT COUNT connections at once
//! ```
//!
//! An address is `unix:PATH`.
#![forbid(unsafe_code)]

mod command_line;
pub mod raw;

pub use command_line::main;
pub use grpc_ipc_bench_shapes::{Client, Latencies, Result, Until, echo_in_tasks};

use std::path::Path;

/// A stack: its server, and its client with one connection.
pub trait Stack: Client {
    /// Listens on the socket `path`, calls `listening`, and serves until the future is dropped.
    fn serve(path: &Path, listening: impl FnOnce()) -> impl Future<Output = Result>;

    /// Connects to a server.
    fn connect(path: &Path) -> impl Future<Output = Result<Self>>;
}

/// Checks that the answer to `payload` has its length.
///
/// # Errors
///
/// If `length` is another.
pub fn check(payload: &[u8], length: usize) -> Result {
    if length == payload.len() { Ok(()) } else { Err(format!("the answer has {length} bytes").into()) }
}
