//! The dependencies between crates.

use std::collections::BTreeSet;

use serde_json::Value;

use super::Findings;
use crate::Result;
use crate::command::{cargo, output};

/// The workspace crates that each published crate may depend on, besides itself.
const ALLOWED: [(&str, &[&str]); 9] = [
    ("grpc-ipc-core", &[]),
    ("grpc-ipc-build", &[]),
    ("grpc-ipc-cli", &["grpc-ipc"]),
    ("grpc-ipc-conformance", &["grpc-ipc-core"]),
    ("grpc-ipc-http2", &[]),
    ("grpc-ipc-named-pipe", &["grpc-ipc-core", "grpc-ipc-win32"]),
    ("grpc-ipc-uds", &["grpc-ipc-core", "grpc-ipc-win32"]),
    ("grpc-ipc-win32", &["grpc-ipc-core"]),
    (
        "grpc-ipc",
        &["grpc-ipc-core", "grpc-ipc-http2", "grpc-ipc-named-pipe", "grpc-ipc-uds", "grpc-ipc-win32"],
    ),
];

/// The packages that must not be in a crate's dependency tree.
const FORBIDDEN: [(&str, &[&str]); 7] = [
    (
        "grpc-ipc-core",
        &["tonic", "http", "hyper", "h2", "prost", "rustls", "mio", "rustix", "libc", "windows-sys"],
    ),
    ("grpc-ipc-build", &["tonic", "tonic-build", "http", "tokio"]),
    ("grpc-ipc-conformance", &["tonic", "http", "hyper", "h2", "prost"]),
    ("grpc-ipc-http2", &["tonic", "hyper", "h2", "prost", "rustls"]),
    ("grpc-ipc-named-pipe", &["tonic", "http", "hyper", "h2", "prost"]),
    ("grpc-ipc-uds", &["tonic", "http", "hyper", "h2", "prost"]),
    ("grpc-ipc-win32", &["tonic", "http", "hyper", "h2", "prost", "mio"]),
];

pub(super) fn check() -> Result<Findings> {
    let metadata: Value = serde_json::from_str(&metadata()?)?;
    let mut findings = Vec::new();
    for package in members(&metadata) {
        let name = package["name"].as_str().unwrap_or_default();
        if package["publish"] == Value::Array(Vec::new()) {
            continue;
        }
        let Some((_, allowed)) = ALLOWED.iter().find(|(known, _)| *known == name) else {
            findings.push(format!("{name} is missing from the table of layers"));
            continue;
        };
        let local = package["dependencies"].as_array().into_iter().flatten();
        for dependency in
            local.filter(|dependency| !dependency["path"].is_null() && dependency["kind"] != "dev")
        {
            let dependency = dependency["name"].as_str().unwrap_or_default();
            if !allowed.contains(&dependency) {
                findings.push(format!("{name} depends on {dependency}"));
            }
        }
    }
    for (name, forbidden) in FORBIDDEN {
        let below = tree(name)?;
        let found = forbidden.iter().filter(|forbidden| below.contains(**forbidden));
        findings.extend(found.map(|found| format!("{name} has {found} in its dependency tree")));
    }
    Ok(findings)
}

/// `cargo metadata` of the workspace.
pub(crate) fn metadata() -> Result<String> {
    output(cargo().args(["metadata", "--format-version=1", "--locked", "--all-features"]))
}

pub(crate) fn members(metadata: &Value) -> impl Iterator<Item = &Value> {
    let members: BTreeSet<&str> =
        metadata["workspace_members"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    packages(metadata).filter(move |package| package["id"].as_str().is_some_and(|id| members.contains(id)))
}

pub(super) fn packages(metadata: &Value) -> impl Iterator<Item = &Value> {
    metadata["packages"].as_array().into_iter().flatten()
}

/// The names of all packages that `name` is built with, on any platform, without test dependencies.
fn tree(name: &str) -> Result<BTreeSet<String>> {
    let printed = output(cargo().args([
        "tree",
        "--locked",
        "--all-features",
        "--target=all",
        "--edges=normal,build",
        "--prefix=none",
        "--format={p}",
        "--package",
        name,
    ]))?;
    Ok(printed.lines().filter_map(|line| line.split(' ').next()).map(str::to_owned).collect())
}
