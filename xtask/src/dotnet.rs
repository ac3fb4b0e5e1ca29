//! The .NET program, which is built elsewhere.

use std::path::Path;

use serde_json::Value;

/// Its path, as a program for Linux.
pub(crate) const LINUX: &str = "GRPC_IPC_DOTNET_PEER";
/// Its path, as a program for Windows.
pub(crate) const WINDOWS: &str = "GRPC_IPC_DOTNET_PEER_WINDOWS";

/// Its versions. It does not tell them, but the files beside it do.
pub(crate) fn version(program: &Path) -> Option<String> {
    let read = |extension| {
        let text = std::fs::read_to_string(program.with_extension(extension)).ok()?;
        serde_json::from_str::<Value>(&text).ok()
    };
    let runtime = read("runtimeconfig.json")?;
    let version = runtime["runtimeOptions"]["includedFrameworks"][0]["version"].as_str()?.to_owned();
    let dependencies = read("deps.json")?;
    let mut libraries = dependencies["libraries"].as_object()?.keys();
    let client = libraries.find_map(|library| library.strip_prefix("Grpc.Net.Client/"));
    let client = client.map_or_else(String::new, |client| format!(", grpc-dotnet {client}"));
    Some(format!(".NET {version}{client}"))
}
