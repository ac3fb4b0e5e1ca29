//! Named pipes under Wine: ours, tonic's, and ASP.NET Core's server with .NET's client.

use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};

use super::Bench;
use super::build::OURS;
use super::process::{Process, in_session};
use super::stack::{PEER, Stack};
use super::table::Table;
use super::timed::Figure;
use crate::command::run_quietly;
use crate::{Result, cross, wine, workspace};

const SECTION: &str = "pipe";
const TARGET: &str = "x86_64-pc-windows-gnu";
const SHAPES: [&str; 2] = ["unary-1", "unary-64"];

/// The variable with the .NET program, as for the tests.
const KESTREL: &str = "GRPC_IPC_DOTNET_PEER_WINDOWS";

/// The next pipe's number.
static NEXT: AtomicU32 = AtomicU32::new(0);

pub(super) fn measure(bench: &Bench, table: &mut Table) -> Result {
    if let Some(missing) = cross::missing().or_else(wine::missing) {
        table.skip(SECTION, &missing);
        return Ok(());
    }
    let _session = match wine::Session::start() {
        Ok(session) => session,
        Err(error) => {
            table.skip(SECTION, &error.to_string());
            return Ok(());
        }
    };
    let programs = Programs::build()?;
    let mut stacks = Stack::GRPC.to_vec();
    if programs.kestrel.is_some() {
        stacks.insert(0, Stack::Kestrel);
    } else {
        table.skip("pipe, Kestrel", &format!("{KESTREL} is not set to a .NET peer"));
    }
    for runtime in ["multi", "current"] {
        let place = format!("release, Wine, {runtime}-thread");
        for round in 1..=bench.rounds {
            eprintln!("pipe, {place}: round {round} of {}", bench.rounds);
            for stack in &stacks {
                for figure in programs.bench(bench, *stack, runtime)?.lines().filter_map(Figure::read) {
                    // The .NET program does not let the caller choose the kinds of calls.
                    if figure.is_of("Calls") {
                        let row = figure.row(&place);
                        let row = super::table::Row { section: "Pipe", ..row };
                        table.add(row, *stack, figure.value());
                    }
                }
            }
        }
    }
    Ok(())
}

/// The Windows programs.
struct Programs {
    ours: PathBuf,
    kestrel: Option<PathBuf>,
}

impl Programs {
    fn build() -> Result<Self> {
        run_quietly(cross::cargo("build", TARGET).arg("--release").args(OURS))?;
        let ours = workspace::root().join(format!("target/cross/{TARGET}/release/{PEER}.exe"));
        Ok(Self { ours, kestrel: std::env::var_os(KESTREL).map(PathBuf::from) })
    }

    /// The output of a stack's client when it measures.
    fn bench(&self, bench: &Bench, stack: Stack, runtime: &str) -> Result<String> {
        let address = format!("npipe:bench-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let mut server = self.start(bench, stack, runtime, &["serve", &address])?;
        let line = server.line()?;
        if !line.starts_with("listening on ") {
            return Err(format!("{}: {line}", stack.name()).into());
        }
        let seconds = bench.seconds.to_string();
        let shapes = if stack == Stack::Kestrel { &[][..] } else { &SHAPES };
        let arguments = [&["bench", &*address, &*seconds], shapes].concat();
        let mut client = self.start(bench, stack, runtime, &arguments)?;
        let mut printed = String::new();
        // Both are killed: .NET's client would continue with other kinds of calls, and the only signal that Wine sends
        // to a server is Ctrl-C.
        while !printed.lines().last().is_some_and(|line| line.starts_with(SHAPES[1])) {
            printed += &client.line()?;
        }
        Ok(printed)
    }

    fn start(&self, bench: &Bench, stack: Stack, runtime: &str, arguments: &[&str]) -> Result<Process> {
        let program = if stack == Stack::Kestrel { self.kestrel.as_ref() } else { Some(&self.ours) };
        let program = program.and_then(|path| path.to_str()).ok_or("the path of a program is not Unicode")?;
        let options = if stack == Stack::Kestrel { vec![] } else { vec!["--runtime", runtime] };
        let arguments = [arguments, stack.options(), &options].concat();
        Process::start(&mut in_session(&wine::wine(program, &arguments)), bench.limit())
    }
}
