//! What may stand in which source file.

use std::path::Path;

use super::Findings;
use crate::Result;
use crate::workspace::{files, read};

/// The crates that call no operating system and trust no pointer.
const SAFE: [&str; 3] = ["grpc-ipc", "grpc-ipc-conformance", "grpc-ipc-core"];

/// `unsafe` stands only in a backend's `sys.rs` or `sys/`; the crates above the backends forbid it.
pub(super) fn unsafe_code() -> Result<Findings> {
    let mut findings = Vec::new();
    for name in SAFE {
        if !read(format!("crates/{name}/src/lib.rs"))?.contains("#![forbid(unsafe_code)]") {
            findings.push(format!("{name} does not forbid unsafe code"));
        }
    }
    for path in rust_files(&["crates", "proto", "examples", "benches"])? {
        let is_sys = path.iter().any(|part| part == "sys" || part == "sys.rs");
        let has =
            |line: &str| line.split(|c: char| !c.is_alphanumeric() && c != '_').any(|word| word == "unsafe");
        for (number, line) in code(&read(&path)?) {
            if !is_sys && has(line) {
                findings.push(format!("{}:{number}: unsafe code outside of sys", path.display()));
            }
        }
    }
    Ok(findings)
}

/// `cfg(unix)` and the like stand in the facade's `backend.rs`, and in no other file of facade and core.
pub(super) fn platforms() -> Result<Findings> {
    const TELL_APART: [&str; 6] =
        ["unix", "windows", "target_os", "target_family", "target_vendor", "std::os::"];
    let mut findings = Vec::new();
    for path in rust_files(&["crates/grpc-ipc/src", "crates/grpc-ipc-core/src"])? {
        if path.ends_with("grpc-ipc/src/backend.rs") {
            continue;
        }
        for (number, line) in code(&read(&path)?) {
            let conditional = line.contains("cfg(") || line.contains("cfg!(") || line.contains("std::os::");
            if conditional && TELL_APART.iter().any(|word| line.contains(word)) {
                findings.push(format!("{}:{number}: tells platforms apart", path.display()));
            }
        }
    }
    Ok(findings)
}

fn rust_files(directories: &[&str]) -> Result<Vec<std::path::PathBuf>> {
    let mut found = Vec::new();
    for directory in directories {
        found.extend(files(directory, "rs")?);
    }
    found.retain(|path| !path.starts_with(Path::new("target")));
    Ok(found)
}

/// The lines that are no comment, numbered from 1.
fn code(text: &str) -> impl Iterator<Item = (usize, &str)> {
    (1..).zip(text.lines()).filter(|(_, line)| {
        let line = line.trim_start();
        !line.starts_with("//") && !line.starts_with("#![forbid(unsafe_code)]")
    })
}
