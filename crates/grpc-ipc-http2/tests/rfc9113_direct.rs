//! The tests of `rfc9113` for servers, against one with a service for direct calls
//! ([`grpc_ipc_http2::direct`]): what the RFC asks for holds on both ways.
//!
//! Requests of a test that are plain become unary calls of gRPC on the wire (`util/unary.rs`), and those that are complete
//! and answered have to go the direct way. All that breaks a rule is sent as the test says.

mod server;
#[expect(dead_code, reason = "the tests of the bounds and of clients use the rest")]
mod util;
