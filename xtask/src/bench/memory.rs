//! The heap memory that a connection holds while nothing is in flight: the difference of what many connections and few
//! have at once, as DHAT counts it. Unlike the memory that the system gives to a process, it does not depend on what the
//! allocator keeps.

use super::build::Profile;
use super::counted::{Runs, Sides, has};
use super::heap::{DHAT, PROBE};
use super::server::Setup;
use super::stack::Stack;
use super::table::{Row, Table};
use super::{Bench, ONE_CORE};
use crate::Result;

const SECTION: &str = "Memory";
const RUNS: Runs = Runs { command: "connections", short: 20, long: 120 };

/// What was done with each connection.
const USES: [(&str, &[&str]); 3] = [
    ("idle", &[]),
    ("after a call of 100 bytes", &["--size", "100"]),
    ("after a call of 40 kB", &["--size", "40000"]),
];

pub(super) fn measure(bench: &Bench, table: &mut Table) -> Result {
    if !has(&PROBE, SECTION, table) {
        return Ok(());
    }
    for (used, options) in USES {
        for stack in Stack::GRPC {
            eprintln!("memory: {}, {used}", stack.name());
            let setup = Setup { stack, profile: Profile::Release, placement: ONE_CORE, serve: &[] };
            let [short, long] = DHAT.both(bench, setup, RUNS, options)?;
            let peaks = Sides {
                client: (short.client.peak, long.client.peak),
                server: (short.server.peak, long.server.peak),
            };
            for (side, (short, long)) in peaks.named() {
                let row = Row {
                    section: SECTION,
                    what: format!("a connection, {used}, {side}"),
                    place: setup.profile.name().to_owned(),
                    unit: "bytes",
                };
                table.add(row, stack, (long as f64 - short as f64) / f64::from(RUNS.long - RUNS.short));
            }
        }
    }
    Ok(())
}
