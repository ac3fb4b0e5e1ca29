//! Generates the Rust code of the services. `protox` parses the files, so no `protoc` is needed.

use std::error::Error;

const FILES: [&str; 3] = ["greet.proto", "bench.proto", "grpc/testing/test.proto"];

fn main() -> Result<(), Box<dyn Error>> {
    // None of the files imports another one.
    for file in FILES {
        println!("cargo::rerun-if-changed={file}");
    }
    tonic_prost_build::configure()
        // `bytes::Bytes`: a payload is cloned without a copy.
        .bytes(".")
        // Clients over any channel; no `connect` of tonic's own transport.
        .build_transport(false)
        .compile_fds(protox::compile(FILES, ["."])?)?;
    Ok(())
}
