//! Latency, throughput, streams and large messages, measured by the programs themselves.

use super::build::Profile;
use super::server::{Server, Setup};
use super::stack::Stack;
use super::table::{Row, Table};
use super::{Bench, Placement};
use crate::Result;

/// A section with several kinds of calls.
pub(super) struct Plan {
    name: &'static str,
    /// Their names in the programs. A program prints nothing for a kind that its stack does not have.
    shapes: &'static [&'static str],
    stacks: &'static [Stack],
    /// Whether each kind runs in separate processes. Earlier allocations in a process change the cost of large
    /// messages, and h2 closes the connection of a client whose small messages it cannot deliver fast enough.
    alone: bool,
    /// The share of the time for each kind.
    share: f64,
}

pub(super) const CALLS: Plan =
    Plan { name: "calls", shapes: &["unary-1", "unary-64"], stacks: &Stack::HERE, alone: false, share: 1.0 };

pub(super) const STREAMS: Plan = Plan {
    name: "streams",
    shapes: &["exchange-1", "download-100-awaited", "upload-100-awaited", "download-1048576"],
    stacks: &[Stack::Raw, Stack::Tonic, Stack::GrpcIpcTonicCode, Stack::GrpcIpc],
    alone: true,
    share: 1.0,
};

pub(super) const LARGE: Plan = Plan {
    name: "large",
    shapes: &["echo-65536", "echo-262144", "echo-1048576", "echo-4194304", "echo-16777216"],
    stacks: &[Stack::Raw, Stack::Tonic, Stack::GrpcIpcTonicCode, Stack::GrpcIpc],
    alone: true,
    share: 0.25,
};

impl Plan {
    pub(super) fn measure(&self, bench: &Bench, table: &mut Table) -> Result {
        for profile in bench.profiles.iter().copied() {
            for placement in &bench.placements {
                for round in 1..=bench.rounds {
                    eprintln!(
                        "{}, {}, {}: round {round} of {}",
                        self.name,
                        profile.name(),
                        placement.name,
                        bench.rounds
                    );
                    self.round(bench, profile, *placement, table)?;
                }
            }
        }
        Ok(())
    }

    /// The client's output.
    fn run(&self, bench: &Bench, setup: Setup, shapes: &[&str]) -> Result<String> {
        let server = Server::start(bench, setup, &Vec::new())?;
        let seconds = (bench.seconds * self.share).to_string();
        let printed = server.client(&Vec::new(), "bench", &[&[&*seconds], shapes].concat())?;
        server.stop()?;
        Ok(printed)
    }

    /// Runs one stack after the other, so that a slow phase of the machine affects all stacks.
    fn round(&self, bench: &Bench, profile: Profile, placement: Placement, table: &mut Table) -> Result {
        let place = format!("{}, {}", profile.name(), placement.name);
        let runs: Vec<_> = if self.alone { self.shapes.chunks(1).collect() } else { vec![self.shapes] };
        let mut costs = vec![Vec::new(); self.stacks.len()];
        for shapes in runs {
            for (stack, costs) in self.stacks.iter().zip(&mut costs) {
                let setup = Setup { stack: *stack, profile, placement, serve: &[] };
                let printed = match self.run(bench, setup, shapes) {
                    Err(error) if !stack.is_ours() => {
                        table.skip(
                            &format!("{}, {place}, {}", shapes.join(", "), stack.name()),
                            &error.to_string(),
                        );
                        continue;
                    }
                    printed => printed?,
                };
                for figure in printed.lines().filter_map(Figure::read) {
                    costs.extend(figure.per_byte);
                    table.add(figure.row(&place), *stack, figure.value);
                }
            }
        }
        for (stack, costs) in self.stacks.iter().zip(costs) {
            if let Some(spread) = spread(&costs) {
                let row = Row {
                    section: "Large messages",
                    what: "cost a byte, 64 KiB to 16 MiB".to_owned(),
                    place: place.clone(),
                    unit: "dearest/cheapest",
                };
                table.add(row, *stack, spread);
            }
        }
        Ok(())
    }
}

/// The ratio of the largest to the smallest.
fn spread(costs: &[f64]) -> Option<f64> {
    let least = costs.iter().copied().reduce(f64::min)?;
    Some(costs.iter().copied().reduce(f64::max)? / least)
}

/// The table's figure in a line `SHAPE VALUE UNIT`.
#[derive(Debug, PartialEq)]
pub(super) struct Figure {
    section: &'static str,
    what: String,
    value: f64,
    unit: &'static str,
    /// The cost of one byte, in a call that echoes many.
    per_byte: Option<f64>,
}

impl Figure {
    pub(super) fn read(line: &str) -> Option<Self> {
        let words: Vec<_> = line.split(' ').collect();
        let (section, what, value, unit) = match words[..] {
            ["unary-1", p50, "us", "p50"] => ("Calls", "1 in flight, p50", p50, "µs"),
            ["unary-64", calls, "calls/s"] => ("Calls", "64 in flight", calls, "calls/s"),
            ["exchange-1", p50, "us", "p50"] => {
                ("Streams", "100 bytes there and back on an open stream, p50", p50, "µs")
            }
            ["download-100-awaited", messages, "messages/s", ..] => {
                ("Streams", "100 bytes down, each awaited", messages, "messages/s")
            }
            ["upload-100-awaited", messages, "messages/s", ..] => {
                ("Streams", "100 bytes up, each awaited", messages, "messages/s")
            }
            ["download-1048576", _, _, megabytes, "MB/s"] => ("Streams", "1 MiB down", megabytes, "MB/s"),
            [echo, p50, "us", "p50"] => return Self::of_echo(echo.strip_prefix("echo-")?, p50),
            _ => return None,
        };
        Some(Self { section, what: what.to_owned(), value: value.parse().ok()?, unit, per_byte: None })
    }

    fn of_echo(size: &str, p50: &str) -> Option<Self> {
        let (size, value): (u32, f64) = (size.parse().ok()?, p50.parse().ok()?);
        Some(Self {
            section: "Large messages",
            what: format!("unary echo of {} KiB, p50", size / 1024),
            value,
            unit: "µs",
            per_byte: Some(value / f64::from(size)),
        })
    }

    pub(super) fn value(&self) -> f64 {
        self.value
    }

    /// Whether it belongs to a section of the table.
    pub(super) fn is_of(&self, section: &str) -> bool {
        self.section == section
    }

    pub(super) fn row(&self, place: &str) -> Row {
        Row { section: self.section, what: self.what.clone(), place: place.to_owned(), unit: self.unit }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lines_of_all_shapes_are_read() {
        let read = |line: &str| Figure::read(line).map(|figure| (figure.what, figure.value, figure.per_byte));
        assert_eq!(read("unary-1 19.1 us p50"), Some(("1 in flight, p50".to_owned(), 19.1, None)));
        assert_eq!(read("unary-1 38.1 us p99"), None);
        assert_eq!(read("unary-64 190207 calls/s"), Some(("64 in flight".to_owned(), 190_207.0, None)));
        assert_eq!(
            read("echo-65536 65.536 us p50"),
            Some(("unary echo of 64 KiB, p50".to_owned(), 65.536, Some(0.001)))
        );
        assert_eq!(read("echo-65536 123.9 us p99"), None);
        let download = "download-1048576 3916 messages/s 4106 MB/s";
        assert_eq!(read(download), Some(("1 MiB down".to_owned(), 4106.0, None)));
        for shape in CALLS.shapes.iter().chain(STREAMS.shapes).chain(LARGE.shapes) {
            let is_read = ["us p50", "calls/s", "messages/s 1 MB/s"]
                .iter()
                .any(|unit| Figure::read(&format!("{shape} 1 {unit}")).is_some());
            assert!(is_read, "{shape}");
        }
    }

    #[test]
    fn the_dearest_is_compared_with_the_cheapest() {
        assert_eq!(spread(&[2.0, 1.0, 3.0]), Some(3.0));
        assert_eq!(spread(&[]), None);
    }
}
