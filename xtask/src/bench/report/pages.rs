//! The tables, in Markdown.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use crate::bench::shapes::Shape;
use crate::bench::stack::Stack;
use crate::bench::table::{Figures, Row, Spread, Table, number};

/// A page of the report.
pub(super) struct Page {
    /// The name of its file, without the extension.
    pub(super) name: &'static str,
    pub(super) title: &'static str,
    has: fn(&Row) -> bool,
}

pub(super) const PAGES: [Page; 6] = [
    Page {
        name: "one-core",
        title: "Both processes on one core",
        has: |row| is_timed(row) && row.place == "release, one core",
    },
    Page {
        name: "two-cores",
        title: "A core for each process",
        has: |row| is_timed(row) && row.place == "release, two cores",
    },
    Page {
        name: "not-pinned",
        title: "Not pinned, runtime of several threads",
        has: |row| is_timed(row) && row.place.starts_with("release, not pinned"),
    },
    Page {
        name: "lto",
        title: "Built with link-time optimization",
        has: |row| is_timed(row) && row.place.starts_with("lto"),
    },
    Page {
        name: "counts",
        title: "Instructions, system calls, allocations, memory",
        has: |row| !is_timed(row) && !row.place.contains("Wine"),
    },
    Page { name: "pipes", title: "Named pipes under Wine", has: |row| row.place.contains("Wine") },
];

/// Whether the programs timed it themselves.
fn is_timed(row: &Row) -> bool {
    !row.place.contains("Wine")
        && (row.section == "h2load" || Shape::all().iter().any(|shape| shape.section == row.section))
}

impl Page {
    pub(super) fn text(&self, table: &Table) -> String {
        let rows: Vec<_> = table.rows.iter().filter(|(row, _)| (self.has)(row)).collect();
        let mut text = format!("# {}\n\n{}\n", self.title, super::GENERATED);
        if rows.is_empty() {
            text.push_str("\nThis report was made without these measurements.\n");
            return text;
        }
        text.push_str(
            "\nEach cell has the median of the rounds, the least and the greatest, and after that grpc-ipc's figure \
             divided by the cell's: the median of the ratios within a round. [The report](report.md) says on which \
             machine.\n",
        );
        let mut sections: Vec<&str> = Vec::new();
        for (row, _) in &rows {
            if !sections.contains(&&*row.section) {
                sections.push(&row.section);
            }
        }
        for section in sections {
            let rows: Vec<_> = rows.iter().copied().filter(|(row, _)| row.section == section).collect();
            _ = write!(text, "\n## {section}\n\n{}", rows_text(&rows));
        }
        text
    }
}

/// A table of rows.
fn rows_text(rows: &[&(Row, Figures)]) -> String {
    let has = |stack: &Stack| rows.iter().any(|(_, figures)| figures.contains_key(stack));
    let stacks: Vec<_> = Stack::ALL.into_iter().filter(has).collect();
    let places: BTreeSet<_> = rows.iter().map(|(row, _)| &*row.place).collect();
    let names: Vec<_> = stacks.iter().map(|stack| stack.name()).collect();
    let mut text = format!("| | unit | {} |\n|---|---|{}\n", names.join(" | "), "---:|".repeat(stacks.len()));
    for (row, figures) in rows {
        // The page says the place if there is only one.
        let place = if places.len() > 1 { format!(" ({})", row.place) } else { String::new() };
        _ = write!(text, "| {}{place} | {} |", row.what, row.unit);
        for stack in &stacks {
            _ = write!(text, " {} |", cell(figures, *stack).unwrap_or_else(|| "–".to_owned()));
        }
        text.push('\n');
    }
    text
}

fn cell(figures: &Figures, stack: Stack) -> Option<String> {
    let Spread { least, median, most } = Spread::of(figures.get(&stack)?)?;
    let mut text = number(median);
    if figures[&stack].len() > 1 {
        _ = write!(text, "<br>{}–{}", number(least), number(most));
    }
    if stack != Stack::GrpcIpc
        && let Some(ratio) = Spread::of_ratios(figures, stack)
    {
        _ = write!(text, "<br>{}×", number(ratio.median));
    }
    Some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cell_has_the_spread_and_the_ratio() {
        let mut table = Table::default();
        let row = |what: &str| Row::new("Unary calls", what, "release, one core", "p50 µs");
        for (tonic, ours) in [(20.0, 15.0), (90.0, 45.0), (60.0, 46.0)] {
            table.add(row("64 B"), Stack::Tonic, tonic);
            table.add(row("64 B"), Stack::GrpcIpc, ours);
        }
        table.add(row("1 KiB"), Stack::GrpcIpc, 1.0);
        let text = PAGES[0].text(&table);
        let lines: Vec<_> = text.lines().filter(|line| line.starts_with('|')).collect();
        assert_eq!(
            lines,
            [
                "| | unit | tonic | grpc-ipc |",
                "|---|---|---:|---:|",
                "| 64 B | p50 µs | 60.0<br>20.0–90.0<br>0.75× | 45.0<br>15.0–46.0 |",
                "| 1 KiB | p50 µs | – | 1.00 |",
            ]
        );
        assert!(PAGES[1].text(&table).contains("without these measurements"));
    }

    #[test]
    fn each_row_is_on_one_page() {
        let places =
            ["release, one core", "release, two cores", "lto, one core", "release, Wine, multi-thread"];
        for section in ["Unary calls", "h2load", "Memory", "Named pipes"] {
            for place in places {
                let row = Row::new(section, "x", place, "x");
                assert_eq!(PAGES.iter().filter(|page| (page.has)(&row)).count(), 1, "{row:?}");
            }
        }
    }
}
