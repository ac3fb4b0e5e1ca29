//! Facts that the README and the documentation repeat from the manifests.

use serde_json::Value;

use super::Findings;
use super::dependencies::{members, metadata, packages};
use crate::Result;
use crate::workspace::{files, read};

/// The facade's public features, from its manifest.
pub(crate) fn features() -> Result<Vec<String>> {
    let metadata: Value = serde_json::from_str(&metadata()?)?;
    let facade = members(&metadata).find(|package| package["name"] == "grpc-ipc");
    let features =
        facade.and_then(|facade| facade["features"].as_object()).ok_or("grpc-ipc has no features")?;
    Ok(features.keys().filter(|feature| *feature != "default").cloned().collect())
}

pub(super) fn check() -> Result<Findings> {
    let metadata: Value = serde_json::from_str(&metadata()?)?;
    let readme = read("README.md")?;
    let mut findings = Vec::new();

    let version_of = |name: &str| {
        let package = packages(&metadata).find(|package| package["name"] == name);
        package.and_then(|package| package["rust_version"].as_str()).unwrap_or_default()
    };
    let minimum = version_of("grpc-ipc");
    if version_of("tonic") != minimum {
        findings.push(format!("tonic needs Rust {}, the manifest says {minimum}", version_of("tonic")));
    }
    let book = "crates/grpc-ipc/docs/guide/getting-started.md";
    for (file, text) in [("README.md", &readme), (book, &read(book)?)] {
        if !text.contains(&format!("Rust {minimum}")) {
            findings.push(format!("{file} does not say Rust {minimum}"));
        }
    }

    let facade = members(&metadata).find(|package| package["name"] == "grpc-ipc");
    let features =
        facade.and_then(|facade| facade["features"].as_object()).ok_or("grpc-ipc has no features")?;
    let default = features["default"].as_array().cloned().unwrap_or_default();
    for (file, text) in [("README.md", &readme), ("docs/lib.md", &read("crates/grpc-ipc/docs/lib.md")?)] {
        for feature in features.keys().filter(|feature| *feature != "default") {
            let on = if default.contains(&Value::from(feature.as_str())) { "yes" } else { "no" };
            if !text.contains(&format!("| `{feature}` | {on} |")) {
                findings
                    .push(format!("{file} has no line \"| `{feature}` | {on} |\" in its table of features"));
            }
        }
        let listed =
            text.lines().filter(|line| line.contains("` | yes |") || line.contains("` | no |")).count();
        if listed != features.len() - 1 {
            findings.push(format!("{file} lists {listed} features, the manifest {}", features.len() - 1));
        }
    }

    for line in readme.lines().filter_map(|line| line.trim().strip_prefix("cargo ")) {
        let words: Vec<_> = line.split_whitespace().collect();
        if let Some(at) = words.iter().position(|word| *word == "--bin") {
            let name = words.get(at + 1).copied().unwrap_or_default();
            let mut targets =
                members(&metadata).flat_map(|package| package["targets"].as_array().into_iter().flatten());
            if !targets.any(|target| target["name"] == name && target["kind"][0] == "bin") {
                findings.push(format!("README.md: there is no program {name}"));
            }
        } else if words.first() == Some(&"xtask") {
            let command = words.get(1).copied().unwrap_or_default();
            if !read("xtask/src/main.rs")?.contains(&format!("[\"{command}\"")) {
                findings.push(format!("README.md: there is no cargo xtask {command}"));
            }
        }
    }
    let tests = conformance_tests()?;
    if !readme.contains(&format!("{tests} tests check it against RFC 9113")) {
        findings.push(format!("README.md does not say \"{tests} tests check it against RFC 9113\""));
    }
    Ok(findings)
}

/// The number of tests that check a section of an RFC.
fn conformance_tests() -> Result<usize> {
    let mut tests = 0;
    for end in ["server", "client"] {
        for path in files(&format!("crates/grpc-ipc-http2/tests/{end}"), "rs")? {
            tests += read(&path)?.lines().filter(|line| line.trim_start().starts_with("fn rfc")).count();
        }
    }
    Ok(tests)
}
