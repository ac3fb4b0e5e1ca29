//! Tables in Markdown: a row is one line. A row that goes on in the next line ends the table.

use super::Findings;
use crate::Result;
use crate::book::markdown::{Part, parts};
use crate::workspace::{files, read, root};

pub(super) fn check() -> Result<Findings> {
    let mut pages = Vec::new();
    for directory in ["crates", "examples", "benches", "proto"] {
        pages.extend(files(directory, "md")?);
    }
    // Workspaces of their own build below their directory.
    pages.retain(|path| path.iter().all(|part| part != "target"));
    for entry in root().read_dir()? {
        let path = entry?.path();
        if path.extension().is_some_and(|found| found == "md") {
            pages.push(path.strip_prefix(root())?.to_owned());
        }
    }
    let mut findings = Vec::new();
    for page in pages {
        let rows = broken_rows(&read(&page)?).into_iter();
        findings.extend(rows.map(|row| format!("{}: a row in several lines: {row}", page.display())));
    }
    Ok(findings)
}

fn broken_rows(text: &str) -> Vec<String> {
    let prose = parts(text).into_iter().filter_map(|part| match part {
        Part::Prose(prose) => Some(prose),
        Part::Code { .. } => None,
    });
    let lines: Vec<_> = prose.flat_map(str::lines).collect();
    let goes_on = |next: &&str| !next.is_empty() && !next.starts_with('|');
    let is_broken = |number: usize, row: &str| {
        row.len() == 1 || !row.trim_end().ends_with('|') || lines.get(number + 1).is_some_and(goes_on)
    };
    let rows = lines.iter().enumerate().filter(|(_, line)| line.starts_with('|'));
    rows.filter(|(number, row)| is_broken(*number, row)).map(|(_, row)| (*row).to_owned()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_in_several_lines_is_found() {
        let text = "| a | b |\n|---|---|\n| c | d\ne |\n\n```\n| code\n```\n";
        assert_eq!(broken_rows(text), ["| c | d"]);
        assert_eq!(broken_rows("| a | b |\n|---|---|\n| c |\nd |\n"), ["| c |"]);
    }
}
