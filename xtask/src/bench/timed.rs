//! Kinds of calls that the programs time themselves. The processor time of both processes is measured, too.

use super::build::Profile;
use super::foreign;
use super::progress::Progress;
use super::server::{Server, Setup};
use super::shapes::{CALLS, CLIENT, MEGABYTES, MESSAGES, P50, P99, P999, SERVER, Shape};
use super::stack::Stack;
use super::table::{Row, Table};
use super::{Bench, Placement};
use crate::Result;

pub(super) fn measure(bench: &Bench, table: &mut Table) -> Result {
    let mut runs = Vec::new();
    for profile in &bench.profiles {
        for placement in &bench.placements {
            let shapes =
                Shape::all().into_iter().filter(|shape| bench.is_wanted(shape, *profile, *placement));
            let shapes: Vec<_> = shapes.collect();
            for round in 1..=bench.rounds {
                runs.extend(shapes.iter().map(|shape| (*profile, *placement, round, shape.clone())));
            }
        }
    }
    let missing: Vec<_> = Stack::ALL
        .into_iter()
        .filter(|stack| {
            let version = if stack.is_foreign() { foreign::version(*stack) } else { return false };
            version.inspect_err(|reason| table.skip(stack.name(), reason)).is_err()
        })
        .collect();
    let mut progress = Progress::new(runs.len());
    for (profile, placement, round, shape) in runs {
        let place = place(profile, placement);
        progress.step(&format!("{place}, round {round} of {}: {}", bench.rounds, shape.name));
        // One stack after the other, so that a slow phase of the machine affects all stacks. Each kind of call runs in
        // separate processes, because earlier allocations change the cost of large messages.
        for stack in shape.stacks() {
            if missing.contains(&stack) || (stack.is_foreign() && !bench.has_foreign(profile, placement)) {
                continue;
            }
            let setup = Setup { stack, profile, placement, serve: &[] };
            let run = if stack == Stack::Dotnet { run_dotnet } else { run };
            match run(bench, setup, &shape) {
                Ok(figures) => {
                    for (unit, figure) in figures {
                        table.add(Row::new(shape.section, &*shape.what, &*place, unit), stack, figure);
                    }
                }
                Err(error) if stack.is_ours() => return Err(error),
                Err(error) => {
                    table.skip(&format!("{}, {}, {place}", stack.name(), shape.name), &error.to_string());
                }
            }
        }
    }
    Ok(())
}

/// The name of a profile and a placement in the table.
pub(super) fn place(profile: Profile, placement: Placement) -> String {
    format!("{}, {}", profile.name(), placement.name)
}

/// The figures of a kind of call, with their units. Empty if the stack does not have it.
fn run(bench: &Bench, setup: Setup, shape: &Shape) -> Result<Vec<(&'static str, f64)>> {
    let server = Server::start(bench, setup, &Vec::new())?;
    let seconds = bench.seconds.to_string();
    let mut client = server.start_client(&Vec::new(), "bench", &[&seconds, &shape.name])?;
    let mut figures = Vec::new();
    if let Some(line) = client.next_line()? {
        if line.trim_end() != format!("{} begins", shape.name) {
            return Err(format!("{} printed {line}", setup.stack.name()).into());
        }
        let before = (client.cpu()?, server.cpu()?);
        let line = client.line()?;
        let after = (client.cpu()?, server.cpu()?);
        let (count, timed) =
            figures_in(&line, shape).ok_or_else(|| format!("{} printed {line}", setup.stack.name()))?;
        figures = timed;
        let per_call = |before: f64, after: f64| (after - before) * 1e6 / count;
        figures.push((CLIENT, per_call(before.0, after.0)));
        figures.push((SERVER, per_call(before.1, after.1)));
    }
    client.finish()?;
    server.stop()?;
    Ok(figures)
}

/// The number of calls or messages in the line of a kind of call, and the figures with their units.
pub(super) fn figures_in(line: &str, shape: &Shape) -> Option<(f64, Vec<(&'static str, f64)>)> {
    let measured = Measured::read(line, &shape.name)?;
    let rate = measured.count / measured.seconds;
    let mut figures = vec![(if shape.primary == MEGABYTES { MESSAGES } else { CALLS }, rate)];
    if shape.size > 100 || shape.primary == MEGABYTES {
        figures.push((MEGABYTES, rate * f64::from(shape.size) / 1e6));
    }
    figures.extend(measured.percentiles);
    Some((measured.count, figures))
}

/// The same for the .NET program, which always measures all kinds that it has.
fn run_dotnet(bench: &Bench, setup: Setup, shape: &Shape) -> Result<Vec<(&'static str, f64)>> {
    let server = Server::start(bench, setup, &Vec::new())?;
    let mut client = server.start_client(&Vec::new(), "bench", &[&bench.seconds.to_string()])?;
    let mut figures = Vec::new();
    // Killed at the end, because it would continue with other kinds.
    loop {
        let line = client.line()?;
        figures.extend(of_dotnet(&line, shape));
        if line.starts_with("unary-64 ") {
            return Ok(figures);
        }
    }
}

/// The figure in a line of the .NET program, if it is one of this kind of call.
pub(super) fn of_dotnet(line: &str, shape: &Shape) -> Option<(&'static str, f64)> {
    let words: Vec<_> = line.split_whitespace().collect();
    let (name, unit, value) = match words[..] {
        [name, value, "us", "p50"] => (name, P50, value),
        [name, value, "us", "p99"] => (name, P99, value),
        [name, value, "calls/s"] => (name, CALLS, value),
        _ => return None,
    };
    (format!("{name}-100") == shape.name).then_some((unit, value.parse().ok()?))
}

/// A line `SHAPE count N seconds N [p50 N [p99 N [p99.9 N]]]`.
#[derive(Debug, PartialEq)]
struct Measured {
    count: f64,
    seconds: f64,
    percentiles: Vec<(&'static str, f64)>,
}

impl Measured {
    fn read(line: &str, shape: &str) -> Option<Self> {
        let mut words = line.split_whitespace();
        if words.next()? != shape {
            return None;
        }
        let mut number = |name: &str| {
            let is_next = words.next()? == name;
            words.next().filter(|_| is_next)?.parse().ok().filter(|number: &f64| *number > 0.0)
        };
        let (count, seconds) = (number("count")?, number("seconds")?);
        let percentiles = [("p50", P50), ("p99", P99), ("p99.9", P999)];
        let percentiles = percentiles.into_iter().map_while(|(name, unit)| Some((unit, number(name)?)));
        Some(Self { count, seconds, percentiles: percentiles.collect() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_figures_of_dotnet_are_read() {
        let shape = |name| Shape::all().into_iter().find(|shape| shape.name == name).unwrap();
        assert_eq!(of_dotnet("unary-1 55.1 us p50\n", &shape("unary-1-100")), Some((P50, 55.1)));
        assert_eq!(of_dotnet("unary-64 9000 calls/s\n", &shape("unary-64-100")), Some((CALLS, 9000.0)));
        assert_eq!(of_dotnet("unary-64 9000 calls/s\n", &shape("unary-1-100")), None);
        assert_eq!(of_dotnet("download-100 9 messages/s 9 MB/s", &shape("download-100")), None);
    }

    #[test]
    fn the_figures_are_read() {
        let read = |line| Measured::read(line, "unary-1-64");
        let percentiles = vec![(P50, 19.5), (P99, 20.0)];
        assert_eq!(
            read("unary-1-64 count 5000 seconds 0.1 p50 19.5 p99 20\n"),
            Some(Measured { count: 5000.0, seconds: 0.1, percentiles })
        );
        assert!(read("unary-1-64 count 5000 seconds 0.1").is_some());
        for wrong in ["", "unary-2-64 count 1 seconds 1", "unary-1-64 count 0 seconds 1", "unary-1-64 count"]
        {
            assert_eq!(read(wrong), None, "{wrong}");
        }
    }
}
