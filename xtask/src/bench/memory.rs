//! The heap memory of an idle connection: the difference between many and few open connections, as DHAT counts it. The
//! server's resident memory is measured beside it. That includes memory that the allocator keeps, and is less
//! repeatable.

use std::fs;

use super::build::Profile;
use super::counted::{Runs, Sides, has};
use super::heap::{DHAT, PROBE};
use super::server::{Server, Setup};
use super::stack::Stack;
use super::table::{Row, Table};
use super::{Bench, ONE_CORE};
use crate::Result;

const SECTION: &str = "Memory";
const RUNS: Runs = Runs { command: "connections", short: 20, long: 120 };

/// The numbers of open connections for the resident memory. They are larger because the system allocates pages.
const FEW_AND_MANY: [u32; 2] = [100, 900];

/// The use of each connection; a quick run has only the first.
const USES: [(&str, &[&str]); 3] = [
    ("idle", &[]),
    ("after a call of 100 bytes", &["--size", "100"]),
    ("after a call of 40 kB", &["--size", "40000"]),
];

pub(super) fn measure(bench: &Bench, table: &mut Table) -> Result {
    if !has(&PROBE, SECTION, table) {
        return Ok(());
    }
    for (used, options) in &USES[..if bench.quick { 1 } else { USES.len() }] {
        for stack in Stack::COUNTED {
            eprintln!("memory: {}, {used}", stack.name());
            let setup = Setup { stack, profile: Profile::Release, placement: ONE_CORE, serve: &[] };
            let [short, long] = DHAT.both(bench, setup, RUNS, options)?;
            let peaks = Sides {
                client: (short.client.peak, long.client.peak),
                server: (short.server.peak, long.server.peak),
            };
            for (side, (short, long)) in peaks.named() {
                let what = format!("a connection, {used}, {side}");
                let row = Row::new(SECTION, what, setup.profile.name(), "bytes");
                table.add(row, stack, (long as f64 - short as f64) / f64::from(RUNS.long - RUNS.short));
            }
            let resident = |count| peak_of_server(bench, setup, count, options);
            let what = format!("a connection, {used}, server, resident");
            let row = Row::new(SECTION, what, setup.profile.name(), "bytes");
            table.add(
                row,
                stack,
                (resident(FEW_AND_MANY[1])? - resident(FEW_AND_MANY[0])?)
                    / f64::from(FEW_AND_MANY[1] - FEW_AND_MANY[0]),
            );
        }
    }
    Ok(())
}

/// The peak resident memory of a server with `count` open connections, in bytes.
fn peak_of_server(bench: &Bench, setup: Setup, count: u32, options: &[&str]) -> Result<f64> {
    let server = Server::start(bench, setup, &Vec::new())?;
    server.client(&Vec::new(), RUNS.command, &[&[&*count.to_string()], options].concat())?;
    let status = fs::read_to_string(format!("/proc/{}/status", server.id()))?;
    server.stop()?;
    Ok(peak(&status).ok_or("the status of a process has no VmHWM")? * 1024.0)
}

/// The peak of the resident set, in KiB (proc_pid_status(5)).
fn peak(status: &str) -> Option<f64> {
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    peak.trim().strip_suffix(" kB")?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_peak_is_read() {
        assert_eq!(peak("Name:\tpeer\nVmHWM:\t    5120 kB\nVmRSS:\t 1 kB\n"), Some(5120.0));
        assert_eq!(peak("Name:\tpeer\n"), None);
    }
}
