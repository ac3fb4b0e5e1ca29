//! The common code of the benchmarks' peers: the command line, the shapes of calls and the output lines of grpc-ipc's
//! own peer (`examples/src/peer`).
//!
//! ```text
//! PEER serve ADDRESS             prints `listening on ADDRESS`, serves until SIGINT or SIGTERM
//! PEER bench ADDRESS [SECONDS [SHAPE...]]
//!                                figures for each shape of call, or for those that are named
//! PEER calls ADDRESS COUNT       exactly so many unary calls
//! ```
//!
//! An address is `unix:PATH`.
#![forbid(unsafe_code)]

mod bench;
mod callers;
mod command_line;

pub use callers::echo_in_tasks;
pub use command_line::main;

use std::error::Error;
use std::future::Future;
use std::path::Path;
use std::time::Instant;

use bytes::Bytes;

/// Any error.
pub type Result<T = ()> = std::result::Result<T, Box<dyn Error + Send + Sync>>;

/// A stack: its server, and its client with one connection.
pub trait Stack: Sized {
    /// Listens on the socket `path`, calls `listening`, and serves until the future is dropped.
    fn serve(path: &Path, listening: impl FnOnce()) -> impl Future<Output = Result>;

    /// Connects to a server.
    fn connect(path: &Path) -> impl Future<Output = Result<Self>>;

    /// Makes one call with `payload`, which the server answers with the same.
    fn echo(&mut self, payload: &Bytes) -> impl Future<Output = Result> + Send;

    /// Makes calls until `until`, `in_flight` at a time, and returns their number.
    fn echo_many(
        &mut self,
        payload: &Bytes,
        in_flight: u64,
        until: Until,
    ) -> impl Future<Output = Result<u64>>;

    /// Makes one call with a large `payload`. `None` if this stack limits the size of a message.
    fn echo_large(&mut self, _payload: &Bytes) -> impl Future<Output = Option<Result>> {
        async { None }
    }

    /// Receives `count` messages of `size` bytes that the server sends as fast as it can. `None` if this stack has no
    /// streams.
    fn download(&mut self, _count: u32, _size: u32) -> impl Future<Output = Option<Result>> {
        async { None }
    }
}

/// When to stop making calls.
#[derive(Clone, Copy, Debug)]
pub enum Until {
    /// After this number of calls.
    Count(u64),
    /// At this time.
    Instant(Instant),
}

impl Until {
    /// Whether to stop after `made` calls.
    pub fn reached(self, made: u64) -> bool {
        match self {
            Self::Count(count) => made >= count,
            Self::Instant(instant) => Instant::now() >= instant,
        }
    }
}
