//! `cargo xtask bench --gate`: the cost of a call, against committed limits. Only repeatable figures are compared:
//! instructions, system calls and allocations, not time.

use std::fs;
use std::time::Instant;

use super::build::{Profile, Programs};
use super::counted::{Runs, missing};
use super::limits::{Figures, Limits, Unit};
use super::process::placed;
use super::server::Setup;
use super::stack::Stack;
use super::{Bench, ONE_CORE, heap, instructions, syscalls};
use crate::command::{command, output, works};
use crate::{Result, workspace};

const FILE: &str = "xtask/bench-limits.txt";
const STACKS: [Stack; 2] = [Stack::GrpcIpc, Stack::GrpcIpcTonicCode];
/// Enough calls for runs to differ by less than one hundredth.
const RUNS: Runs = Runs { command: "calls", short: 500, long: 1_500 };

/// Compares, and returns what could not be measured here, with the reasons. Fails if a call costs more than its limit.
pub(crate) fn check() -> Result<Vec<String>> {
    let Measured { mut figures, skipped } = Measured::here()?;
    if figures.is_empty() {
        return Ok(skipped);
    }
    let limits = Limits::parse(&workspace::read(FILE)?)?;
    let toolchain = toolchain()?;
    let mut verdict = limits.judge(&figures, &toolchain);
    if !verdict.exceeded.is_empty() {
        // The load of the machine may have changed the order in which the two processes ran. That rarely happens twice.
        for (name, again) in Measured::here()?.figures {
            figures.entry(name).and_modify(|(_, count)| *count = count.min(again.1));
        }
        verdict = limits.judge(&figures, &toolchain);
    }
    println!("{}", verdict.text);
    if verdict.exceeded.is_empty() {
        return Ok(skipped);
    }
    Err(format!(
        "a call costs more than its limit:\n{}\nIf it is worth that, run `cargo xtask bench --gate --update`, which \
         writes what it costs into {FILE}, and commit that file with the reason.",
        verdict.exceeded.join("\n")
    )
    .into())
}

/// Writes the current costs to the file of limits.
pub(super) fn update() -> Result {
    let Measured { figures, skipped } = Measured::here()?;
    if !skipped.is_empty() {
        return Err(format!(
            "all limits must be updated together, but some cannot be measured: {}",
            skipped.join("; ")
        )
        .into());
    }
    fs::write(workspace::root().join(FILE), Limits::new(toolchain()?, figures).to_string())?;
    println!("wrote {FILE}");
    Ok(())
}

/// The figures measured on this machine.
#[derive(Default)]
struct Measured {
    figures: Figures,
    skipped: Vec<String>,
}

impl Measured {
    fn here() -> Result<Self> {
        let mut measured = Self::default();
        if !works(&mut placed(ONE_CORE.server, "true")) {
            let reason = "setsid, setpriv and taskset do not work here, or nothing may run on core 0";
            measured.skipped.push(format!("what a call costs: {reason}"));
            return Ok(measured);
        }
        let mut runs = |tool: &[&str], what: &str| {
            let missing = missing(tool);
            measured.skipped.extend(missing.iter().map(|reason| format!("{what} a call: {reason}")));
            missing.is_none()
        };
        let instructions = runs(&instructions::PROBE, "instructions");
        let syscalls = runs(&syscalls::PROBE, "system calls");
        let allocations = runs(&heap::PROBE, "allocations");
        if !(instructions || syscalls || allocations) {
            return Ok(measured);
        }
        let bench = Bench {
            began: Instant::now(),
            seconds: 1.0,
            rounds: 1,
            quick: true,
            programs: Programs::build_ours(Profile::Release)?,
            directory: tempfile::tempdir()?,
            placements: vec![ONE_CORE],
            profiles: vec![Profile::Release],
        };
        for stack in STACKS {
            if instructions {
                measured.instructions(&bench, stack)?;
            }
            if syscalls {
                measured.syscalls(&bench, stack)?;
            }
            if allocations {
                measured.allocations(&bench, stack)?;
            }
        }
        Ok(measured)
    }

    fn instructions(&mut self, bench: &Bench, stack: Stack) -> Result {
        for shape in [instructions::ONE, instructions::MANY, instructions::METADATA] {
            let setup = setup(stack, shape.serve);
            let per_call = instructions::CALLGRIND.per_call(bench, setup, RUNS, shape.calls)?;
            for (side, [count]) in per_call.named() {
                self.add(stack, shape.what, side, Unit::Instructions, count);
            }
        }
        Ok(())
    }

    fn syscalls(&mut self, bench: &Bench, stack: Stack) -> Result {
        let shape = instructions::ONE;
        let per_call = syscalls::STRACE.per_call(bench, setup(stack, shape.serve), RUNS, shape.calls)?;
        for (side, counts) in per_call.named() {
            for (unit, count) in [Unit::Writes, Unit::Reads, Unit::Waits].into_iter().zip(counts) {
                self.add(stack, shape.what, side, unit, count);
            }
        }
        Ok(())
    }

    fn allocations(&mut self, bench: &Bench, stack: Stack) -> Result {
        for shape in [instructions::ONE, instructions::METADATA] {
            let setup = setup(stack, shape.serve);
            let per_call = heap::DHAT_TOTALS.per_call(bench, setup, RUNS, shape.calls)?;
            for (side, [count, _bytes]) in per_call.named() {
                self.add(stack, shape.what, side, Unit::Allocations, count);
            }
        }
        Ok(())
    }

    fn add(&mut self, stack: Stack, what: &str, side: &str, unit: Unit, count: f64) {
        self.figures.insert(format!("{}, {what}, {side}, {}", stack.name(), unit.name()), (unit, count));
    }
}

fn setup(stack: Stack, serve: &'static [&'static str]) -> Setup {
    Setup { stack, profile: Profile::Release, placement: ONE_CORE, serve }
}

/// The toolchain, which also affects the number of instructions.
fn toolchain() -> Result<String> {
    let version = output(command("rustc").arg("--version"))?;
    Ok(version.split_whitespace().take(2).collect::<Vec<_>>().join(" "))
}
