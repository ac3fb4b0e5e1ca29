//! Counts, with strace, the system calls that move bytes or wait for them.

use std::ffi::OsString;
use std::path::Path;

use super::build::Profile;
use super::counted::{Counter, Runs, has};
use super::process::END_WITH_PARENT;
use super::server::Setup;
use super::stack::Stack;
use super::table::{Row, Table};
use super::timed::place;
use super::{Bench, ONE_CORE};
use crate::Result;

const SECTION: &str = "System calls";
const STACKS: [Stack; 6] = Stack::COUNTED;

const WRITES: [&str; 4] = ["write", "writev", "sendto", "sendmsg"];
const READS: [&str; 4] = ["read", "readv", "recvfrom", "recvmsg"];
const WAITS: [&str; 3] = ["epoll_wait", "epoll_pwait", "epoll_pwait2"];

/// Calls in flight, and the size of a payload in bytes.
const SHAPES: [(&str, &str); 3] = [("1", "100"), ("64", "100"), ("1", "16000")];

/// The kinds of system calls, in this order.
pub(super) const KINDS: [&str; 3] = ["writes", "reads", "waits"];

/// A command that tests whether strace works.
pub(super) const PROBE: [&str; 4] = ["strace", "-c", "-o", "/dev/null"];
pub(super) const STRACE: Counter<[u64; 3]> = Counter { tool, read };

pub(super) fn measure(bench: &Bench, table: &mut Table) -> Result {
    if !has(&PROBE, SECTION, table) {
        return Ok(());
    }
    for round in 1..=bench.count_rounds() {
        eprintln!("system calls: round {round} of {}", bench.count_rounds());
        for (in_flight, size) in SHAPES {
            for stack in STACKS {
                let profile = Profile::Release;
                let setup = Setup { stack, profile, placement: ONE_CORE, serve: &[] };
                let options = ["--in-flight", in_flight, "--size", size];
                for (side, counts) in STRACE.per_call(bench, setup, Runs::CALLS, &options)?.named() {
                    for (kind, count) in KINDS.iter().zip(counts) {
                        let what = format!("{kind}, {in_flight} in flight, {size} bytes, {side}");
                        let row = Row::new(SECTION, what, place(profile, ONE_CORE), "calls/call");
                        table.add(row, stack, count);
                    }
                }
            }
        }
    }
    Ok(())
}

fn tool(report: &Path) -> Vec<OsString> {
    let trace = format!("--trace={}", [&WRITES[..], &READS, &WAITS].concat().join(","));
    let mut strace: Vec<OsString> =
        vec!["strace".into(), "-f".into(), "-c".into(), trace.into(), "-o".into()];
    strace.push(report.into());
    // A traced program continues if strace is killed, and it does not notice that its parent was.
    strace.extend(END_WITH_PARENT.map(Into::into));
    strace
}

/// The [`KINDS`], from lines `% time, seconds, usecs/call, calls, [errors,] syscall`. A read without data counts, too.
fn read(report: &str) -> Result<[u64; 3]> {
    let mut counts = [0; 3];
    for line in report.lines() {
        let words: Vec<_> = line.split_whitespace().collect();
        let (Some(name), Some(Ok(calls))) = (words.last(), words.get(3).map(|calls| calls.parse::<u64>()))
        else {
            continue;
        };
        for (count, names) in counts.iter_mut().zip([&WRITES[..], &READS, &WAITS]) {
            if names.contains(name) {
                *count += calls;
            }
        }
    }
    if counts.contains(&0) { Err(format!("strace counted nothing: {report}").into()) } else { Ok(counts) }
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
  0.00    0.000000           0         7           epoll_wait
------ ----------- ----------- --------- --------- ----------------
100.00    0.000410           1       317        50 total
";
        assert_eq!(read(report).unwrap(), [100, 210, 7]);
        assert!(read("").is_err());
    }
}
