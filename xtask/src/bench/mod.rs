//! `cargo xtask bench`: a report in which each figure is compared with one measured next to it.
//!
//! Server and client are two processes, each pinned to a core, because otherwise the scheduler would decide the
//! figures. Users do not pin their programs, so unpinned runs are measured, too.

mod allocations;
mod build;
mod counted;
mod foreign;
mod gate;
mod h2load;
mod heap;
mod instructions;
mod limits;
mod memory;
mod options;
mod pipe;
pub(crate) mod process;
mod progress;
mod report;
mod server;
mod shapes;
mod stack;
mod syscalls;
mod table;
mod timed;

use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::Result;
use crate::command::works;
use build::{Profile, Programs};
use options::Options;
use process::placed;
use shapes::Shape;
use table::Table;

pub(crate) use report::outdated;

/// The settings of a run.
struct Bench {
    began: Instant,
    /// The time for each kind of call, in seconds.
    seconds: f64,
    /// How often each stack is measured.
    rounds: usize,
    /// Whether to omit what takes long.
    quick: bool,
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
        Duration::from_secs(60) + Duration::from_secs_f64(4.0 * self.seconds)
    }

    /// The number of rounds for figures that hardly differ between rounds.
    fn count_rounds(&self) -> usize {
        if self.quick { 1 } else { self.rounds.min(3) }
    }

    /// Whether to measure a kind of call in this place.
    fn is_wanted(&self, shape: &Shape, profile: Profile, placement: Placement) -> bool {
        let is_one_core = placement.name == ONE_CORE.name;
        let is_whole = if self.quick {
            is_one_core && !shape.is_slow()
        } else {
            is_one_core || profile == Profile::Release
        };
        is_whole || shape.is_headline()
    }

    /// Whether to measure stacks in other languages in this place.
    fn has_foreign(&self, profile: Profile, placement: Placement) -> bool {
        profile == Profile::Release && (!self.quick || placement.name == ONE_CORE.name)
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

/// A part of the report.
#[derive(Clone, Copy)]
struct Section {
    /// Its name on the command line.
    name: &'static str,
    /// The profiles for it; `None`: every measured profile.
    profiles: Option<&'static [Profile]>,
    /// Whether it is measured in a quick run.
    is_quick: bool,
    measure: fn(&Bench, &mut Table) -> Result,
}

const SECTIONS: [Section; 7] = [
    Section { name: "calls", profiles: None, is_quick: true, measure: timed::measure },
    Section { name: "h2load", profiles: None, is_quick: true, measure: h2load::measure },
    Section { name: "instructions", profiles: None, is_quick: true, measure: instructions::measure },
    Section {
        name: "syscalls",
        profiles: Some(&[Profile::Release]),
        is_quick: true,
        measure: syscalls::measure,
    },
    Section {
        name: "allocations",
        profiles: Some(&[Profile::Release, Profile::Profiling]),
        is_quick: true,
        measure: allocations::measure,
    },
    Section { name: "memory", profiles: Some(&[Profile::Release]), is_quick: true, measure: memory::measure },
    Section { name: "pipe", profiles: Some(&[]), is_quick: false, measure: pipe::measure },
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
    if options == ["--render"] {
        return report::render();
    }
    let began = Instant::now();
    let options = Options::parse(options)?;
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
    let profiles = [Profile::Release, Profile::Lto, Profile::Profiling];
    let programs = Programs::build(profiles.into_iter().filter(|profile| options.needs(*profile)))?;
    let bench = Bench {
        began,
        seconds: options.seconds,
        rounds: options.rounds,
        quick: options.quick,
        programs,
        directory: tempfile::tempdir()?,
        placements,
        profiles: options.profiles.clone(),
    };
    let mut failures = Vec::new();
    for section in &options.sections {
        if let Err(error) = (section.measure)(&bench, &mut table) {
            failures.push(format!("{}: {error}", section.name));
        }
    }
    if !failures.is_empty() {
        return Err(failures.join("\n").into());
    }
    if options.is_whole() {
        report::write(&bench, &table)
    } else {
        report::print(&table);
        Ok(())
    }
}
