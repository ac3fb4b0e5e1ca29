//! The system calls of a call that move bytes, as strace counts them.

use std::ffi::OsString;
use std::path::Path;

use super::Bench;
use super::counted::Counter;
use super::process::END_WITH_PARENT;
use super::stack::Stack;
use super::table::{Row, Table};
use crate::command::{command, works};
use crate::{Result, setup};

const SECTION: &str = "System calls";
const READS: [&str; 4] = ["read", "readv", "recvfrom", "recvmsg"];
const WRITES: [&str; 4] = ["write", "writev", "sendto", "sendmsg"];
const STACKS: [Stack; 3] = [Stack::Raw, Stack::Tonic, Stack::GrpcIpc];

pub(super) fn measure(bench: &Bench, table: &mut Table) -> Result {
    if !works(command("strace").args(["-c", "-o", "/dev/null", "true"])) {
        table.skip(SECTION, &format!("strace does not work; run `{}`", setup::CURE));
        return Ok(());
    }
    let strace = Counter { tool, read };
    for round in 1..=bench.rounds {
        eprintln!("system calls: round {round} of {}", bench.rounds);
        for size in ["100", "16000"] {
            for stack in STACKS {
                let per_call = strace.per_call(bench, stack, &["--size", size])?;
                for (side, [reads, writes]) in [("client", per_call.client), ("server", per_call.server)] {
                    let row = |unit| Row {
                        section: SECTION,
                        what: format!("1 in flight, {size} bytes, {side}"),
                        place: "release, one core".to_owned(),
                        unit,
                        base: Stack::Raw,
                    };
                    table.add(row("writes/call"), stack, writes);
                    table.add(row("reads/call"), stack, reads);
                }
            }
        }
    }
    Ok(())
}

fn tool(report: &Path) -> Vec<OsString> {
    let trace = format!("--trace={}", [READS, WRITES].concat().join(","));
    let mut strace: Vec<OsString> =
        vec!["strace".into(), "-f".into(), "-c".into(), trace.into(), "-o".into()];
    strace.push(report.into());
    // A program that is traced goes on if strace is killed, and this one does not see that its parent was.
    strace.extend(END_WITH_PARENT.map(Into::into));
    strace
}

/// Reads and writes, of lines `% time, seconds, usecs/call, calls, [errors,] syscall`. A read that finds nothing is one
/// too.
fn read(report: &str) -> Result<[u64; 2]> {
    let mut counts = [0; 2];
    for line in report.lines() {
        let words: Vec<_> = line.split_whitespace().collect();
        let (Some(name), Some(Ok(calls))) = (words.last(), words.get(3).map(|calls| calls.parse::<u64>()))
        else {
            continue;
        };
        for (count, names) in counts.iter_mut().zip([READS, WRITES]) {
            if names.contains(name) {
                *count += calls;
            }
        }
    }
    if counts.contains(&0) { Err(format!("strace has counted nothing: {report}").into()) } else { Ok(counts) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_are_added_up() {
        let report = "\
% time     seconds  usecs/call     calls    errors syscall
------ ----------- ----------- --------- --------- ----------------
 60.00    0.000300           3       100           writev
 30.00    0.000100           1       201        50 recvfrom
 10.00    0.000010           1         9           read
------ ----------- ----------- --------- --------- ----------------
100.00    0.000410           1       310        50 total
";
        assert_eq!(read(report).unwrap(), [210, 100]);
        assert!(read("").is_err());
    }
}
