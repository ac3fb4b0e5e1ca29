//! Latency, throughput and downloads, as the programs themselves measure them.

use super::Bench;
use super::build::Profile;
use super::server::Server;
use super::stack::Stack;
use super::table::{Row, Table};
use crate::Result;

pub(super) fn measure(bench: &Bench, table: &mut Table) -> Result {
    for profile in Profile::ALL {
        for placement in &bench.placements {
            let place = format!("{}, {}", profile.name(), placement.name);
            for round in 1..=bench.rounds {
                eprintln!("calls, {place}: round {round} of {}", bench.rounds);
                // One stack after the other in each round, so that a slow time of the machine is one of all stacks.
                for stack in Stack::ALL {
                    let server = Server::start(bench, stack, profile, *placement, &Vec::new())?;
                    let printed = server.client(&Vec::new(), "bench", &[&bench.seconds.to_string()])?;
                    server.stop()?;
                    for (row, figure) in printed.lines().filter_map(|line| figure(line, &place)) {
                        table.add(row, stack, figure);
                    }
                }
            }
        }
    }
    Ok(())
}

/// What of a line `SHAPE VALUE UNIT` goes into the table.
fn figure(line: &str, place: &str) -> Option<(Row, f64)> {
    let words: Vec<_> = line.split(' ').collect();
    let (section, what, figure, unit, base) = match words[..] {
        ["unary-1", p50, "us", "p50"] => ("Calls", "1 in flight, p50", p50, "µs", Stack::Raw),
        ["unary-64", calls, "calls/s"] => ("Calls", "64 in flight", calls, "calls/s", Stack::Tarpc),
        ["download-1048576", _, _, megabytes, "MB/s"] => {
            ("Downloads", "messages of 1 MiB", megabytes, "MB/s", Stack::Raw)
        }
        _ => return None,
    };
    let row = Row { section, what: what.to_owned(), place: place.to_owned(), unit, base };
    Some((row, figure.parse().ok()?))
}
