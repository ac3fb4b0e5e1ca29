//! The table, in Markdown.

use std::collections::BTreeMap;
use std::fmt::{self, Display, Formatter};

use super::stack::Stack;

/// The meaning of a row's figures.
#[derive(PartialEq)]
pub(super) struct Row {
    pub(super) section: &'static str,
    pub(super) what: String,
    /// The build profile and the placement.
    pub(super) place: String,
    pub(super) unit: &'static str,
}

/// All figures of a run.
#[derive(Default)]
pub(super) struct Table {
    /// One figure for each round of a stack.
    rows: Vec<(Row, BTreeMap<Stack, Vec<f64>>)>,
    notes: Vec<String>,
}

impl Table {
    /// Adds the figure of one round.
    pub(super) fn add(&mut self, row: Row, stack: Stack, figure: f64) {
        let at = self.rows.iter().position(|(known, _)| *known == row).unwrap_or_else(|| {
            self.rows.push((row, BTreeMap::new()));
            self.rows.len() - 1
        });
        self.rows[at].1.entry(stack).or_default().push(figure);
    }

    /// Notes a measurement that was skipped.
    pub(super) fn skip(&mut self, what: &str, reason: &str) {
        self.note(format!("Skipped: {what}: {reason}"));
    }

    /// Adds a paragraph below the table.
    pub(super) fn note(&mut self, text: String) {
        self.notes.push(text);
    }
}

impl Display for Table {
    fn fmt(&self, to: &mut Formatter<'_>) -> fmt::Result {
        let stacks = Stack::ALL.into_iter();
        let stacks: Vec<_> =
            stacks.filter(|stack| self.rows.iter().any(|(_, figures)| figures.contains_key(stack))).collect();
        let names: Vec<_> = stacks.iter().map(|stack| stack.name()).collect();
        writeln!(to, "| | built, placed | unit | {} | grpc-ipc ÷ |", names.join(" | "))?;
        writeln!(to, "|---|---|---|{}---|", "---:|".repeat(stacks.len()))?;
        let mut sections: Vec<_> = self.rows.iter().map(|(row, _)| row.section).collect();
        // A section may have several parts. It is shown once, where it began.
        let mut shown = Vec::new();
        sections.retain(|section| {
            let first = !shown.contains(section);
            shown.push(*section);
            first
        });
        for section in sections {
            for (row, figures) in self.rows.iter().filter(|(row, _)| row.section == section) {
                let Row { section, what, place, unit } = row;
                write!(to, "| {section}: {what} | {place} | {unit} |")?;
                for stack in &stacks {
                    let figure = figures.get(stack).map(|figures| number(median(figures)));
                    write!(to, " {} |", figure.as_deref().unwrap_or("–"))?;
                }
                writeln!(to, " {} |", ratios_to_others(figures))?;
            }
        }
        writeln!(
            to,
            "\nFigures are medians of the rounds. Last column: grpc-ipc's figure over another stack's of the same \
             round; the median of the ratios, and the least and the greatest."
        )?;
        for note in &self.notes {
            writeln!(to, "\n{note}")?;
        }
        Ok(())
    }
}

/// grpc-ipc's ratio to each other stack, with its range.
fn ratios_to_others(figures: &BTreeMap<Stack, Vec<f64>>) -> String {
    let others = figures.keys().filter(|other| **other != Stack::GrpcIpc);
    let shown: Vec<_> =
        others.filter_map(|other| Some(format!("{} {}", other.name(), ratio(figures, *other)?))).collect();
    if shown.is_empty() { "–".to_owned() } else { shown.join("; ") }
}

fn ratio(figures: &BTreeMap<Stack, Vec<f64>>, other: Stack) -> Option<String> {
    let mut ratios = ratios(figures, Stack::GrpcIpc, other)?;
    ratios.sort_unstable_by(f64::total_cmp);
    let middle = number(median(&ratios));
    Some(match ratios[..] {
        [least, .., most] => format!("{middle}× ({}–{})", number(least), number(most)),
        _ => format!("{middle}×"),
    })
}

/// The ratio of one stack's figures to another's, round by round.
fn ratios(figures: &BTreeMap<Stack, Vec<f64>>, stack: Stack, base: Stack) -> Option<Vec<f64>> {
    let rounds = figures.get(&stack)?.iter().zip(figures.get(&base)?);
    // A stack without such events, for example without allocations, has no ratio.
    let ratios: Vec<_> = rounds.filter(|(_, base)| **base != 0.0).map(|(own, base)| own / base).collect();
    (!ratios.is_empty()).then_some(ratios)
}

fn median(figures: &[f64]) -> f64 {
    let mut figures = figures.to_vec();
    figures.sort_unstable_by(f64::total_cmp);
    let middle = figures.len() / 2;
    if figures.len() % 2 == 1 { figures[middle] } else { (figures[middle - 1] + figures[middle]) / 2.0 }
}

/// Formats a number with two or three significant digits, or all before the decimal point.
fn number(value: f64) -> String {
    let decimals = match value.abs() {
        value if value < 0.1 && value > 0.0 => 4,
        value if value >= 100.0 => 0,
        value if value >= 10.0 => 1,
        _ => 2,
    };
    format!("{value:.decimals$}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ratio_is_one_of_the_same_round() {
        let mut table = Table::default();
        let row = |section, what: &str| Row {
            section,
            what: what.to_owned(),
            place: "release".to_owned(),
            unit: "µs",
        };
        for (raw, tonic, ours) in [(10.0, 20.0, 15.0), (30.0, 90.0, 45.0), (20.0, 60.0, 46.0)] {
            table.add(row("Calls", "one"), Stack::Raw, raw);
            table.add(row("Downloads", "many"), Stack::Raw, 1234.0);
            table.add(row("Calls", "one"), Stack::Tonic, tonic);
            table.add(row("Calls", "one"), Stack::GrpcIpc, ours);
            table.add(row("Calls", "two"), Stack::Tonic, 1.0);
        }
        table.skip("Pipes", "no pipes");
        let shown = table.to_string();
        let lines: Vec<_> = shown.lines().take(5).collect();
        assert_eq!(
            lines,
            [
                "| | built, placed | unit | raw | tonic | grpc-ipc | grpc-ipc ÷ |",
                "|---|---|---|---:|---:|---:|---|",
                "| Calls: one | release | µs | 20.0 | 60.0 | 45.0 | raw 1.50× (1.50–2.30); tonic 0.75× (0.50–0.77) |",
                "| Calls: two | release | µs | – | 1.00 | – | – |",
                "| Downloads: many | release | µs | 1234 | – | – | – |",
            ]
        );
        assert!(shown.ends_with("\nSkipped: Pipes: no pipes\n"), "{shown}");
    }
}
