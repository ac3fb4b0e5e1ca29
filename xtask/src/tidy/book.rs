//! The pages of the book: all are listed, their links and includes are valid, and their code is compiled.

use std::path::{Component, Path, PathBuf};

use super::Findings;
use crate::Result;
use crate::book::SOURCE;
use crate::book::markdown::{Part, anchor, includes, links, parts};
use crate::workspace::{files, read, root};

pub(super) fn check() -> Result<Findings> {
    let mut findings = Vec::new();
    let summary = read(Path::new(SOURCE).join("SUMMARY.md"))?;
    let listed: Vec<_> = links(&summary).iter().filter_map(|link| link.target).map(PathBuf::from).collect();
    let mut compiled = String::new();
    for path in files("crates/grpc-ipc/src", "rs")? {
        compiled.push_str(&read(path)?);
    }
    for path in files(SOURCE, "md")? {
        let page = path.strip_prefix(SOURCE)?;
        // The first page is only the documentation of the crate.
        if page == Path::new("lib.md") || page == Path::new("SUMMARY.md") {
            continue;
        }
        if !listed.iter().any(|listed| listed == page) {
            findings.push(format!("SUMMARY.md does not list {}", page.display()));
        }
        let text = read(&path)?;
        let name = page.display().to_string().replace('\\', "/");
        if has_code_to_compile(&text) && !compiled.contains(&format!("docs/{name}\"")) {
            findings.push(format!("src/book.rs does not include {name}, which has code"));
        }
        findings.extend(check_includes(&path, &text).into_iter().chain(check_links(&path, &text)));
    }
    let missing = listed.iter().filter(|page| !root().join(SOURCE).join(page).exists());
    findings.extend(missing.map(|page| format!("SUMMARY.md lists {}, which is missing", page.display())));
    Ok(findings)
}

/// Whether a page has Rust code that is not included from a program.
fn has_code_to_compile(text: &str) -> bool {
    parts(text).iter().any(|part| match part {
        Part::Prose(_) => false,
        Part::Code { info, .. } => {
            let mut words = info.split(',');
            matches!(words.next(), Some("rust" | "" | "no_run")) && !words.any(|word| word == "ignore")
        }
    })
}

fn check_includes(page: &Path, text: &str) -> Findings {
    let check = |(path, part): (&str, Option<&str>)| {
        let Ok(text) = read(beside(page, path)) else {
            return Some(format!("{}: includes {path}, which is missing", page.display()));
        };
        let name = part.filter(|part| part.starts_with(char::is_alphabetic))?;
        let has = |kind| text.lines().any(|line| line.trim_end().ends_with(&format!("{kind}: {name}")));
        let found = has("ANCHOR") && has("ANCHOR_END");
        (!found).then(|| format!("{}: {path} has no part {name}", page.display()))
    };
    includes(text).filter_map(check).collect()
}

fn check_links(page: &Path, text: &str) -> Findings {
    let mut findings = Vec::new();
    for part in parts(text) {
        let Part::Prose(prose) = part else { continue };
        for target in links(prose).into_iter().filter_map(|link| link.target) {
            let (path, heading) = target.split_once('#').unwrap_or((target, ""));
            if path.contains("://") || !(path.ends_with(".md") || path.is_empty()) {
                continue;
            }
            let to = if path.is_empty() { page.to_owned() } else { beside(page, path) };
            let Ok(text) = with_includes(&to) else {
                findings.push(format!("{}: {target} leads nowhere", page.display()));
                continue;
            };
            if !heading.is_empty() && !headings(&text).contains(&heading.to_owned()) {
                findings.push(format!("{}: there is no heading {target}", page.display()));
            }
        }
    }
    findings
}

fn headings(text: &str) -> Vec<String> {
    let prose = parts(text).into_iter().filter_map(|part| match part {
        Part::Prose(prose) => Some(prose),
        Part::Code { .. } => None,
    });
    let lines = prose.flat_map(str::lines).filter(|line| line.starts_with('#'));
    lines.map(|line| anchor(line.trim_start_matches('#'))).collect()
}

/// A page, followed by the pages that it includes.
fn with_includes(page: &Path) -> Result<String> {
    let mut text = read(page)?;
    for (path, _) in includes(&text.clone()).filter(|(path, _)| path.ends_with(".md")) {
        text.push_str(&read(beside(page, path))?);
    }
    Ok(text)
}

/// The file at `path`, as written in `page`, relative to the root of the workspace.
fn beside(page: &Path, path: &str) -> PathBuf {
    let mut found = page.parent().unwrap_or(Path::new("")).to_owned();
    for part in Path::new(path).components() {
        match part {
            Component::ParentDir => _ = found.pop(),
            part => found.push(part),
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_wrong_with_a_page_is_found() {
        let page = Path::new(SOURCE).join("errors.md");
        let text = "[a](none.md) [b](#none) {{#include ../none.rs}} {{#include ../src/lib.rs:none}}\n";
        assert_eq!(check_links(&page, text).len(), 2);
        assert_eq!(check_includes(&page, text).len(), 2);
        assert_eq!(check_includes(&page, "{{#include ../src/lib.rs}}"), Findings::new());
    }

    #[test]
    fn code_of_programs_is_not_compiled_again() {
        assert!(has_code_to_compile("```rust,no_run\n```\n") && has_code_to_compile("```\n```\n"));
        assert!(!has_code_to_compile("```rust,ignore\n```\n") && !has_code_to_compile("```toml\n```\n"));
    }
}
