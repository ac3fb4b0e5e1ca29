//! `cargo xtask test`: all checks that this machine can run.

use std::fs;
use std::io::{self, BufRead as _, BufReader, Read};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use crate::command::{cargo, command, run as run_command, shown, works};
use crate::cross::WINDOWS_GNU;
use crate::interop::Transport;
use crate::summary::{Platform, reasons, show};
use crate::{
    Result, bench, cross, interop, models, public_api, release, setup, targets, tidy, wine, workspace,
};

const ALL: [&str; 3] = ["--workspace", "--all-features", "--all-targets"];
/// Windows cannot replace a running program, so the tests of xtask are built elsewhere there.
const NO_XTASK: &str = "--exclude=xtask";
/// The benchmarks are left out on other platforms, because they need a C compiler for the target.
const NO_BENCHES: &str = "--exclude=grpc-ipc-benches";
/// The platforms that can be required.
const PLATFORMS: [&str; 6] =
    ["linux", "macos", "windows", targets::MUSL.name, targets::AARCH64.name, targets::S390X.name];
const SECONDS_A_MODEL: u64 = 1;
const MSVC: &str = "x86_64-pc-windows-msvc";
const MACOS: &str = "aarch64-apple-darwin";
/// Tests with programs of other projects, such as containerd. They require Linux, and protoc to be built.
const PROGRAMS: &str = "examples/programs/Cargo.toml";
/// The RFC 9113 suite of another project. It requires Linux.
const HTTPWG: &str = "crates/grpc-ipc-http2/httpwg/Cargo.toml";

pub(crate) fn run(options: &[&str]) -> Result {
    let required = required(options)?;
    let platforms = match std::env::consts::OS {
        "linux" => vec![
            style(),
            host("linux"),
            targets::run(&targets::MUSL),
            targets::run(&targets::AARCH64),
            targets::run(&targets::S390X),
            under_wine(),
            type_checked_macos(),
        ],
        "macos" => vec![style(), host("macos"), elsewhere("linux"), elsewhere("windows")],
        "windows" => vec![style(), host("windows"), elsewhere("linux"), elsewhere("macos")],
        other => return Err(format!("{other} is not supported yet").into()),
    };
    println!("{}", show(&platforms));
    let failed = platforms.iter().any(|platform| platform.failed > 0);
    let incomplete = |platform: &&Platform| {
        required.contains(&platform.name)
            && (platform.passed == 0 || platform.skipped.iter().any(|skip| skip.contains(setup::CURE)))
    };
    let missing: Vec<_> = platforms.iter().filter(incomplete).map(|platform| platform.name).collect();
    match (failed, missing.is_empty()) {
        (true, _) => Err("some checks failed".into()),
        (false, false) => Err(format!("skipped, but required: {}", missing.join(", ")).into()),
        (false, true) => Ok(()),
    }
}

fn required<'a>(options: &[&'a str]) -> Result<Vec<&'a str>> {
    options
        .chunks(2)
        .map(|option| match option {
            ["--require", platform] if PLATFORMS.contains(platform) => Ok(*platform),
            _ => Err(format!("{}: expected --require {}", option.join(" "), PLATFORMS.join("|")).into()),
        })
        .collect()
}

/// The checks that do not depend on the platform.
fn style() -> Platform {
    let mut platform = Platform::new("style");
    platform.check("format", run_command(cargo().args(["fmt", "--all", "--check"])));
    // Separate workspaces, which are only formatted here.
    for (what, manifest) in [
        ("the peers of the benchmarks", "benches/peers/Cargo.toml"),
        ("the desktop program", "examples/window/Cargo.toml"),
        ("the fuzz targets", "crates/grpc-ipc-http2/fuzz/Cargo.toml"),
        ("the RFC suite", HTTPWG),
        ("the models", models::MANIFEST),
        ("the programs", PROGRAMS),
        ("the reader of the public API", public_api::READER),
    ] {
        let mut fmt = cargo();
        fmt.args(["fmt", "--check", "--manifest-path", manifest]);
        platform.check(&format!("format of {what}"), run_command(&mut fmt));
    }
    let clippy = ["clippy", "--locked", "--workspace", "--all-targets", "--all-features", "--", "-Dwarnings"];
    platform.check("clippy", run_command(cargo().args(clippy)));
    platform.check("documentation", documentation());
    if cfg!(target_os = "linux") {
        public_api::check(&mut platform, public_api::host());
    }
    platform.check("tidy", tidy::run());
    match release::missing_minimum() {
        Some(missing) => platform.skipped.push(missing),
        None => platform.check("minimum Rust version", release::minimum_rust_version()),
    }
    match release::missing("deny") {
        Some(missing) => platform.skipped.push(missing),
        None => platform.check("dependencies", release::check_dependencies()),
    }
    for chosen in feature_sets(&tidy::features().unwrap_or_default()) {
        let mut check = cargo();
        check.args(["clippy", "--quiet", "--locked", "--package=grpc-ipc", "--no-default-features"]);
        let what = format!("features {chosen:?}");
        platform
            .check(&what, run_command(check.arg(format!("--features={chosen}")).args(["--", "-Dwarnings"])));
    }
    platform
}

/// The default set, and six sets that together contain every combination of any two features: the empty one, and five
/// others. Each feature is in a different triple of those five. Any two triples of five share a set, and each has one that
/// the other lacks.
fn feature_sets(features: &[String]) -> Vec<String> {
    let triples = (0_u8..32).filter(|triple| triple.count_ones() == 3);
    let chosen: Vec<_> = features.iter().zip(triples).collect();
    assert_eq!(chosen.len(), features.len(), "there are ten triples of five: more features need more sets");
    let with = |set: u8| {
        chosen.iter().filter(move |(_, triple)| triple & set != 0).map(|(feature, _)| feature.as_str())
    };
    let sets = (0..5).map(|bit| with(1 << bit).collect::<Vec<_>>().join(","));
    ["default".to_owned(), String::new()].into_iter().chain(sets).collect()
}

/// The documentation of the published libraries, as docs.rs builds it.
fn documentation() -> Result {
    let mut doc = public_api::documentation();
    doc.args(tidy::libraries()?.iter().map(|name| format!("--package={name}")));
    run_command(doc.env("RUSTDOCFLAGS", "-Dwarnings --cfg docsrs"))
}

/// The tests of this machine's platform.
fn host(name: &'static str) -> Platform {
    let mut platform = Platform::new(name);
    let mut test = cargo();
    test.args(["test", "--locked", "--no-fail-fast"]).args(ALL);
    if cfg!(windows) {
        let mut xtask = cargo();
        xtask.args(["test", "--locked", "--package=xtask", "--target-dir=target/xtask"]);
        run_tests(&mut platform, &mut xtask);
        test.arg(NO_XTASK);
    }
    run_tests(&mut platform, &mut test);
    let mut doc = cargo();
    run_tests(
        &mut platform,
        doc.args(["test", "--locked", "--workspace", NO_XTASK, "--all-features", "--doc"]),
    );
    if name == "linux" {
        let mut httpwg = cargo();
        run_tests(&mut platform, httpwg.args(["test", "--locked", "--manifest-path", HTTPWG]));
        run_tests(&mut platform, &mut models::shuttle(SECONDS_A_MODEL));
        if works(command("protoc").arg("--version")) {
            let mut programs = cargo();
            // In the same directory, so that dependencies that both workspaces build alike are built once.
            programs.args(["test", "--locked", "--target-dir=target", "--manifest-path", PROGRAMS]);
            run_tests(&mut platform, &mut programs);
        } else {
            platform.skipped.push(format!("examples/programs: protoc is missing; run `{}`", setup::CURE));
        }
        // All cases run over one transport. Over the others, gRPC's own are enough to show that the addresses work.
        interop::check(&mut platform, &[Transport::Uds], &interop::ALL);
        interop::check(&mut platform, &[Transport::Abstract, Transport::Tcp], &interop::OFFICIAL);
        let gate = bench::gate().map(|skipped| platform.skipped.extend(skipped));
        platform.check("what a call costs", gate);
    } else {
        let transport = if cfg!(windows) { Transport::Pipe } else { Transport::Uds };
        interop::check(&mut platform, &[transport], &interop::ALL);
    }
    platform
}

/// The Windows tests, under Wine.
fn under_wine() -> Platform {
    let mut platform = Platform::new("windows");
    if let Some(missing) = cross::missing().or_else(wine::missing) {
        platform.skipped.push(missing);
        return platform;
    }
    platform.notes.push("ran under Wine 10, not on Windows".to_owned());
    // Otherwise each program would start a new Wine server, or find one that is about to end.
    let _session = match wine::Session::start() {
        Ok(session) => session,
        Err(error) => {
            platform.skipped.push(error.to_string());
            return platform;
        }
    };
    let mut test = cross::cargo("test", WINDOWS_GNU);
    run_tests(&mut platform, test.args(["--no-fail-fast", NO_BENCHES, NO_XTASK]).args(ALL));
    let mut xtask = cross::cargo("check", WINDOWS_GNU);
    platform.check("type-check of xtask", run_command(xtask.args(["--package=xtask", "--all-targets"])));
    interop::check(&mut platform, &[Transport::Pipe], &interop::ALL);
    platform.check("Ctrl-C ends the greeter", ctrl_c_ends_the_greeter());
    type_check_published(&mut platform, MSVC);
    document(&mut platform, MSVC);
    public_api::check(&mut platform, public_api::windows());
    platform
}

/// Checks that the greeter under Wine serves until Ctrl-C, which Wine sends for SIGINT, and ends without an error. A
/// Windows program cannot send Ctrl-C to a single other program, so this is not a test.
fn ctrl_c_ends_the_greeter() -> Result {
    let greeter = cross::windows_program("greeter");
    let greeter = greeter.to_str().ok_or("the path of the greeter is not Unicode")?;
    let address = format!("npipe:ctrl-c-{}", std::process::id());
    let mut server = wine::wine(greeter, &["serve", &address]);
    let mut server = Killed(server.stdin(Stdio::null()).stdout(Stdio::piped()).spawn()?);
    let mut lines = BufReader::new(server.0.stdout.take().ok_or("no standard output")?).lines();
    let ready = lines.next().ok_or("the greeter ended before it listened")??;
    if !ready.starts_with("listening on") {
        return Err(ready.into());
    }
    run_command(&mut wine::wine(greeter, &["call", &address]))?;
    run_command(command("kill").args(["-INT", &server.0.id().to_string()]))?;
    let deadline = Instant::now() + Duration::from_secs(30);
    loop {
        match server.0.try_wait()? {
            Some(status) if status.success() => return Ok(()),
            Some(status) => return Err(format!("the greeter: {status}").into()),
            None if Instant::now() > deadline => return Err("the greeter did not end after Ctrl-C".into()),
            None => std::thread::sleep(Duration::from_millis(20)),
        }
    }
}

/// A child process that is killed when this is dropped.
struct Killed(Child);

impl Drop for Killed {
    fn drop(&mut self) {
        _ = self.0.kill();
        _ = self.0.wait();
    }
}

/// The checks for macOS that are possible without one.
fn type_checked_macos() -> Platform {
    let mut platform = Platform::new("macos");
    if let Some(missing) = cross::missing() {
        platform.skipped.push(missing);
        return platform;
    }
    platform.notes.push("only type-checked; the tests did not run".to_owned());
    let check = || run_command(cross::cargo_without_c("check", MACOS)?.arg(NO_BENCHES).args(ALL));
    platform.check(&format!("type-check for {MACOS}"), check());
    document(&mut platform, MACOS);
    platform
}

/// The published crates only, where another toolchain for the same system has compiled all the rest.
fn type_check_published(platform: &mut Platform, target: &str) {
    let check =
        || run_command(cross::cargo_without_c("check", target)?.arg("--all-features").args(published()?));
    platform.check(&format!("type-check for {target}"), check());
}

fn document(platform: &mut Platform, target: &str) {
    let document = || {
        let mut doc = cross::cargo_without_c("doc", target)?;
        doc.args(["--no-deps", "--all-features"]).args(published()?);
        run_command(doc.env("RUSTDOCFLAGS", "-Dwarnings --cfg docsrs"))
    };
    platform.check(&format!("documentation for {target}"), document());
}

fn published() -> Result<Vec<String>> {
    Ok(tidy::published()?.iter().map(|name| format!("--package={name}")).collect())
}

fn elsewhere(name: &'static str) -> Platform {
    let mut platform = Platform::new(name);
    platform.skipped.push(format!("this host runs {}", std::env::consts::OS));
    platform
}

/// Runs `cargo test`, shows its output, and counts the results. Tests that reported themselves as skipped count as
/// skipped.
pub(crate) fn run_tests(platform: &mut Platform, command: &mut Command) {
    let skipped = workspace::root().join(format!("target/skipped-{}.txt", platform.name));
    _ = fs::remove_file(&skipped);
    command.env("GRPC_IPC_SKIPPED", &skipped);
    let result = stream(command).map(|(stdout, stderr, success)| {
        let failed = platform.failed;
        platform.count(&stdout);
        // A program that does not build, or that the watchdog ended, prints no result line.
        if !success && platform.failed == failed {
            platform.failed += 1;
        }
        if !success {
            let lines = std::iter::once(shown(command)).chain(reasons(&stdout, &stderr));
            platform.failures.push(lines.collect::<Vec<_>>().join("\n"));
        }
    });
    if let Err(error) = result {
        platform.check("cargo test", Err(error));
    }
    let skipped = fs::read_to_string(&skipped).unwrap_or_default();
    platform.skipped.extend(skipped.lines().map(str::to_owned));
    // The harness counts a skipped test as passed.
    platform.passed = platform.passed.saturating_sub(skipped.lines().count() as u32);
}

/// Runs a command, and shows its output. Returns what it printed on standard output and on standard error, and whether it
/// succeeded.
fn stream(command: &mut Command) -> Result<(String, String, bool)> {
    println!("$ {}", shown(command));
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
    let stdout = child.stdout.take().ok_or("no standard output")?;
    let stderr = child.stderr.take().ok_or("no standard error")?;
    let (sender, errors) = mpsc::channel();
    std::thread::spawn(move || {
        for line in lines(stderr) {
            eprintln!("{line}");
            // Nobody receives the lines of a program that outlives the command.
            _ = sender.send(line);
        }
    });
    let stdout = lines(stdout).inspect(|line| println!("{line}")).collect::<Vec<_>>().join("\n");
    let success = child.wait()?.success();
    // A program that a failed test left behind may keep standard error open.
    let stderr = std::iter::from_fn(|| errors.recv_timeout(Duration::from_secs(1)).ok());
    Ok((stdout, stderr.collect::<Vec<_>>().join("\n"), success))
}

/// The lines until the end or the first error. Bytes that are not UTF-8 are replaced.
fn lines(from: impl Read) -> impl Iterator<Item = String> {
    let lines = BufReader::new(from).split(b'\n').map_while(io::Result::ok);
    lines.map(|line| String::from_utf8_lossy(&line).trim_end_matches('\r').to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_two_features_are_checked_together_and_apart() {
        let features: Vec<_> = ('a'..='j').map(String::from).collect();
        let sets = feature_sets(&features);
        for (one, other) in features.iter().flat_map(|one| features.iter().map(move |other| (one, other))) {
            for expected in [(false, false), (false, true), (true, false), (true, true)] {
                let is_in = |set: &str, feature: &str| set.split(',').any(|chosen| chosen == feature);
                let found = sets.iter().any(|set| (is_in(set, one), is_in(set, other)) == expected);
                assert!(found || one == other, "{one} and {other}: {expected:?}");
            }
        }
    }
}
