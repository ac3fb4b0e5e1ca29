//! Benchmarks of grpc-ipc: `cargo bench`. Each is measured together with a reference, because a time alone says little.
#![forbid(unsafe_code)]
