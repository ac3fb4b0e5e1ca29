//! `cargo xtask book-preprocessor`: mdBook's preprocessor for the pages, which are also documentation of modules.
//! ([Preprocessors](https://rust-lang.github.io/mdBook/for_developers/preprocessors.html).)
//!
//! - Rust paths in links become links to the documentation.
//! - A page without a title gets the one in `SUMMARY.md`. Its headings move down one level if one of them has the same
//!   level as the title. (As documentation of a module, the page is below the module's name.)
//! - Code without a language is Rust, as in rustdoc. Indented code, from the middle of a program, is unindented.

use std::io::{self, Read as _};

use serde_json::Value;

use super::API;
use super::api::{self, Link};
use super::markdown::{Part, links, parts};
use crate::Result;

/// Reads the book from standard input, and prints it.
pub(crate) fn run(arguments: &[&str]) -> Result {
    if arguments.first() == Some(&"supports") {
        return Ok(());
    }
    let mut input = String::new();
    io::stdin().read_to_string(&mut input)?;
    let mut input: Value = serde_json::from_str(&input)?;
    let mut unknown = Vec::new();
    chapters(&mut input[1], &mut unknown);
    if !unknown.is_empty() {
        return Err(
            format!("there is no documentation of {}; run `cargo xtask book`", unknown.join(", ")).into()
        );
    }
    println!("{}", input[1]);
    Ok(())
}

/// Changes all chapters in `value`. Unknown paths are added to `unknown`.
fn chapters(value: &mut Value, unknown: &mut Vec<String>) {
    match value {
        Value::Array(values) => values.iter_mut().for_each(|value| chapters(value, unknown)),
        Value::Object(fields) => {
            if let (Some(Value::String(content)), Some(Value::String(name)), Some(Value::String(path))) =
                (fields.get("content"), fields.get("name"), fields.get("path"))
            {
                let page = Page { name, path, unknown };
                let changed = page.change(content);
                fields.insert("content".to_owned(), changed.into());
            }
            fields.values_mut().for_each(|value| chapters(value, unknown));
        }
        _ => {}
    }
}

struct Page<'a> {
    name: &'a str,
    path: &'a str,
    unknown: &'a mut Vec<String>,
}

impl Page<'_> {
    fn change(mut self, content: &str) -> String {
        let has_title = content.trim_start().starts_with("# ");
        let mut changed = if has_title { String::new() } else { format!("# {}\n\n", self.name) };
        let is_below = |part: &Part<'_>| matches!(part, Part::Prose(prose) if prose.contains("\n# "));
        let moves_down = !has_title && parts(content).iter().any(is_below);
        for part in parts(content) {
            match part {
                Part::Prose(prose) => {
                    let prose = self.linked(prose);
                    for line in prose.split_inclusive('\n') {
                        if moves_down && line.starts_with('#') {
                            changed.push('#');
                        }
                        changed.push_str(line);
                    }
                }
                Part::Code { info, lines } => {
                    changed.push_str(&format!("```{}\n{}```\n", language(info), moved_left(lines)));
                }
            }
        }
        changed
    }

    /// The prose, with Rust paths replaced by links to the documentation.
    fn linked(&mut self, prose: &str) -> String {
        let mut changed = String::new();
        let mut at = 0;
        for link in links(prose) {
            let path = link.target.unwrap_or(link.label.trim_matches('`'));
            if !api::is_path(path) {
                continue;
            }
            changed.push_str(&prose[at..link.begin]);
            changed.push_str(&match self.target(path) {
                Some(target) => format!("[{}]({target})", link.label),
                None => {
                    self.unknown.push(format!("{path} ({})", self.path));
                    link.label.to_owned()
                }
            });
            at = link.end;
        }
        changed.push_str(&prose[at..]);
        changed
    }

    fn target(&self, path: &str) -> Option<String> {
        // The top-level pages document modules.
        let module = self.path.strip_suffix(".md").unwrap_or_default();
        match api::link(path, module)? {
            Link::Elsewhere(link) => Some(link),
            Link::Here(page) => {
                let up = "../".repeat(self.path.matches('/').count());
                Some(format!("{up}{API}/{page}"))
            }
        }
    }
}

fn language(info: &str) -> String {
    match info.split(',').next().unwrap_or_default() {
        "" => "rust".to_owned(),
        "no_run" | "ignore" | "should_panic" | "compile_fail" => format!("rust,{info}"),
        _ => info.to_owned(),
    }
}

fn moved_left(lines: &str) -> String {
    let indented = lines.lines().filter(|line| !line.trim().is_empty());
    let indent = |line: &str| line.len() - line.trim_start().len();
    let least = indented.map(indent).min().unwrap_or_default();
    lines.split_inclusive('\n').map(|line| line.get(least..).unwrap_or("\n")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn change(path: &str, content: &str) -> String {
        Page { name: "Errors", path, unknown: &mut Vec::new() }.change(content)
    }

    #[test]
    fn a_page_without_a_title_gets_one() {
        let changed = change("errors.md", "Text.\n\n# Retry\n\n```\n# hidden\n```\n");
        assert_eq!(changed, "# Errors\n\nText.\n\n## Retry\n\n```rust\n# hidden\n```\n");
        assert_eq!(change("errors.md", "# Title\n\n## Part\n"), "# Title\n\n## Part\n");
        assert_eq!(change("errors.md", "Text.\n\n## Part\n"), "# Errors\n\nText.\n\n## Part\n");
    }

    #[test]
    fn code_from_the_middle_of_a_program_moves_left() {
        assert_eq!(moved_left("    if x {\n        y\n\n    }\n"), "if x {\n    y\n\n}\n");
    }

    #[test]
    fn paths_of_other_crates_become_links() {
        let changed =
            change("guide/errors.md", "# T\n\n[the code](tonic::Code::Internal), [here](../tls.md)\n");
        assert!(changed.contains("(https://docs.rs/tonic/latest/tonic/enum.Code.html#variant.Internal)"));
        assert!(changed.contains("[here](../tls.md)"));
    }
}
