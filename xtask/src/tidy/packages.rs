//! The contents of each published package.

use std::collections::BTreeSet;
use std::path::Path;

use serde_json::Value;

use super::Findings;
use super::dependencies::{members, metadata};
use crate::Result;
use crate::command::{cargo, output};
use crate::workspace::{files, read, root};

/// Kept in the repository: test keys, which a scanner would report as secrets in a package.
const KEYS: [&str; 4] = ["key", "pem", "p12", "pfx"];

pub(super) fn check() -> Result<Findings> {
    let metadata: Value = serde_json::from_str(&metadata()?)?;
    let mut findings = Vec::new();
    for package in members(&metadata).filter(|package| package["publish"].is_null()) {
        let name = package["name"].as_str().unwrap_or_default();
        for field in ["description", "documentation", "license", "readme", "repository", "rust_version"] {
            if package[field].is_null() {
                findings.push(format!("{name} has no `{}`", field.replace('_', "-")));
            }
        }
        for field in ["categories", "keywords"] {
            if package[field].as_array().is_none_or(Vec::is_empty) {
                findings.push(format!("{name} has no `{field}`"));
            }
        }
        let list =
            ["package", "--list", "--quiet", "--locked", "--offline", "--allow-dirty", "--package", name];
        let list = output(cargo().args(list))?.replace('\\', "/");
        let packaged: BTreeSet<&str> = list.lines().collect();
        let directory = package["manifest_path"].as_str().map(Path::new).and_then(Path::parent);
        let directory = directory.and_then(|path| path.strip_prefix(root()).ok()).ok_or("a path outside")?;
        for licence in ["LICENSE-APACHE", "LICENSE-MIT"] {
            if read(directory.join(licence)).ok() != Some(read(licence)?) {
                findings.push(format!("{} is not a copy of {licence}", directory.join(licence).display()));
            }
        }
        for needed in ["LICENSE-APACHE", "LICENSE-MIT", "README.md"] {
            if !packaged.contains(needed) {
                findings.push(format!("the package {name} lacks {needed}"));
            }
        }
        let is_key =
            |path: &&&str| Path::new(path).extension().is_some_and(|end| KEYS.iter().any(|key| end == *key));
        findings.extend(
            packaged.iter().filter(is_key).map(|path| format!("the package {name} has {path} in it")),
        );
        for (source, included) in included(directory)? {
            if !packaged.contains(included.as_str()) {
                findings.push(format!("the package {name} lacks {included}, which {source} includes"));
            }
        }
    }
    Ok(findings)
}

/// The names of the published packages.
pub(crate) fn published() -> Result<Vec<String>> {
    names(|_| true)
}

/// Those that are libraries.
pub(crate) fn libraries() -> Result<Vec<String>> {
    names(|package| {
        package["targets"].as_array().is_some_and(|all| all.iter().any(|target| target["kind"][0] == "lib"))
    })
}

fn names(wanted: fn(&Value) -> bool) -> Result<Vec<String>> {
    let metadata: Value = serde_json::from_str(&metadata()?)?;
    let published = members(&metadata).filter(|package| package["publish"].is_null() && wanted(package));
    Ok(published.filter_map(|package| package["name"].as_str()).map(str::to_owned).collect())
}

/// The files that a package's sources include with `include_str!` and `include_bytes!`, each with the source.
fn included(package: &Path) -> Result<Vec<(String, String)>> {
    let mut found = Vec::new();
    let directory = package.to_str().ok_or("a path that is not Unicode")?;
    for path in files(&format!("{directory}/src"), "rs")? {
        let text = read(&path)?;
        let source = path.strip_prefix(package)?;
        for macro_name in ["include_str!(\"", "include_bytes!(\""] {
            for rest in text.split(macro_name).skip(1) {
                let name = rest.split('"').next().unwrap_or_default();
                found.push((source.display().to_string(), resolved(source, name)));
            }
        }
    }
    Ok(found)
}

/// Resolves `name` relative to the directory of `source`.
fn resolved(source: &Path, name: &str) -> String {
    let mut parts: Vec<&str> =
        source.parent().into_iter().flat_map(Path::iter).filter_map(|part| part.to_str()).collect();
    for part in name.split('/') {
        match part {
            ".." => _ = parts.pop(),
            "." => {}
            part => parts.push(part),
        }
    }
    parts.join("/")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn included_files_are_found() {
        assert_eq!(resolved(Path::new("src/a/mod.rs"), "../../docs/a.md"), "docs/a.md");
        assert_eq!(resolved(Path::new("src/lib.rs"), "../docs/lib.md"), "docs/lib.md");
        assert_eq!(resolved(Path::new("src/lib.rs"), "a.txt"), "src/a.txt");
    }
}
