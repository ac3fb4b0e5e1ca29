//! The server tests of `rfc9113`, with a service for direct calls ([`grpc_ipc_http2::direct`]): the RFC applies to both
//! paths.
//!
//! Plain requests of a test become unary gRPC calls on the wire (`util/unary.rs`). Those that are complete and answered
//! must be direct. Requests that break a rule are sent unchanged.

mod server;
#[expect(dead_code, reason = "the tests of the bounds and of clients use the rest")]
mod util;
