//! `cargo xtask models`: the order in which the tasks of grpc-ipc can run, tried out by shuttle
//! (`crates/grpc-ipc/models`); and the engine's code without I/O, run by Miri.

use std::process::Command;

use crate::Result;
use crate::command::{cargo, command, run as run_command, works};

pub(crate) const MANIFEST: &str = "crates/grpc-ipc/models/Cargo.toml";

/// The modules of the engine that Miri runs the tests of.
const PURE: [&str; 5] = ["frame::", "hpack::", "message::", "output::", "pieces::"];

pub(crate) fn run(options: &[&str]) -> Result {
    let seconds = match options {
        [] => 10,
        ["--seconds", seconds] => seconds.parse()?,
        _ => return Err(format!("{}: expected --seconds N", options.join(" ")).into()),
    };
    run_command(&mut shuttle(seconds))?;
    match miri() {
        Ok(mut miri) => run_command(&mut miri),
        Err(missing) => {
            println!("skipped: {missing}");
            Ok(())
        }
    }
}

/// Tries orders for so many seconds a model.
pub(crate) fn shuttle(seconds: u64) -> Command {
    let mut shuttle = cargo();
    shuttle
        .args(["test", "--locked", "--no-fail-fast", "--manifest-path", MANIFEST])
        .env("RUSTFLAGS", "--cfg shuttle")
        .env("MODEL_SECONDS", seconds.to_string());
    shuttle
}

/// Miri, or what to do to have it.
fn miri() -> std::result::Result<Command, String> {
    // Not the cargo that runs this: only rustup knows of toolchains.
    let miri = || {
        let mut miri = command("cargo");
        miri.args(["+nightly", "miri"]).env_remove("CARGO").env_remove("RUSTUP_TOOLCHAIN");
        miri
    };
    if !works(miri().arg("setup")) {
        return Err(
            "Miri is missing; install it with `rustup component add --toolchain nightly miri rust-src`"
                .into(),
        );
    }
    let mut test = miri();
    test.args(["test", "--locked", "--target-dir=target/miri", "--package=grpc-ipc-http2", "--lib", "--"])
        .args(PURE)
        // What it isolates programs from is the time, among others.
        .env("MIRIFLAGS", "-Zmiri-disable-isolation");
    Ok(test)
}
