//! Counts the instructions of a call with callgrind. It does not include those of the kernel.

use std::ffi::OsString;
use std::path::Path;

use super::counted::{Counter, Runs, has};
use super::server::Setup;
use super::stack::Stack;
use super::table::{Row, Table};
use super::timed::place;
use super::{Bench, ONE_CORE};
use crate::Result;

const SECTION: &str = "Instructions";
const STACKS: [Stack; 6] = Stack::COUNTED;

/// A command that tests whether callgrind works.
pub(super) const PROBE: [&str; 3] = ["valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null"];
pub(super) const CALLGRIND: Counter<[u64; 1]> = Counter { tool, read };

/// A kind of call, and the options of the client and the server for it.
pub(super) struct Shape {
    pub(super) what: &'static str,
    pub(super) calls: &'static [&'static str],
    pub(super) serve: &'static [&'static str],
    stacks: &'static [Stack],
}

pub(super) const ONE: Shape =
    Shape { what: "1 in flight", calls: &["--in-flight", "1"], serve: &[], stacks: &STACKS };
pub(super) const MANY: Shape =
    Shape { what: "64 in flight", calls: &["--in-flight", "64"], serve: &[], stacks: &STACKS };
pub(super) const METADATA: Shape = Shape {
    what: "1 in flight, metadata both ways and a timeout",
    calls: &["--metadata", "same", "--timeout"],
    serve: &["--echo-metadata"],
    stacks: &Stack::GRPC,
};
const DIFFERENT: Shape = Shape {
    what: "1 in flight, metadata both ways, different in each call",
    calls: &["--metadata", "different"],
    serve: &["--echo-metadata"],
    stacks: &Stack::GRPC,
};

/// The kinds of calls; a quick run has only the first two.
const SHAPES: [Shape; 4] = [ONE, MANY, METADATA, DIFFERENT];

pub(super) fn measure(bench: &Bench, table: &mut Table) -> Result {
    if !has(&PROBE, SECTION, table) {
        return Ok(());
    }
    for profile in bench.profiles.iter().copied() {
        for round in 1..=bench.count_rounds() {
            eprintln!("instructions, {}: round {round} of {}", profile.name(), bench.count_rounds());
            for shape in &SHAPES[..if bench.quick { 2 } else { SHAPES.len() }] {
                for stack in shape.stacks {
                    let setup = Setup { stack: *stack, profile, placement: ONE_CORE, serve: shape.serve };
                    let per_call = CALLGRIND.per_call(bench, setup, Runs::CALLS, shape.calls)?;
                    for (side, [instructions]) in per_call.named() {
                        let what = format!("{}, {side}", shape.what);
                        let row = Row::new(SECTION, what, place(profile, ONE_CORE), "instructions/call");
                        table.add(row, *stack, instructions);
                    }
                }
            }
        }
    }
    Ok(())
}

fn tool(report: &Path) -> Vec<OsString> {
    let mut file = OsString::from("--callgrind-out-file=");
    file.push(report);
    vec!["valgrind".into(), "--quiet".into(), "--tool=callgrind".into(), file]
}

fn read(report: &str) -> Result<[u64; 1]> {
    let totals = report.lines().find_map(|line| line.strip_prefix("totals: "));
    Ok([totals.ok_or("callgrind wrote no totals")?.trim().parse()?])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_total_is_read() {
        assert_eq!(read("version: 1\nfn=(1)\n1 2\n\ntotals: 6227860\n").unwrap(), [6_227_860]);
        assert!(read("version: 1\n").is_err());
    }
}
