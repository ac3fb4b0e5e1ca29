//! Measures the server's cost alone, with the same independent client for both servers.

use std::fs;
use std::path::Path;

use super::process::{Process, placed};
use super::server::{Server, Setup};
use super::shapes::{CALLS, SERVER};
use super::stack::Stack;
use super::table::{Row, Table};
use super::timed::place;
use super::{Bench, Placement};
use crate::command::{command, works};
use crate::{Result, setup};

const SECTION: &str = "h2load";
const STREAMS: [&str; 2] = ["1", "64"];

pub(super) fn measure(bench: &Bench, table: &mut Table) -> Result {
    if !works(command("h2load").arg("--version")) {
        table.skip(SECTION, &format!("h2load is missing; run `{}`", setup::CURE));
        return Ok(());
    }
    let body = bench.directory.path().join("body");
    fs::write(&body, message())?;
    for profile in bench.profiles.iter().copied() {
        for placement in &bench.placements {
            let place = place(profile, *placement);
            for round in 1..=bench.rounds {
                eprintln!("h2load, {place}: round {round} of {}", bench.rounds);
                for streams in STREAMS {
                    for stack in Stack::GRPC {
                        let setup = Setup { stack, profile, placement: *placement, serve: &[] };
                        let (report, cpu) = match run(bench, setup, streams, &body) {
                            Err(error) if !stack.is_ours() => {
                                let what = format!("h2load, {streams} in flight, {place}, {}", stack.name());
                                table.skip(&what, &error.to_string());
                                continue;
                            }
                            run => run?,
                        };
                        let row =
                            |unit| Row::new(SECTION, format!("100 B, {streams} in flight"), &*place, unit);
                        table.add(row(CALLS), stack, report.rate);
                        table.add(row(SERVER), stack, cpu * 1e6 / report.calls);
                    }
                }
            }
        }
    }
    Ok(())
}

/// h2load's report about a server, and the processor time in seconds that the server used.
fn run(bench: &Bench, setup: Setup, streams: &str, body: &Path) -> Result<(Report, f64)> {
    let server = Server::start(bench, setup, &Vec::new())?;
    let before = server.cpu()?;
    let report = load(bench, setup.placement, server.path(), streams, body)?;
    let cpu = server.cpu()? - before;
    server.stop()?;
    Ok((report, cpu))
}

/// A `Chunk` with 100 bytes of payload, after gRPC's prefix of flag and length.
fn message() -> Vec<u8> {
    const CHUNK: [u8; 2] = [1 << 3 | 2, 100];
    let mut message = vec![0, 0, 0, 0, 102];
    message.extend(CHUNK);
    message.resize(5 + 102, 0);
    message
}

fn load(bench: &Bench, placement: Placement, socket: &str, streams: &str, body: &Path) -> Result<Report> {
    let mut h2load = placed(placement.client, "h2load");
    h2load
        .arg(format!("--duration={:.0}ms", bench.seconds * 1e3))
        .args(["--clients=1", "--threads=1", "--max-concurrent-streams", streams])
        .arg(format!("--base-uri=unix:{socket}"))
        .arg("--data")
        .arg(body)
        .args(["--header=content-type: application/grpc", "--header=te: trailers"])
        .arg("http://localhost/ipc.bench.Bench/Echo");
    Report::read(&Process::start(&mut h2load, bench.limit())?.finish()?)
}

/// h2load's report.
#[derive(Debug, PartialEq)]
struct Report {
    calls: f64,
    /// Calls per second.
    rate: f64,
}

impl Report {
    /// Fails unless all calls were answered with the message that they sent.
    fn read(printed: &str) -> Result<Self> {
        let number = |line: &str, unit: &str| {
            let line = printed.lines().find(|found| found.starts_with(line))?;
            let words: Vec<_> =
                line.split([' ', ',', ';', '(', ')']).filter(|word| !word.is_empty()).collect();
            let at = words.iter().rposition(|word| *word == unit)?;
            words.get(at.checked_sub(1)?)?.parse::<f64>().ok()
        };
        let get = |line, unit| {
            number(line, unit).ok_or_else(|| format!("h2load printed no number of {line} {unit}: {printed}"))
        };
        let calls = get("requests:", "done")?;
        // A failed call has no data, because its status is in the headers.
        let data = get("traffic:", "data")?;
        // The answer to a call that is not counted may have begun.
        if calls == 0.0 || get("status codes:", "2xx")? < calls || data < calls * message().len() as f64 {
            return Err(format!("not all calls were answered\n{printed}").into());
        }
        Ok(Self { calls, rate: get("finished in", "req/s")? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PRINTED: &str = "\
finished in 500.57ms, 71808.00 req/s, 9.45MB/s
requests: 35904 total, 35968 started, 35904 done, 35904 succeeded, 0 failed, 0 errored, 0 timeout
status codes: 35904 2xx, 0 3xx, 0 4xx, 0 5xx
traffic: 4.73MB (4954977) total, 105.22KB (107747) headers (space savings 95.77%), 3.66MB (3841728) data
";

    #[test]
    fn a_report_is_read() {
        let report = Report { calls: 35904.0, rate: 71808.0 };
        assert_eq!(Report::read(PRINTED).unwrap(), report);
        // At the end of its time, h2load has the head of another answer.
        assert_eq!(Report::read(&PRINTED.replace("35904 2xx", "35905 2xx")).unwrap(), report);
    }

    #[test]
    fn a_call_without_an_answer_is_seen() {
        assert!(Report::read(&PRINTED.replace("35904 2xx, 0 3xx", "35903 2xx, 1 3xx")).is_err());
        assert!(Report::read(&PRINTED.replace("3841728", "3841621")).is_err());
        assert!(Report::read("").is_err());
    }
}
