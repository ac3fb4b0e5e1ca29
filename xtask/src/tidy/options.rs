//! The documentation of every option ends with its default.

use super::Findings;
use crate::Result;
use crate::workspace::{files, read};

/// The parameter types that make a builder's method an option, in files that also have other methods.
const VALUES: [&str; 5] = ["bool", "u32", "u64", "usize", "Duration"];

pub(super) fn check() -> Result<Findings> {
    let mut findings = Vec::new();
    let mut options = 0;
    for path in files("crates", "rs")? {
        let all = path.ends_with("options.rs");
        let some = ["server.rs", "channel.rs", "backend/unix.rs", "backend/windows.rs"];
        if !all && !some.iter().any(|name| path.ends_with(name)) {
            continue;
        }
        let text = read(&path)?;
        let mut documentation = String::new();
        for (number, line) in (1..).zip(text.lines().map(str::trim)) {
            if let Some(more) = line.strip_prefix("///") {
                documentation.push_str(more);
            } else if let Some(name) = option(line, all)
                // A method without documentation implements a trait that has it, which rustc checks.
                && !documentation.is_empty()
            {
                options += 1;
                if !ends_with_default(&documentation) {
                    findings
                        .push(format!("{}:{number}: {name} does not end with its default", path.display()));
                }
            }
            if !line.starts_with("///") && !line.starts_with("#[") {
                documentation.clear();
            }
        }
    }
    if options == 0 {
        findings.push("no option was found: the check is broken".to_owned());
    }
    Ok(findings)
}

/// The name of the method on `line`, if it takes a builder and a value, and returns the builder.
fn option(line: &str, all: bool) -> Option<&str> {
    let line = line.strip_prefix("pub ").unwrap_or(line);
    let (name, rest) = line
        .strip_prefix("fn ")?
        .split_once("(self, ")
        .or_else(|| line.strip_prefix("fn ")?.split_once("(mut self, "))?;
    let (parameter, result) = rest.rsplit_once(") -> ")?;
    let (_, kind) = parameter.split_once(": ")?;
    (result.starts_with("Self") && (all || VALUES.contains(&kind))).then_some(name)
}

fn ends_with_default(documentation: &str) -> bool {
    let last = documentation.rsplit_once("Default: ").map(|(_, last)| last.trim());
    last.is_some_and(|last| last.ends_with('.') && !last.contains(". "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_are_found() {
        assert_eq!(option("pub fn mode(self, mode: u32) -> Self {", true), Some("mode"));
        assert_eq!(option("fn mode(self, mode: u32) -> Self;", false), Some("mode"));
        assert_eq!(option("pub fn layer<L>(mut self, layer: L) -> Self", false), None);
        assert_eq!(option("pub fn new(address: &Address) -> Self {", true), None);
    }

    #[test]
    fn the_default_is_the_last_sentence() {
        assert!(ends_with_default("How many. Default: 1024."));
        assert!(ends_with_default("Who. Default: [`a`](b); over TCP anyone."));
        assert!(!ends_with_default("Default: 1024. Or more."));
        assert!(!ends_with_default("How many."));
    }
}
