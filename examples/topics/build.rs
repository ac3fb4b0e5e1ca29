use std::path::PathBuf;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    // `reflection.rs` serves the descriptors; the others do not need them.
    let descriptors = PathBuf::from(std::env::var("OUT_DIR")?).join("topics.bin");
    grpc_ipc_build::configure()
        .file_descriptor_set_path(descriptors)
        .compile_protos(&["topics.proto"], &["."])?;
    Ok(())
}
