//! The first page, and the part of it that the README and the guide show.

use std::fmt::Write as _;

use super::about::About;
use super::charts::{Bars, Lines};
use super::pages::PAGES;
use crate::bench::shapes::{CALLS, CONNECT, DOWNLOAD, MEGABYTES, OPEN_LOOP, P50, P99, UNARY, UPLOAD};
use crate::bench::stack::Stack;
use crate::bench::table::{Figures, Spread, Table, number};

const ONE_CORE: &str = "release, one core";
const TWO_CORES: &str = "release, two cores";

/// The rows of the summary: section, row, unit, and their name.
const ROWS: [(&str, &str, &str, &str); 6] = [
    (UNARY, "64 B, 1 in flight", P50, "a call of 64 B, µs"),
    (UNARY, "64 B, 64 in flight", CALLS, "calls/s of 64 B, 64 in flight"),
    (UNARY, "1 MiB, 1 in flight", P50, "a call of 1 MiB each way, µs"),
    (DOWNLOAD, "64 KiB", MEGABYTES, "download of 64 KiB messages, MB/s"),
    (UPLOAD, "64 KiB", MEGABYTES, "upload of 64 KiB messages, MB/s"),
    (CONNECT, "64 B", P50, "connecting and the first call, µs"),
];

/// The rows of programs that make no calls of other sizes.
const FEW: [(&str, &str); 2] = [("100 B, 1 in flight", P50), ("100 B, 64 in flight", CALLS)];

/// The charts of bars: file name, alternative text and panels.
pub(super) const BARS: [(&str, &str, [Bars; 2]); 3] = [
    (
        "calls",
        "Latency of one call at a time, and throughput with 64 in flight, on one core",
        [
            bars("64 B, 1 in flight", "64 B, 1 in flight", ONE_CORE, P50),
            bars("64 B, 64 in flight", "64 B, 64 in flight", ONE_CORE, CALLS),
        ],
    ),
    (
        "two-cores",
        "Latency of one call at a time on two cores, and not pinned",
        [
            bars("Two cores, 64 B, 1 in flight", "64 B, 1 in flight", TWO_CORES, P50),
            bars(
                "Not pinned, 64 B, 1 in flight",
                "64 B, 1 in flight",
                "release, not pinned, multi-thread",
                P50,
            ),
        ],
    ),
    (
        "streams",
        "Throughput of streams of 64 KiB messages on one core",
        [
            Bars { section: DOWNLOAD, ..bars("Download of 64 KiB", "64 KiB", ONE_CORE, MEGABYTES) },
            Bars { section: UPLOAD, ..bars("Upload of 64 KiB", "64 KiB", ONE_CORE, MEGABYTES) },
        ],
    ),
];

/// The charts of lines: file name, alternative text and content.
pub(super) const LINES: [(&str, &str, Lines); 2] = [
    (
        "sizes",
        "Latency by the size of the message, on one core",
        Lines {
            title: "One call at a time, one core",
            section: UNARY,
            place: ONE_CORE,
            unit: P50,
            points: &[
                ("64 B, 1 in flight", 64.0),
                ("1 KiB, 1 in flight", 1024.0),
                ("16 KiB, 1 in flight", 16_384.0),
                ("1 MiB, 1 in flight", 1_048_576.0),
            ],
            axis: "bytes in each direction",
        },
    ),
    (
        "open-loop",
        "Latency at a constant rate of calls, on one core",
        Lines {
            title: "Calls at a constant rate, from when each should have begun, one core",
            section: OPEN_LOOP,
            place: ONE_CORE,
            unit: P99,
            points: &[
                ("1000 calls/s of 64 B", 1000.0),
                ("5000 calls/s of 64 B", 5000.0),
                ("20000 calls/s of 64 B", 20_000.0),
                ("40000 calls/s of 64 B", 40_000.0),
            ],
            axis: "calls per second",
        },
    ),
];

const fn bars(title: &'static str, what: &'static str, place: &'static str, unit: &'static str) -> Bars {
    Bars { title, section: UNARY, what, place, unit }
}

/// A file's part that is generated. `folder` is the relative path of the report's folder.
pub(super) fn part(about: &About, table: &Table, folder: &str) -> String {
    format!(
        "{}\n![{}]({folder}/{}.svg)\n\nBoth processes on one core, medians; {}, {}. [The whole \
         report]({folder}/report.md) has the spread of each figure, other placements, more kinds of calls, and \
         [the figures in which grpc-ipc is behind]({folder}/behind.md).\n",
        rows(table),
        BARS[0].1,
        BARS[0].0,
        about.date,
        about.machine,
    )
}

/// The table of the summary.
fn rows(table: &Table) -> String {
    let found: Vec<_> = ROWS
        .iter()
        .filter_map(|(section, what, unit, name)| Some((name, table.figures(section, what, ONE_CORE, unit)?)))
        .collect();
    let mut text = String::from("|");
    for (name, _) in &found {
        _ = write!(text, " | {name}");
    }
    _ = write!(text, " |\n|---|{}\n", "---:|".repeat(found.len()));
    let mut others = String::new();
    for stack in Stack::ALL.into_iter().rev() {
        let median = |figures: &Figures| median(figures, stack);
        if found.iter().all(|(_, figures)| median(figures).is_none()) {
            others.push_str(&with_few_rows(table, stack).unwrap_or_default());
            continue;
        }
        let strong = if stack == Stack::GrpcIpc { "**" } else { "" };
        _ = write!(text, "| {strong}{}{strong} |", stack.name());
        for (_, figures) in &found {
            let shown = median(figures).map_or_else(|| "–".to_owned(), number);
            _ = write!(text, " {strong}{shown}{strong} |");
        }
        text.push('\n');
    }
    text + &others
}

fn median(figures: &Figures, stack: Stack) -> Option<f64> {
    figures.get(&stack).and_then(|figures| Spread::of(figures)).map(|spread| spread.median)
}

/// A paragraph about a stack that has only these rows.
fn with_few_rows(table: &Table, stack: Stack) -> Option<String> {
    let figure =
        |(what, unit), stack| Some(number(median(table.figures(UNARY, what, ONE_CORE, unit)?, stack)?));
    let [one, many] = FEW;
    Some(format!(
        "\n{}, calls of 100 B only: {} µs, and {} calls/s with 64 in flight. The same with grpc-ipc: {} µs and {} \
         calls/s.\n",
        stack.name(),
        figure(one, stack)?,
        figure(many, stack)?,
        figure(one, Stack::GrpcIpc)?,
        figure(many, Stack::GrpcIpc)?,
    ))
}

/// The first page.
pub(super) fn text(about: &About, table: &Table, charts: &[(&str, &str)]) -> String {
    let mut text = format!(
        "# Report\n\n{}\n\n`{}` measured this on {}, in {} minutes with the builds.\n\n- Machine: {}\n- Versions: {}\n\n[Measured \
         performance](../performance.md) describes the stacks and the kinds of calls. All figures are in \
         [figures.json](figures.json).\n\n## One core\n\n{}\n",
        super::GENERATED,
        about.options,
        about.date,
        about.minutes,
        about.machine,
        about.versions.join(", "),
        rows(table),
    );
    for (name, alternative) in charts {
        _ = write!(text, "![{alternative}]({name}.svg)\n\n");
    }
    text.push_str("## All figures\n\n");
    for page in &PAGES {
        _ = writeln!(text, "- [{}]({}.md)", page.title, page.name);
    }
    text.push_str("- [Where grpc-ipc is behind](behind.md)\n");
    if !table.notes.is_empty() {
        text.push_str("\n## Notes\n");
        for note in &table.notes {
            _ = write!(text, "\n{note}\n");
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::shapes::Shape;

    #[test]
    fn what_is_shown_is_measured() {
        let all = Shape::all();
        let is_measured = |section: &str, what: &str| {
            let found = all.iter().any(|shape| shape.section == section && shape.what == what);
            assert!(found, "{section}: {what}");
        };
        ROWS.iter().for_each(|(section, what, ..)| is_measured(section, what));
        FEW.iter().for_each(|(what, _)| is_measured(UNARY, what));
        for bars in BARS.iter().flat_map(|(.., panels)| panels) {
            is_measured(bars.section, bars.what);
        }
        for (.., lines) in &LINES {
            lines.points.iter().for_each(|(what, _)| is_measured(lines.section, what));
        }
    }
}
