//! The figures of a run.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::stack::Stack;
use crate::Result;

/// The meaning of a row's figures.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Row {
    pub(super) section: String,
    pub(super) what: String,
    /// The build profile and the placement.
    pub(super) place: String,
    pub(super) unit: String,
}

impl Row {
    pub(super) fn new(section: &str, what: impl Into<String>, place: impl Into<String>, unit: &str) -> Self {
        Self { section: section.to_owned(), what: what.into(), place: place.into(), unit: unit.to_owned() }
    }

    /// Whether a larger figure is better.
    pub(super) fn more_is_better(&self) -> bool {
        self.unit.ends_with("/s")
    }
}

/// The figures of each stack, one for each round.
pub(super) type Figures = BTreeMap<Stack, Vec<f64>>;

/// All figures of a run.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Table {
    pub(super) rows: Vec<(Row, Figures)>,
    pub(super) notes: Vec<String>,
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

    /// Notes a measurement that was skipped, once. If a program failed, `reason` begins with its command line, which is
    /// not noted, because it has paths of this machine and differs from round to round.
    pub(super) fn skip(&mut self, what: &str, reason: &str) {
        eprintln!("skipped: {what}: {reason}");
        let line = reason.lines().next().unwrap_or_default();
        let how = line.split_once(": ").filter(|(command, _)| command.contains('/'));
        let reason = how.map_or(line, |(_, how)| how);
        self.note(format!("Skipped: {what}: {reason}"));
    }

    /// Adds a paragraph, unless it is there.
    pub(super) fn note(&mut self, text: String) {
        if !self.notes.contains(&text) {
            self.notes.push(text);
        }
    }

    pub(super) fn figures(&self, section: &str, what: &str, place: &str, unit: &str) -> Option<&Figures> {
        let row = Row::new(section, what, place, unit);
        self.rows.iter().find(|(known, _)| *known == row).map(|(_, figures)| figures)
    }

    pub(super) fn to_json(&self) -> Value {
        let rows = self.rows.iter().map(|(row, figures)| {
            let figures: Map<_, _> =
                figures.iter().map(|(stack, rounds)| (stack.name().to_owned(), json!(rounds))).collect();
            json!({
                "section": row.section, "what": row.what, "place": row.place, "unit": row.unit,
                "figures": figures,
            })
        });
        json!({ "rows": rows.collect::<Vec<_>>(), "notes": self.notes })
    }

    pub(super) fn from_json(value: &Value) -> Result<Self> {
        let mut table = Self::default();
        for value in list(&value["rows"])? {
            let text = |name: &str| value[name].as_str().ok_or_else(|| format!("a row has no {name}"));
            let row = Row::new(text("section")?, text("what")?, text("place")?, text("unit")?);
            let mut figures = Figures::new();
            for (name, rounds) in value["figures"].as_object().ok_or("a row has no figures")? {
                let stack = Stack::named(name).ok_or_else(|| format!("unknown stack {name}"))?;
                let rounds = list(rounds)?.iter().map(Value::as_f64).collect::<Option<_>>();
                figures.insert(stack, rounds.ok_or("a figure is not a number")?);
            }
            table.rows.push((row, figures));
        }
        for note in list(&value["notes"])? {
            table.note(note.as_str().ok_or("a note is not text")?.to_owned());
        }
        Ok(table)
    }
}

fn list(value: &Value) -> Result<&Vec<Value>> {
    Ok(value.as_array().ok_or("expected a list")?)
}

/// The median of figures, with their range.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Spread {
    pub(super) least: f64,
    pub(super) median: f64,
    pub(super) most: f64,
}

impl Spread {
    /// `None` without figures.
    pub(super) fn of(figures: &[f64]) -> Option<Self> {
        let mut figures = figures.to_vec();
        figures.sort_unstable_by(f64::total_cmp);
        let middle = figures.len() / 2;
        let median = match figures.len() {
            0 => return None,
            count if count % 2 == 1 => figures[middle],
            _ => f64::midpoint(figures[middle - 1], figures[middle]),
        };
        Some(Self { least: figures[0], median, most: *figures.last()? })
    }

    /// grpc-ipc's figures over those of another stack, round by round.
    pub(super) fn of_ratios(figures: &Figures, other: Stack) -> Option<Self> {
        let rounds = figures.get(&Stack::GrpcIpc)?.iter().zip(figures.get(&other)?);
        // A stack without such events, for example without allocations, has no ratio.
        let ratios: Vec<_> = rounds.filter(|(_, base)| **base != 0.0).map(|(own, base)| own / base).collect();
        Self::of(&ratios)
    }
}

/// Formats a number with three significant digits, or all before the decimal point.
pub(super) fn number(value: f64) -> String {
    let decimals = match value.abs() {
        value if value < 0.1 && value > 0.0 => 4,
        value if value >= 100.0 => 0,
        value if value >= 10.0 => 1,
        _ => 2,
    };
    let digits = format!("{value:.decimals$}");
    if value < 10_000.0 {
        return digits;
    }
    let mut grouped = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at) % 3 == 0 {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_is_read_as_it_is_written() {
        let mut table = Table::default();
        let row = |what: &str| Row::new("Calls", what, "release", "p50 µs");
        for (tonic, ours) in [(20.0, 15.0), (90.0, 45.0), (60.0, 46.0)] {
            table.add(row("one"), Stack::Tonic, tonic);
            table.add(row("one"), Stack::GrpcIpc, ours);
            table.add(row("two"), Stack::GrpcIpc, 1.25);
        }
        table.skip("pipes", "/home/ada/peer serve: exit status: 1");
        table.skip("pipes", "/home/bob/peer serve: exit status: 1");
        table.skip("uds", "not set: ends\nmore");
        assert_eq!(table.notes, ["Skipped: pipes: exit status: 1", "Skipped: uds: not set: ends"]);
        assert_eq!(Table::from_json(&table.to_json()).unwrap(), table);
        assert!(Table::from_json(&json!({})).is_err());
    }

    #[test]
    fn a_ratio_is_one_of_the_same_round() {
        let figures = Figures::from([
            (Stack::Tonic, vec![20.0, 90.0, 60.0]),
            (Stack::GrpcIpc, vec![15.0, 45.0, 45.0]),
            (Stack::Raw, vec![0.0, 0.0, 0.0]),
        ]);
        let ratios = Spread { least: 0.5, median: 0.75, most: 0.75 };
        assert_eq!(Spread::of_ratios(&figures, Stack::Tonic), Some(ratios));
        assert_eq!(Spread::of_ratios(&figures, Stack::Raw), None);
        assert_eq!(Spread::of(&[4.0, 1.0]), Some(Spread { least: 1.0, median: 2.5, most: 4.0 }));
    }

    #[test]
    fn numbers_are_short() {
        let shown = [0.0123, 1.234, 12.34, 1234.5, 12_345.6, 1_234_567.0].map(number);
        assert_eq!(shown, ["0.0123", "1.23", "12.3", "1234", "12,346", "1,234,567"]);
    }
}
