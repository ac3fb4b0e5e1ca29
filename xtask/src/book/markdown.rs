//! The subset of Markdown that the book needs.

/// A part of a page.
#[derive(Debug, PartialEq)]
pub(crate) enum Part<'a> {
    /// Lines of text.
    Prose(&'a str),
    /// A fenced block: the info string after the opening fence, and the lines between the fences.
    Code { info: &'a str, lines: &'a str },
}

/// The parts of a page, in order.
pub(crate) fn parts(text: &str) -> Vec<Part<'_>> {
    let mut parts = Vec::new();
    // The beginning of the current part, and its info string if it is code.
    let (mut begin, mut fence) = (0, None);
    let mut end = 0;
    for line in text.split_inclusive('\n') {
        let (start, info) = (end, line.trim().strip_prefix("```"));
        end += line.len();
        let Some(info) = info else { continue };
        match fence.take() {
            None => {
                parts.push(Part::Prose(&text[begin..start]));
                fence = Some(info);
            }
            Some(info) => parts.push(Part::Code { info, lines: &text[begin..start] }),
        }
        begin = end;
    }
    parts.push(Part::Prose(&text[begin..]));
    parts.retain(|part| *part != Part::Prose(""));
    parts
}

/// A link in prose: where its text begins, where the link ends, and its target.
#[derive(Debug, PartialEq)]
pub(crate) struct Link<'a> {
    pub(crate) begin: usize,
    pub(crate) end: usize,
    pub(crate) label: &'a str,
    /// `None` if the label itself is a link: `` [`Server`] ``.
    pub(crate) target: Option<&'a str>,
}

/// The links in prose, in order. Text between backticks is not searched.
pub(crate) fn links(prose: &str) -> Vec<Link<'_>> {
    let mut links = Vec::new();
    let mut at = 0;
    while let Some(found) = prose[at..].find(['[', '`']) {
        let begin = at + found;
        if prose[begin..].starts_with('`') {
            let close = prose[begin + 1..].find('`');
            at = close.map_or(prose.len(), |close| begin + close + 2);
            continue;
        }
        let Some(length) = prose[begin..].find(']') else { break };
        let label = &prose[begin + 1..begin + length];
        let after = begin + length + 1;
        at = after;
        let rest = &prose[after..];
        if let Some(inner) = rest.strip_prefix('(') {
            let Some(close) = inner.find(')') else { break };
            at = after + close + 2;
            links.push(Link { begin, end: at, label, target: Some(&inner[..close]) });
        } else if !rest.starts_with('[') && label.starts_with('`') && label.ends_with('`') {
            links.push(Link { begin, end: after, label, target: None });
        }
    }
    links
}

/// The files that a page includes: their paths, and the names of the included parts.
pub(crate) fn includes(text: &str) -> impl Iterator<Item = (&str, Option<&str>)> {
    text.split("{{#include ").skip(1).filter_map(|rest| {
        let target = rest.split_once("}}")?.0.trim();
        Some(target.split_once(':').map_or((target, None), |(path, part)| (path, Some(part))))
    })
}

/// The anchor of a heading, as mdBook generates it.
pub(crate) fn anchor(heading: &str) -> String {
    let kept = heading.trim().chars().filter_map(|c| match c {
        c if c.is_alphanumeric() || c == '_' || c == '-' => Some(c.to_ascii_lowercase()),
        c if c.is_whitespace() => Some('-'),
        _ => None,
    });
    kept.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prose_and_code_are_told_apart() {
        let text = "# A\n\n```rust,no_run\nlet x = [1](2);\n```\nend\n";
        let code = Part::Code { info: "rust,no_run", lines: "let x = [1](2);\n" };
        assert_eq!(parts(text), [Part::Prose("# A\n\n"), code, Part::Prose("end\n")]);
    }

    #[test]
    fn links_are_found_but_not_in_code() {
        let links: Vec<_> = links("[a](b.md), [`C`]: `[d](e)`, [x][y] and [`F::g`](crate::F)")
            .into_iter()
            .map(|link| (link.label, link.target))
            .collect();
        assert_eq!(links, [("a", Some("b.md")), ("`C`", None), ("`F::g`", Some("crate::F"))]);
    }

    #[test]
    fn includes_have_a_path_and_a_part() {
        let found: Vec<_> = includes("{{#include a/b.rs}}\n{{#include c.py:greet}}").collect();
        assert_eq!(found, [("a/b.rs", None), ("c.py", Some("greet"))]);
    }

    #[test]
    fn anchors_are_those_of_mdbook() {
        assert_eq!(anchor("Escapes in `unix:` and `unix-abstract:`"), "escapes-in-unix-and-unix-abstract");
    }
}
