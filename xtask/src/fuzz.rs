//! `cargo xtask fuzz`: runs the targets of `crates/grpc-ipc-http2/fuzz` with libFuzzer, which looks for inputs that
//! reach new code.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::command::{cargo, command, output, run as run_command, shown};
use crate::{Result, workspace};

const PACKAGE: &str = "crates/grpc-ipc-http2/fuzz";
const TARGETS: [&str; 6] = ["frames", "hpack_decode", "hpack_round_trip", "server", "client", "differential"];

/// Makes the compiler add coverage counters for libFuzzer. There is no sanitizer: sanitizers need a nightly toolchain,
/// and there is no unsafe code to check.
const FLAGS: [&str; 7] = [
    "--cfg=fuzzing",
    "-Cpasses=sancov-module",
    "-Cllvm-args=-sanitizer-coverage-level=4",
    "-Cllvm-args=-sanitizer-coverage-inline-8bit-counters",
    "-Cllvm-args=-sanitizer-coverage-pc-table",
    "-Cllvm-args=-sanitizer-coverage-trace-compares",
    "-Ccodegen-units=1",
];

pub(crate) fn run(options: &[&str]) -> Result {
    let (seconds, targets) = parse(options)?;
    let fuzzer = Fuzzer::build(seconds)?;
    let mut failed = Vec::new();
    for target in targets {
        let run = fuzzer.run(target)?;
        println!("{}", run.line(target));
        failed.extend(run.failure.map(|input| format!("{target} fails with {input}")));
    }
    if failed.is_empty() { Ok(()) } else { Err(failed.join("\n").into()) }
}

fn parse<'a>(words: &[&'a str]) -> Result<(u64, Vec<&'a str>)> {
    let (mut seconds, mut targets) = (60, Vec::new());
    let mut words = words.iter();
    while let Some(word) = words.next() {
        match *word {
            "--seconds" => seconds = words.next().ok_or("--seconds: expected a number after it")?.parse()?,
            target if TARGETS.contains(&target) => targets.push(target),
            other => {
                return Err(format!("{other}: expected --seconds N, or {}", TARGETS.join("|")).into());
            }
        }
    }
    if targets.is_empty() {
        targets.extend(TARGETS);
    }
    Ok((seconds, targets))
}

/// The built programs.
struct Fuzzer {
    programs: PathBuf,
    /// The directory of inputs that are not committed.
    kept: PathBuf,
    time: Duration,
}

impl Fuzzer {
    fn build(seconds: u64) -> Result<Self> {
        let metadata = output(cargo().args(["metadata", "--format-version=1", "--no-deps", "--locked"]))?;
        let metadata: Value = serde_json::from_str(&metadata)?;
        let kept = Path::new(metadata["target_directory"].as_str().ok_or("cargo has no target directory")?);
        let kept = kept.join("fuzz");
        let version = output(command("rustc").arg("-vV"))?;
        let host = version.lines().find_map(|line| line.strip_prefix("host: "));
        let host = host.ok_or("rustc does not tell its host")?;
        let mut build = cargo();
        // With a target, the flags do not apply to build scripts.
        build
            .args(["build", "--locked", "--release", "--target", host])
            .arg(format!("--manifest-path={PACKAGE}/Cargo.toml"))
            .arg("--target-dir")
            .arg(kept.join("build"))
            .env("CARGO_ENCODED_RUSTFLAGS", FLAGS.join("\x1f"));
        run_command(&mut build)?;
        let programs = kept.join("build").join(host).join("release");
        Ok(Self { programs, kept, time: Duration::from_secs(seconds) })
    }

    fn run(&self, target: &str) -> Result<Run> {
        let corpus = self.kept.join("corpus").join(target);
        let failures = self.kept.join("failures");
        fs::create_dir_all(&corpus)?;
        fs::create_dir_all(&failures)?;
        let mut command = command(self.programs.join(target));
        // New inputs go to the first directory.
        command.arg(corpus);
        for committed in ["seeds", "regressions"] {
            let directory = workspace::root().join(PACKAGE).join(committed).join(target);
            command.args(directory.exists().then_some(directory));
        }
        command
            .arg(format!("-max_total_time={}", self.time.as_secs()))
            .args(["-max_len=4096", "-len_control=20", "-timeout=20", "-rss_limit_mb=1024"])
            .arg(format!("-artifact_prefix={}/{target}-", failures.display()));
        println!("$ {}", shown(&command));
        let mut child = command.stdin(Stdio::null()).stderr(Stdio::piped()).spawn()?;
        let mut run = Run::default();
        let mut said = Vec::new();
        let began = Instant::now();
        for line in BufReader::new(child.stderr.take().ok_or("no standard error")?).split(b'\n') {
            let line = String::from_utf8_lossy(&line?).into_owned();
            if !run.take(&line, began.elapsed() < self.time / 2) {
                said.push(line);
            }
        }
        let status = child.wait()?;
        if !status.success() {
            said.iter().for_each(|line| eprintln!("{line}"));
            run.failure.get_or_insert_with(|| format!("no input: {status}"));
        }
        Ok(run)
    }
}

/// libFuzzer's report.
#[derive(Debug, Default, PartialEq)]
struct Run {
    executions: u64,
    /// At the start, in the middle, and at the end.
    coverage: [u64; 3],
    failure: Option<String>,
}

impl Run {
    /// Takes a line like `#42 NEW cov: 985 ft: 4483 …`, or one with the path of an input. Returns whether it was one.
    fn take(&mut self, line: &str, first_half: bool) -> bool {
        if let Some((_, path)) = line.split_once("Test unit written to ") {
            self.failure = Some(path.to_owned());
        }
        let mut words = line.split_whitespace();
        let executions = words.next().and_then(|word| word.strip_prefix('#')?.parse().ok());
        let coverage = words.skip_while(|word| *word != "cov:").nth(1).and_then(|word| word.parse().ok());
        let (Some(executions), Some(coverage)) = (executions, coverage) else { return false };
        // Before that, libFuzzer repeats the stored inputs.
        if line.contains("INITED") {
            self.coverage = [coverage; 3];
        }
        let [_, middle, end] = &mut self.coverage;
        if first_half {
            *middle = coverage;
        }
        (self.executions, *end) = (executions, coverage);
        true
    }

    fn line(&self, target: &str) -> String {
        let Self { executions, coverage: [start, middle, end], failure } = self;
        let grew = if end > middle { "grew" } else { "did not grow" };
        let result = if failure.is_some() { "FAILED" } else { "ok" };
        format!(
            "{result:6} {target}: {executions} executions, coverage {start}, {middle}, {end}: {grew} in the second half"
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_libfuzzer_prints_is_understood() {
        let mut run = Run::default();
        assert!(run.take("#7\tINITED cov: 10 ft: 11 corp: 1/1b exec/s: 0 rss: 30Mb", true));
        assert!(
            run.take("#8\tNEW    cov: 20 ft: 30 corp: 2/9b lim: 4 exec/s: 0 rss: 30Mb L: 4/4 MS: 1 X-", true)
        );
        assert!(run.take("#1024\tpulse  cov: 25 ft: 31 corp: 2/9b lim: 4 exec/s: 9 rss: 30Mb", false));
        assert!(!run.take("INFO: Seed: 1", false));
        let expected = Run { executions: 1024, coverage: [10, 20, 25], failure: None };
        assert_eq!(run, expected);
        assert!(!run.take("artifact_prefix='x-'; Test unit written to x-crash-1", false));
        assert_eq!(run.failure.as_deref(), Some("x-crash-1"));
    }

    #[test]
    fn every_target_is_one_of_the_package() {
        let manifest = workspace::read(format!("{PACKAGE}/Cargo.toml")).unwrap();
        let names: Vec<_> =
            manifest.lines().filter_map(|line| line.strip_prefix("path = \"fuzz_targets/")).collect();
        assert_eq!(names, TARGETS.map(|target| format!("{target}.rs\"")));
    }
}
