//! Restrictions on the contents of source files.

use super::Findings;
use crate::Result;
use crate::workspace::{files, read};

/// The crates without system calls and raw pointers.
const SAFE: [&str; 5] = [
    "grpc-ipc/src/lib.rs",
    "grpc-ipc-build/src/lib.rs",
    "grpc-ipc-cli/src/main.rs",
    "grpc-ipc-conformance/src/lib.rs",
    "grpc-ipc-core/src/lib.rs",
];

/// `unsafe` is allowed only in a file `sys.rs` or a folder `sys/` of a backend or of the engine. The other crates
/// forbid it.
pub(super) fn unsafe_code() -> Result<Findings> {
    let mut findings = Vec::new();
    for name in SAFE {
        if !read(format!("crates/{name}"))?.contains("#![forbid(unsafe_code)]") {
            findings.push(format!("{name} does not forbid unsafe code"));
        }
    }
    for path in rust_files(&["crates", "proto", "examples", "benches"])? {
        let is_sys = path.iter().any(|part| part == "sys" || part == "sys.rs");
        for (number, line) in code(&read(&path)?) {
            // A list of Rust's keywords has the word, too.
            if !is_sys && has_word(&line.replace("\"unsafe\"", ""), "unsafe") {
                findings.push(format!("{}:{number}: unsafe code outside of sys", path.display()));
            }
        }
    }
    Ok(findings)
}

/// `cfg(unix)` and similar conditions are allowed only in the facade's `backend.rs` and `backend/`, and in no other
/// file of the facade and the core.
pub(super) fn platforms() -> Result<Findings> {
    let mut findings = Vec::new();
    for path in rust_files(&["crates/grpc-ipc/src", "crates/grpc-ipc-core/src"])? {
        if path.starts_with("crates/grpc-ipc/src/backend") || path.ends_with("grpc-ipc/src/backend.rs") {
            continue;
        }
        let lines = platform_lines(&read(&path)?).into_iter();
        findings.extend(lines.map(|number| format!("{}:{number}: tells platforms apart", path.display())));
    }
    Ok(findings)
}

/// The lines with platform-specific conditions or items.
fn platform_lines(text: &str) -> Vec<usize> {
    const WORDS: [&str; 5] = ["unix", "windows", "target_os", "target_family", "target_vendor"];
    let mut found = Vec::new();
    // The number of open parentheses in a condition.
    let mut open = 0_usize;
    for (number, line) in code(text) {
        let starts = ["cfg(", "cfg!(", "cfg_attr("].iter().any(|start| line.contains(start));
        let inside = open > 0 || starts;
        if inside {
            open = (open + line.matches('(').count()).saturating_sub(line.matches(')').count());
        }
        if line.contains("std::os::") || inside && WORDS.iter().any(|word| has_word(line, word)) {
            found.push(number);
        }
    }
    found
}

fn has_word(line: &str, word: &str) -> bool {
    line.split(|c: char| !c.is_alphanumeric() && c != '_').any(|found| found == word)
}

fn rust_files(directories: &[&str]) -> Result<Vec<std::path::PathBuf>> {
    let mut found = Vec::new();
    for directory in directories {
        found.extend(files(directory, "rs")?);
    }
    // Workspaces of their own build below their directory.
    found.retain(|path| path.iter().all(|part| part != "target"));
    Ok(found)
}

/// The lines that are not comments, numbered from 1.
fn code(text: &str) -> impl Iterator<Item = (usize, &str)> {
    (1..).zip(text.lines()).filter(|(_, line)| {
        let line = line.trim_start();
        !line.starts_with("//") && !line.starts_with("#![forbid(unsafe_code)]")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn conditions_on_the_platform_are_seen() {
        let text = "#[cfg(unix)]\n// cfg(unix)\n#[cfg_attr(windows, allow(x))]\n#[cfg(any(\n    target_os = \"linux\",\n))]\n\
                    fn unix() {}\n#[cfg(feature = \"uds\")]\nuse std::os::fd::OwnedFd;\nif cfg!(windows) {}\n";
        assert_eq!(platform_lines(text), [1, 3, 5, 9, 10]);
    }

    #[test]
    fn unsafe_is_a_word() {
        assert!(has_word("    unsafe { x() }", "unsafe"));
        assert!(!has_word("#[expect(unsafe_code)]", "unsafe"));
    }
}
