//! Every transport runs the suite, and every test in it quotes the documentation.

use super::Findings;
use crate::Result;
use crate::workspace::{files, read};

const SUITE: &str = "crates/grpc-ipc-conformance/src";

pub(super) fn check() -> Result<Findings> {
    let mut findings = Vec::new();
    for path in files("crates", "rs")? {
        let crate_directory = path.iter().take(2).collect::<std::path::PathBuf>();
        let is_transport = read(&path)?.lines().any(|line| line.starts_with("impl Listener for "));
        // The facade's listeners are TCP and boxed ones, not separate transports.
        if !is_transport || crate_directory.ends_with("grpc-ipc") {
            continue;
        }
        let instance = crate_directory.join("tests/conformance.rs");
        if !read(&instance).is_ok_and(|text| text.contains("conformance_tests!(")) {
            findings.push(format!("{} does not instantiate the suite", instance.display()));
        }
    }

    let promises = promises()?;
    let listed = read(format!("{SUITE}/lib.rs"))?;
    let mut tests = 0;
    for path in files(&format!("{SUITE}/suite"), "rs")? {
        let text = read(&path)?;
        let mut pinned = None;
        for line in text.lines() {
            if let Some(sentence) = line.strip_prefix("/// > ") {
                pinned = Some(normal(sentence));
            } else if let Some(rest) = line.strip_prefix("pub async fn ") {
                tests += 1;
                let name = rest.split(['(', '<']).next().unwrap_or(rest);
                match pinned.take() {
                    None => findings.push(format!("{name} does not quote the sentence that it checks")),
                    Some(sentence) if !promises.contains(&sentence) => {
                        findings.push(format!(
                            "{name} quotes a sentence that is not in the documentation: {sentence}"
                        ));
                    }
                    Some(_) => {}
                }
                if !listed.lines().any(|line| line.trim() == name) {
                    findings.push(format!("{name} is not instantiated by conformance_tests!"));
                }
            }
        }
    }
    if tests == 0 {
        findings.push("no test was found: the check is broken".to_owned());
    }
    Ok(findings)
}

/// The documentation of the core, in one line.
fn promises() -> Result<String> {
    let mut promises = String::new();
    for path in files("crates/grpc-ipc-core/src", "rs")? {
        let text = read(&path)?;
        for line in text.lines().filter_map(|line| line.trim().strip_prefix("///")) {
            promises.push_str(line.trim_start().trim_start_matches("- "));
            promises.push(' ');
        }
    }
    Ok(normal(&promises))
}

/// Normalizes line breaks.
fn normal(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}
