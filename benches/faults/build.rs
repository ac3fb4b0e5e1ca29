//! Generates the code of the service that the scenarios call.

fn main() -> Result<(), Box<dyn std::error::Error>> {
    Ok(grpc_ipc_build::compile_protos(&["ledger.proto"])?)
}
