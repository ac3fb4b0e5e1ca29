//! `cargo xtask models`: explores the orders in which grpc-ipc's tasks can run, with shuttle
//! (`crates/grpc-ipc/models`), and runs the engine's I/O-free code under Miri.

use std::process::Command;

use crate::Result;
use crate::command::{cargo, command, run as run_command, works};

pub(crate) const MANIFEST: &str = "crates/grpc-ipc/models/Cargo.toml";

/// The modules of the engine whose tests run under Miri.
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

/// Explores orders for this many seconds per model.
pub(crate) fn shuttle(seconds: u64) -> Command {
    let mut shuttle = cargo();
    shuttle
        .args(["test", "--locked", "--no-fail-fast", "--manifest-path", MANIFEST])
        .env("RUSTFLAGS", "--cfg shuttle")
        .env("MODEL_SECONDS", seconds.to_string());
    shuttle
}

/// Miri, or how to install it.
fn miri() -> std::result::Result<Command, String> {
    // Not the cargo that runs this program, because only rustup selects toolchains.
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
        // Isolation would hide the clock, among others.
        .env("MIRIFLAGS", "-Zmiri-disable-isolation");
    Ok(test)
}
