//! Generates the Rust code of the services twice: for grpc-ipc, and with tonic's own generator.

use std::env;
use std::error::Error;
use std::fs;
use std::path::PathBuf;

const FILES: [&str; 3] = ["greet.proto", "bench.proto", "grpc/testing/test.proto"];

fn main() -> Result<(), Box<dyn Error>> {
    let out_dir = PathBuf::from(env::var("OUT_DIR")?);
    grpc_ipc_build::configure()
        .file_descriptor_set_path(out_dir.join("services.bin"))
        // `bytes::Bytes`, so that cloning a payload does not copy it.
        .bytes(".")
        .build_blocking_client(true)
        .compile_protos(&FILES, &["."])?;

    let out_dir = out_dir.join("tonic");
    fs::create_dir_all(&out_dir)?;
    tonic_prost_build::configure()
        // Clients over any channel, without the `connect` of tonic's own transport.
        .build_transport(false)
        .extern_path(".greet", "crate::greet")
        .extern_path(".ipc.bench", "crate::bench")
        .extern_path(".grpc.testing", "crate::testing")
        .out_dir(out_dir)
        .compile_fds(protox::compile(FILES, ["."])?)?;
    Ok(())
}
