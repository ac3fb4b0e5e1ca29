//! Runs the short form of every scenario.

#![cfg(unix)]

use std::process::Command;
use std::time::Duration;

use grpc_ipc_conformance::{Watchdog, skip};

fn run(scenario: &str) {
    let _watchdog = Watchdog::start(scenario, Duration::from_secs(300));
    let output = Command::new(env!("CARGO_BIN_EXE_faults")).args(["--short", scenario]).output().unwrap();
    let printed = String::from_utf8_lossy(&output.stdout);
    let complained = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{printed}\n{complained}");
    for why in printed.lines().filter_map(|line| line.trim().strip_prefix("skipped: ")) {
        skip(scenario, why);
    }
}

#[test]
fn kill() {
    run("kill");
}

#[test]
fn hand_over() {
    run("hand-over");
}

#[test]
fn start() {
    run("start");
}

#[test]
fn idle_exit() {
    run("idle-exit");
}

#[test]
fn connections() {
    run("connections");
}

#[test]
fn descriptors() {
    run("descriptors");
}

#[test]
fn stopped() {
    run("stopped");
}

#[test]
fn stalled() {
    run("stalled");
}

#[test]
fn busy() {
    run("busy");
}

#[test]
fn attacks() {
    run("attacks");
}

#[test]
fn plugins() {
    run("plugins");
}

#[test]
fn activation() {
    run("activation");
}
