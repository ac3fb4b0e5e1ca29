//! See `grpc_ipc_http2::fuzzing::frames`.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| grpc_ipc_http2::fuzzing::frames(input));
