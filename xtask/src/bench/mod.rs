//! `cargo xtask bench`: one table per run, in which each figure is compared with one measured next to it.
//!
//! Server and client are two processes, each pinned to a core, because otherwise the scheduler would decide the
//! figures. Users do not pin their programs, so unpinned runs are measured, too.

mod allocations;
mod build;
mod counted;
mod gate;
mod h2load;
mod heap;
mod instructions;
mod limits;
mod memory;
mod pipe;
pub(crate) mod process;
mod server;
mod stack;
mod syscalls;
mod table;
mod timed;

use std::time::Duration;

use tempfile::TempDir;

use crate::Result;
use crate::command::works;
use build::{Profile, Programs};
use process::placed;
use table::Table;

/// The settings of a run.
struct Bench {
    /// The time for each kind of call, in seconds.
    seconds: f64,
    /// How often each stack is measured.
    rounds: usize,
    programs: Programs,
    /// The directory of the sockets, and of the tools' output.
    directory: TempDir,
    placements: Vec<Placement>,
    /// The build profiles whose time and instructions are measured.
    profiles: Vec<Profile>,
}

impl Bench {
    /// The maximum time of any program in this run.
    fn limit(&self) -> Duration {
        Duration::from_secs(300) + Duration::from_secs_f64(4.0 * self.seconds)
    }
}

/// The cores of the two processes, and the runtime for their tasks.
#[derive(Clone, Copy)]
struct Placement {
    name: &'static str,
    /// `None`: not pinned.
    server: Option<u32>,
    client: Option<u32>,
    /// tokio's runtime, single-threaded or multi-threaded.
    runtime: &'static str,
}

const ONE_CORE: Placement =
    Placement { name: "one core", server: Some(0), client: Some(0), runtime: "current" };
const TWO_CORES: Placement =
    Placement { name: "two cores", server: Some(0), client: Some(1), runtime: "current" };
/// Like a program with `#[tokio::main]`.
const NOT_PINNED: Placement =
    Placement { name: "not pinned, multi-thread", server: None, client: None, runtime: "multi" };

/// A section of the table.
#[derive(Clone, Copy)]
struct Section {
    /// Its name on the command line.
    name: &'static str,
    /// The profiles for it; `None`: every measured profile.
    profiles: Option<&'static [Profile]>,
    measure: fn(&Bench, &mut Table) -> Result,
}

const SECTIONS: [Section; 9] = [
    Section { name: "calls", profiles: None, measure: |bench, table| timed::CALLS.measure(bench, table) },
    Section { name: "streams", profiles: None, measure: |bench, table| timed::STREAMS.measure(bench, table) },
    Section { name: "large", profiles: None, measure: |bench, table| timed::LARGE.measure(bench, table) },
    Section { name: "h2load", profiles: None, measure: h2load::measure },
    Section { name: "instructions", profiles: None, measure: instructions::measure },
    Section { name: "syscalls", profiles: Some(&[Profile::Release]), measure: syscalls::measure },
    Section {
        name: "allocations",
        profiles: Some(&[Profile::Release, Profile::Profiling]),
        measure: allocations::measure,
    },
    Section { name: "memory", profiles: Some(&[Profile::Release]), measure: memory::measure },
    Section { name: "pipe", profiles: Some(&[]), measure: pipe::measure },
];

pub(crate) use gate::check as gate;

pub(crate) fn run(options: &[&str]) -> Result {
    match options {
        ["--gate"] => {
            let skipped = gate::check()?;
            skipped.iter().for_each(|skipped| println!("Skipped: {skipped}"));
            return Ok(());
        }
        ["--gate", "--update"] => return gate::update(),
        _ => {}
    }
    let Options { seconds, rounds, profiles, sections } = Options::parse(options)?;
    if !works(&mut placed(ONE_CORE.server, "true")) {
        return Err(
            "setsid, setpriv and taskset (util-linux) do not work here, or nothing may run on core 0".into(),
        );
    }
    let mut table = Table::default();
    let mut placements = vec![ONE_CORE];
    if works(&mut placed(TWO_CORES.client, "true")) {
        placements.push(TWO_CORES);
    } else {
        table.skip("two cores", "nothing may run on core 1");
    }
    placements.push(NOT_PINNED);
    let programs = Programs::build(
        [Profile::Release, Profile::Lto, Profile::Profiling]
            .into_iter()
            .filter(|profile| sections.iter().any(|section| section.profiles(&profiles).contains(profile))),
    )?;
    let bench = Bench { seconds, rounds, programs, directory: tempfile::tempdir()?, placements, profiles };
    let mut failures = Vec::new();
    for section in sections {
        if let Err(error) = (section.measure)(&bench, &mut table) {
            failures.push(format!("{}: {error}", section.name));
        }
    }
    println!("{table}");
    if failures.is_empty() { Ok(()) } else { Err(failures.join("\n").into()) }
}

/// The options on the command line.
struct Options {
    seconds: f64,
    rounds: usize,
    profiles: Vec<Profile>,
    sections: Vec<Section>,
}

impl Options {
    fn parse(words: &[&str]) -> Result<Self> {
        let (mut seconds, mut rounds, mut profiles, mut sections) =
            (2.0, 3, Profile::ALL.to_vec(), Vec::new());
        let mut words = words.iter();
        while let Some(word) = words.next() {
            let mut value = || words.next().ok_or_else(|| format!("{word}: expected a value after it"));
            match *word {
                "--seconds" => seconds = value()?.parse()?,
                "--rounds" => rounds = value()?.parse()?,
                "--profile" => profiles = vec![Profile::named(value()?)?],
                name => sections.push(Section::named(name)?),
            }
        }
        if !(seconds > 0.0 && seconds <= 3600.0) || rounds == 0 {
            return Err("expected --seconds above 0 and up to 3600, and --rounds of at least 1".into());
        }
        if sections.is_empty() {
            sections.extend(SECTIONS);
        }
        Ok(Self { seconds, rounds, profiles, sections })
    }
}

impl Section {
    /// The profiles for it, if these profiles are measured.
    fn profiles<'a>(&self, measured: &'a [Profile]) -> &'a [Profile] {
        self.profiles.unwrap_or(measured)
    }

    fn named(name: &str) -> Result<Self> {
        let known = SECTIONS.iter().find(|section| section.name == name).copied();
        known.ok_or_else(|| {
            let names = SECTIONS.map(|section| section.name).join("|");
            format!("{name}: expected --seconds N, --rounds N, --profile release|lto, --gate [--update] alone, or {names}").into()
        })
    }
}
