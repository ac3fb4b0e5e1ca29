//! Benchmarks of grpc-ipc: `cargo bench`. A time alone says little; each is measured beside another.
#![forbid(unsafe_code)]
