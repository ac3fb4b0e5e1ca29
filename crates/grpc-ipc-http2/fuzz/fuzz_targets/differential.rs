//! See `grpc_ipc_http2::fuzzing::differential`.
#![no_main]

#[path = "../../src/fuzzing/h2.rs"]
mod h2;

libfuzzer_sys::fuzz_target!(|input: &[u8]| grpc_ipc_http2::fuzzing::differential(input, h2::serve));
