//! `cargo xtask release`: the checks before a release, besides the tests.

use serde_json::Value;

use crate::command::{cargo, command, output, run as run_command, works};
use crate::summary::{Platform, show};
use crate::{Result, public_api, tidy};

pub(crate) fn run(options: &[&str]) -> Result {
    let require_all = match options {
        [] => false,
        ["--require-all"] => true,
        _ => return Err(format!("{}: expected --require-all", options.join(" ")).into()),
    };
    let mut platform = Platform::new("release");
    platform.check("minimum Rust version", minimum_rust_version());
    match missing("deny") {
        Some(missing) => platform.skipped.push(missing),
        None => platform.check("cargo-deny", run_command(cargo().args(["deny", "--locked", "check"]))),
    }
    semver(&mut platform);
    if cfg!(target_os = "linux") {
        public_api::check(&mut platform, public_api::host());
    }
    let publish = ["publish", "--dry-run", "--workspace", "--locked"];
    platform.check("dry run of publishing", run_command(cargo().args(publish)));
    let failed = platform.failed > 0 || require_all && !platform.skipped.is_empty();
    println!("{}", show(&[platform]));
    if failed { Err("not ready for a release".into()) } else { Ok(()) }
}

/// Why a cargo subcommand cannot be run, and how to install it.
pub(crate) fn missing(subcommand: &str) -> Option<String> {
    let missing =
        || format!("cargo-{subcommand} is missing; run `cargo install --locked cargo-{subcommand}`");
    (!works(cargo().args([subcommand, "--version"]))).then(missing)
}

/// The checks of dependencies that do not need the advisory database, which has to be downloaded.
pub(crate) fn check_dependencies() -> Result {
    run_command(cargo().args(["deny", "--locked", "check", "bans", "licenses", "sources"]))
}

/// Why the minimum Rust version cannot be checked without downloading it, and how to install it.
pub(crate) fn missing_minimum() -> Option<String> {
    let version = minimum().ok()?;
    let missing = || {
        format!(
            "the minimum Rust version is not installed; run `rustup toolchain install --profile minimal {version}`"
        )
    };
    (!works(command("rustup").args(["run", &version, "rustc", "--version"]))).then(missing)
}

/// The `rust-version` of the manifests.
fn minimum() -> Result<String> {
    let metadata: Value = serde_json::from_str(&tidy::metadata()?)?;
    let facade = tidy::members(&metadata).find(|package| package["name"] == "grpc-ipc");
    let version = facade.and_then(|facade| facade["rust_version"].as_str());
    Ok(version.ok_or("grpc-ipc has no rust-version")?.to_owned())
}

/// Checks that the published crates build with the minimum Rust version in their manifests.
pub(crate) fn minimum_rust_version() -> Result {
    let version = minimum()?;
    // Not the cargo that runs this program, because only rustup selects toolchains.
    let mut check = command("rustup");
    check.args(["run", "--install", &version, "cargo", "check", "--locked", "--all-features"]);
    check.args(tidy::published()?.iter().map(|name| format!("--package={name}")));
    check.args(["--target-dir", "target/minimum"]).env_remove("CARGO").env_remove("RUSTUP_TOOLCHAIN");
    run_command(&mut check)
}

/// Checks that changes since the newest tag are compatible, or that the version is incremented accordingly.
fn semver(platform: &mut Platform) {
    if let Some(missing) = missing("semver-checks") {
        platform.skipped.push(missing);
        return;
    }
    let mut describe = command("git");
    let Ok(tag) = output(describe.args(["describe", "--tags", "--abbrev=0", "--match=v*"])) else {
        platform
            .notes
            .push("cargo-semver-checks has nothing to compare with: no release is tagged".to_owned());
        return;
    };
    let mut semver = cargo();
    semver.args(["semver-checks", "--workspace", "--all-features", "--baseline-rev", tag.trim()]);
    platform.check("cargo-semver-checks", run_command(&mut semver));
}
