//! The tables: a long one for the guide, and a short one for the README.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::cases::{self, Outcome};
use super::matrix::{Cell, Matrix, Participant};
use super::transport::Transport;

const OURS: &str = "grpc-ipc";
const DIRECT: &str = "grpc-ipc-direct";

/// The caller and the server of a table's calls, for a peer.
type Direction = fn(&str) -> (&str, &str);
const DIRECTIONS: [(&str, Direction); 3] = [
    ("Their client, our server", |peer| (peer, OURS)),
    ("Our client, their server", |peer| (OURS, peer)),
    ("Their client, our server with direct calls", |peer| (peer, DIRECT)),
];

/// The part of the guide: all cells, and why cases failed or do not apply.
pub(super) fn guide(matrix: &Matrix) -> String {
    let mut text = format!("Last run on {}, on {}.\n\n", matrix.date, matrix.machine);
    text += "| implementation | versions |\n|---|---|\n";
    for peer in &matrix.participants {
        // Writing to a string cannot fail.
        _ = writeln!(text, "| {} | {} |", peer.title, peer.version);
    }
    let reasons = Reasons::of(matrix);
    let transports = transports(matrix);
    for (what, direction) in DIRECTIONS {
        _ = writeln!(text, "\n### {what}\n");
        let titles: Vec<_> = transports.iter().map(|transport| transport.title()).collect();
        _ = writeln!(text, "| | {} |", titles.join(" | "));
        _ = writeln!(text, "|---|{}", "---|".repeat(transports.len()));
        for peer in rows(matrix, direction) {
            let (client, server) = direction(&peer.name);
            let cells = transports.iter().map(|transport| match matrix.cell(client, server, *transport) {
                Some(cell) => reasons.show(cell),
                None => "not run".to_owned(),
            });
            _ = writeln!(text, "| {} | {} |", peer.title, cells.collect::<Vec<_>>().join(" | "));
        }
    }
    let failures = |cell| Cell::failures(cell).into_iter().map(move |failure| (cell, failure));
    let failures: Vec<_> = matrix.cells.iter().flat_map(failures).collect();
    if !failures.is_empty() {
        text += "\n### Failures\n\n";
        for (cell, (why, cases)) in failures {
            let Cell { client, server, .. } = cell;
            let over = cell.transport.title();
            _ = writeln!(
                text,
                "- {client} calls {server} over {over}: {}: {}",
                listed(&cases),
                one_line(why)
            );
        }
    }
    if !reasons.0.is_empty() {
        text += "\n### Not applicable\n\n";
        for (number, (why, cases)) in reasons.0.iter().enumerate() {
            _ = writeln!(text, "{}. {}: {}.", number + 1, listed(cases), one_line(why).trim_end_matches('.'));
        }
    }
    text
}

/// The part of the README: the cells of a peer as one, in each direction.
pub(super) fn readme(matrix: &Matrix) -> String {
    let mut text = "| implementation | versions | its client, our server | our client, its server | over |\n\
                    |---|---|---|---|---|\n"
        .to_owned();
    for peer in &matrix.participants {
        let both = [DIRECTIONS[0].1, DIRECTIONS[1].1].map(|direction| {
            let (client, server) = direction(&peer.name);
            matrix
                .cells
                .iter()
                .filter(|cell| cell.client == client && cell.server == server)
                .collect::<Vec<_>>()
        });
        let met = |transport: &Transport| {
            let runs =
                |cell: &&Cell| cell.transport == *transport && cell.passed() + cell.failed().count() > 0;
            both.iter().flatten().any(runs)
        };
        let over: Vec<_> = Transport::ALL.into_iter().filter(met).map(Transport::title).collect();
        let [theirs, ours] = both.each_ref().map(|cells| {
            let passed: usize = cells.iter().map(|cell| cell.passed()).sum();
            let failed: usize = cells.iter().map(|cell| cell.failed().count()).sum();
            if passed + failed == 0 {
                "–".to_owned()
            } else {
                format!("{passed} of {} passed", passed + failed)
            }
        });
        _ = writeln!(text, "| {} | {} | {theirs} | {ours} | {} |", peer.title, peer.version, over.join(", "));
    }
    text
}

/// The peers of a table. Ours with itself is only in the first of two that would be the same.
fn rows(matrix: &Matrix, direction: Direction) -> impl Iterator<Item = &Participant> {
    let twice = direction(OURS) == (OURS, OURS) && direction("") == (OURS, "");
    matrix.participants.iter().filter(move |peer| !(twice && peer.name == OURS))
}

fn transports(matrix: &Matrix) -> Vec<Transport> {
    let ran = |transport: &Transport| matrix.cells.iter().any(|cell| cell.transport == *transport);
    Transport::ALL.into_iter().filter(ran).collect()
}

/// Names of cases.
fn listed(cases: &[&str]) -> String {
    match cases.len() {
        len if len == cases::ALL.len() => "all cases".to_owned(),
        _ => cases.iter().map(|case| format!("`{case}`")).collect::<Vec<_>>().join(", "),
    }
}

fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Why cases do not apply, and which cases.
struct Reasons<'a>(Vec<(&'a str, Vec<&'static str>)>);

impl<'a> Reasons<'a> {
    fn of(matrix: &'a Matrix) -> Self {
        let mut reasons: Vec<(&str, Vec<&str>)> = Vec::new();
        let found = matrix.cells.iter().flat_map(Cell::not_applicable);
        let mut known: BTreeMap<&str, usize> = BTreeMap::new();
        for (case, why) in found {
            let at = *known.entry(why).or_insert_with(|| {
                reasons.push((why, Vec::new()));
                reasons.len() - 1
            });
            let Some(case) = cases::ALL.into_iter().find(|known| *known == case) else { continue };
            if !reasons[at].1.contains(&case) {
                reasons[at].1.push(case);
            }
        }
        Self(reasons)
    }

    /// The cell's text: how many passed of those that apply, and the numbers of the reasons for the others.
    fn show(&self, cell: &Cell) -> String {
        let (passed, failed) = (cell.passed(), cell.failed().count());
        let listed =
            |(_, (why, _)): &(usize, &(&str, _))| cell.not_applicable().any(|(_, reason)| reason == *why);
        let numbers: Vec<_> =
            self.0.iter().enumerate().filter(listed).map(|(number, _)| (number + 1).to_string()).collect();
        let notes =
            if numbers.is_empty() { String::new() } else { format!(" <sup>{}</sup>", numbers.join(", ")) };
        match (passed, failed) {
            (0, 0) => format!("–{notes}"),
            (_, 0) => format!("{passed}/{passed}{notes}"),
            _ => format!("**{passed}/{}**{notes}", passed + failed),
        }
    }
}

/// The outcome of a cell in a line.
pub(super) fn summary(cell: &Cell) -> String {
    let not_applicable =
        cell.cases.iter().filter(|(_, outcome)| matches!(outcome, Outcome::NotApplicable(_))).count();
    format!("{} passed, {} failed, {not_applicable} not applicable", cell.passed(), cell.failed().count())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::interop::matrix::tests::example;

    #[test]
    fn the_guide_has_every_cell_and_each_reason_once() {
        let text = guide(&example());
        for line in [
            "| C++ | grpc 1.51 |",
            "| C++ | **1/2** | 1/1 <sup>1</sup> |",
            "| C++ | – <sup>1</sup> | not run |",
            "- cpp calls grpc-ipc over sockets: `ping_pong`: it \"broke\"",
            "1. `ping_pong`, `empty_unary`: it has no ping.",
        ] {
            assert!(text.lines().any(|found| found == line), "{line}\n\n{text}");
        }
        assert_eq!(text.matches("it has no ping").count(), 1);
    }

    #[test]
    fn the_readme_has_a_row_for_each_peer() {
        let text = readme(&example());
        let row = "| C++ | grpc 1.51 | 2 of 3 passed | – | sockets, TCP |";
        assert!(text.lines().any(|line| line == row), "{text}");
    }
}
