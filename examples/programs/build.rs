//! Generates the server that `ctr` calls, with the generator that the clients already need.

fn main() -> std::io::Result<()> {
    let services = ["content", "events", "introspection", "leases", "namespaces", "version"];
    let files = services.map(|service| format!("proto/{service}.proto"));
    tonic_prost_build::configure().build_client(false).compile_protos(&files, &["proto".to_owned()])
}
