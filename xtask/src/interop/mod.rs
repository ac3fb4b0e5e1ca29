//! `cargo xtask interop`: runs all interoperability cases between our peer and every peer, in both directions, on every
//! transport.

mod cases;
mod documents;
mod lacks;
mod markdown;
mod matrix;
mod peers;
pub(crate) mod process;
mod run;
mod transport;

use std::collections::VecDeque;
use std::sync::Mutex;
use std::thread;
use std::time::Instant;

use crate::command::{cargo, command, output, run_quietly};
use crate::summary::Platform;
use crate::{Result, cross, wine};
use matrix::{Cell, Matrix, Participant};
use peers::{DIRECT, PEERS, Peer};
use run::Job;

pub(crate) use cases::{ALL, OFFICIAL};
pub(crate) use documents::outdated;
pub(crate) use transport::Transport;

/// Our peer, built as for the tests, so that nothing is built twice.
const PEER: [&str; 6] = [
    "--workspace",
    "--exclude=grpc-ipc-benches",
    "--exclude=xtask",
    "--all-features",
    "--bin=peer",
    "--test=interop",
];

pub(crate) fn run(options: &[&str]) -> Result {
    let options = Options::parse(options)?;
    let mut transports = options.transports.clone();
    let mut _session = None;
    if transports.contains(&Transport::Pipe) && cfg!(target_os = "linux") {
        if let Some(missing) = cross::missing().or_else(wine::missing) {
            eprintln!("pipes: {missing}");
            transports.retain(|transport| *transport != Transport::Pipe);
        } else {
            run_quietly(cross::cargo("build", cross::WINDOWS_GNU).args(PEER))?;
            _session = Some(wine::Session::start()?);
        }
    }
    run_quietly(cargo().args(["build", "--locked"]).args(PEER))?;
    let found = run_all(&transports, options.peer, &options.cases);
    for missing in &found.missing {
        eprintln!("not run: {missing}");
    }
    let matrix = found.matrix()?;
    let failed: usize = matrix.cells.iter().map(|cell| cell.failed().count()).sum();
    println!("{}", documents::write(matrix, options.update)?);
    if failed == 0 { Ok(()) } else { Err(format!("{failed} cases failed").into()) }
}

/// Runs these cases on these transports, as part of `cargo xtask test`, which has built our peer.
pub(crate) fn check(platform: &mut Platform, transports: &[Transport], cases: &[&'static str]) {
    let found = run_all(transports, None, cases);
    platform.skipped.extend(found.missing.iter().map(|missing| format!("interop {missing}")));
    for cell in &found.cells {
        platform.passed += cell.passed() as u32;
        platform.failed += cell.failed().count() as u32;
        let Cell { client, server, transport, .. } = cell;
        let peer = if client == PEERS[0].name { server } else { client };
        let command = format!("cargo xtask interop --peer {peer} --transport {}", transport.name());
        for (why, cases) in cell.failures() {
            platform
                .failures
                .push(format!("{command}: {client} calls {server}: {}: {why}", cases.join(", ")));
        }
    }
}

struct Options {
    peer: Option<&'static Peer>,
    transports: Vec<Transport>,
    cases: Vec<&'static str>,
    update: bool,
}

impl Options {
    fn parse(options: &[&str]) -> Result<Self> {
        let here = Transport::ALL.into_iter().filter(|transport| transport.is_here());
        let mut parsed = Self { peer: None, transports: here.collect(), cases: Vec::new(), update: false };
        let mut rest = options;
        loop {
            rest = match rest {
                [] => break,
                ["--peer", name, rest @ ..] => {
                    let names = PEERS.each_ref().map(|peer| peer.name).join(", ");
                    let unknown = || format!("unknown peer {name:?}; the peers are: {names}");
                    parsed.peer = Some(Peer::named(name).ok_or_else(unknown)?);
                    rest
                }
                ["--transport", name, rest @ ..] => {
                    let unknown =
                        || format!("{name:?}: expected uds, abstract, pipe or tcp, as far as they work here");
                    let transport = Transport::named(name).filter(|transport| transport.is_here());
                    parsed.transports = vec![transport.ok_or_else(unknown)?];
                    rest
                }
                ["--update", rest @ ..] => {
                    parsed.update = true;
                    rest
                }
                [name, rest @ ..] => {
                    let known = cases::ALL.into_iter().find(|case| case == name);
                    let unknown = || {
                        let cases = cases::ALL.join(", ");
                        format!(
                            "{name}: expected --peer NAME, --transport NAME, --update, or a case: {cases}"
                        )
                    };
                    parsed.cases.push(known.ok_or_else(unknown)?);
                    rest
                }
            }
        }
        if parsed.update && !parsed.cases.is_empty() {
            return Err("--update needs all cases".into());
        }
        if parsed.cases.is_empty() {
            parsed.cases = cases::ALL.to_vec();
        }
        Ok(parsed)
    }
}

/// The results of a run.
struct Found {
    cells: Vec<Cell>,
    /// Peers that are not installed.
    missing: Vec<String>,
}

impl Found {
    fn matrix(self) -> Result<Matrix> {
        let took_part = |peer: &&Peer| {
            self.cells.iter().any(|cell| [&cell.client, &cell.server].contains(&&peer.name.to_owned()))
        };
        let participants = PEERS.iter().filter(took_part).map(Participant::of).collect();
        let date = output(command("date").args(["-u", "+%Y-%m-%d"]))?.trim().to_owned();
        Ok(Matrix { date, machine: machine()?, participants, cells: self.cells })
    }
}

/// Processor, cores and system.
fn machine() -> Result<String> {
    let cores = thread::available_parallelism()?;
    let system = output(command("uname").args(["-s", "-r", "-m"]))?.trim().to_owned();
    let cpuinfo = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model =
        cpuinfo.lines().find_map(|line| line.strip_prefix("model name")?.trim_start().strip_prefix(": "));
    Ok(format!("{}{cores} cores, {system}", model.map(|model| format!("{model}, ")).unwrap_or_default()))
}

/// Runs these cases in all cells of these transports, or in those of a peer, as many at once as there are cores.
fn run_all(transports: &[Transport], only: Option<&Peer>, cases: &[&'static str]) -> Found {
    let mut missing = Vec::new();
    let mut jobs = VecDeque::new();
    let chosen = |peer: &&Peer| only.is_none_or(|only| only.name == peer.name);
    for transport in transports {
        for peer in PEERS.iter().filter(chosen) {
            if let Some(reason) =
                peer.has_no(*transport).is_none().then(|| peer.missing(*transport)).flatten()
            {
                missing.push(format!("({}, {}): {reason}", peer.name, transport.title()));
                continue;
            }
            let ours = &PEERS[0];
            let mut meet = |client, server| jobs.push_back(Job { client, server, transport: *transport });
            meet(peer, ours);
            meet(peer, &DIRECT);
            if peer.name != ours.name {
                meet(ours, peer);
            }
        }
    }
    let total = jobs.len();
    let jobs = Mutex::new(jobs.into_iter().enumerate().collect::<VecDeque<_>>());
    let cells = Mutex::new(Vec::new());
    let work = || {
        while let Some((number, job)) = next(&jobs) {
            let started = Instant::now();
            let cell = job.run(cases);
            let mut cells = cells.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
            cells.push((number, cell));
            let (_, cell) = &cells[cells.len() - 1];
            progress(cell, cells.len(), total, started);
        }
    };
    let workers = thread::available_parallelism().map_or(2, usize::from);
    thread::scope(|scope| (0..workers).for_each(|_| _ = scope.spawn(work)));
    let mut cells = cells.into_inner().unwrap_or_else(|poisoned| poisoned.into_inner());
    cells.sort_by_key(|(number, _)| *number);
    Found { cells: cells.into_iter().map(|(_, cell)| cell).collect(), missing }
}

fn next<T>(jobs: &Mutex<VecDeque<T>>) -> Option<T> {
    jobs.lock().unwrap_or_else(|poisoned| poisoned.into_inner()).pop_front()
}

fn progress(cell: &Cell, done: usize, total: usize, started: Instant) {
    let Cell { client, server, transport, .. } = cell;
    let (over, seconds) = (transport.title(), started.elapsed().as_secs_f64());
    let summary = markdown::summary(cell);
    eprintln!("{done:3}/{total}  {client} calls {server} over {over}: {summary} ({seconds:.1} s)");
    for (why, cases) in cell.failures() {
        eprintln!("         {}: {why}", cases.join(", "));
    }
}
