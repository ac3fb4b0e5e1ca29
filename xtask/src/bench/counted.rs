//! Counts a tool's events per call: two runs of different length, and the difference of the counts over the difference
//! of the calls. Events before the first call and after the last one cancel out.

use std::ffi::OsString;
use std::fs;
use std::path::Path;

use super::Bench;
use super::server::{Server, Setup};
use super::table::Table;
use crate::command::{command, works};
use crate::{Result, setup};

/// The client's command, and the two numbers of repetitions.
#[derive(Clone, Copy)]
pub(super) struct Runs {
    /// `calls` or `connections`.
    pub(super) command: &'static str,
    pub(super) short: u32,
    pub(super) long: u32,
}

impl Runs {
    pub(super) const CALLS: Self = Self { command: "calls", short: 1_000, long: 3_000 };
}

/// A tool that runs a program and writes a report to a file, from which a `T` is read.
pub(super) struct Counter<T> {
    /// The command line before the program, given the file.
    pub(super) tool: fn(&Path) -> Vec<OsString>,
    /// Reads the report.
    pub(super) read: fn(&str) -> Result<T>,
}

/// A value for each side.
#[derive(Clone, Copy)]
pub(super) struct Sides<T> {
    pub(super) client: T,
    pub(super) server: T,
}

impl<T> Sides<T> {
    pub(super) fn map<U>(self, mut map: impl FnMut(T) -> U) -> Sides<U> {
        Sides { client: map(self.client), server: map(self.server) }
    }

    /// Each value with the name of its side.
    pub(super) fn named(self) -> [(&'static str, T); 2] {
        [("client", self.client), ("server", self.server)]
    }
}

impl<const N: usize> Counter<[u64; N]> {
    /// The cost of one call. `options` are those of the command.
    pub(super) fn per_call(
        &self,
        bench: &Bench,
        setup: Setup,
        runs: Runs,
        options: &[&str],
    ) -> Result<Sides<[f64; N]>> {
        let [short, long] = self.both(bench, setup, runs, options)?;
        let calls = f64::from(runs.long - runs.short);
        let difference = |short: [u64; N], long: [u64; N]| {
            std::array::from_fn(|count| (long[count] as f64 - short[count] as f64) / calls)
        };
        Ok(Sides {
            client: difference(short.client, long.client),
            server: difference(short.server, long.server),
        })
    }
}

impl<T> Counter<T> {
    /// The short run and the long one. Both sides are counted at once, because a tool that slows down only one of them
    /// would change how many calls are in flight.
    pub(super) fn both(
        &self,
        bench: &Bench,
        setup: Setup,
        runs: Runs,
        options: &[&str],
    ) -> Result<[Sides<T>; 2]> {
        let count = |calls| self.count(bench, setup, runs.command, calls, options);
        Ok([count(runs.short)?, count(runs.long)?])
    }

    fn count(
        &self,
        bench: &Bench,
        setup: Setup,
        name: &str,
        count: u32,
        options: &[&str],
    ) -> Result<Sides<T>> {
        let report = |side: &str| bench.directory.path().join(side);
        let (client, server) = (report("client"), report("server"));
        let count = count.to_string();
        let arguments = [&[count.as_str()], options].concat();
        let process = Server::start(bench, setup, &(self.tool)(&server))?;
        let printed = process.client(&(self.tool)(&client), name, &arguments)?;
        process.stop()?;
        if printed.trim() != format!("{count} {name}") {
            return Err(format!(
                "{} should have made {count} {name}, but printed: {printed}",
                setup.stack.name()
            )
            .into());
        }
        let reports = Sides { client, server }.map(|path| (self.read)(&fs::read_to_string(path)?));
        Ok(Sides { client: reports.client?, server: reports.server? })
    }
}

/// Why a tool cannot count here, if it cannot.
pub(super) fn missing(tool: &[&str]) -> Option<String> {
    let name = tool[0];
    if works(command(name).args(&tool[1..]).arg("true")) {
        None
    } else if works(command(name).arg("--version")) {
        Some(format!("{name} does not work here"))
    } else {
        Some(format!("{name} is missing; run `{}`", setup::CURE))
    }
}

/// Whether a section's tool works. If not, the table says so.
pub(super) fn has(tool: &[&str], section: &str, table: &mut Table) -> bool {
    let missing = missing(tool);
    if let Some(reason) = &missing {
        table.skip(section, reason);
    }
    missing.is_none()
}
