//! The instructions of a call, as callgrind counts them. Those of the kernel are not among them.

use std::ffi::OsString;
use std::path::Path;

use super::Bench;
use super::counted::Counter;
use super::stack::Stack;
use super::table::{Row, Table};
use crate::command::{command, works};
use crate::{Result, setup};

const SECTION: &str = "Instructions";
const STACKS: [Stack; 3] = [Stack::Raw, Stack::Tonic, Stack::GrpcIpc];

pub(super) fn measure(bench: &Bench, table: &mut Table) -> Result {
    if !works(command("valgrind").args(["--tool=callgrind", "--callgrind-out-file=/dev/null", "true"])) {
        table.skip(SECTION, &format!("valgrind does not work; run `{}`", setup::CURE));
        return Ok(());
    }
    let callgrind = Counter { tool, read };
    for round in 1..=bench.rounds {
        eprintln!("instructions: round {round} of {}", bench.rounds);
        for in_flight in ["1", "64"] {
            for stack in STACKS {
                let per_call = callgrind.per_call(bench, stack, &["--in-flight", in_flight])?;
                for (side, [instructions]) in [("client", per_call.client), ("server", per_call.server)] {
                    let row = Row {
                        section: SECTION,
                        what: format!("{in_flight} in flight, {side}"),
                        place: "release, one core".to_owned(),
                        unit: "instructions/call",
                        // Not raw: with many in flight it handles all of them as one.
                        base: Stack::Tonic,
                    };
                    table.add(row, stack, instructions);
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
    Ok([totals.ok_or("callgrind has written no totals")?.trim().parse()?])
}
