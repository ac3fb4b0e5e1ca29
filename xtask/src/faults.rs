//! `cargo xtask faults`: breaks the parts around an endpoint, and counts the outcome of the calls.

use crate::Result;
use crate::command::{cargo, run as run_command};

/// The options of the program in `benches/faults`.
pub(crate) fn run(options: &[&str]) -> Result {
    let run = ["run", "--release", "--locked", "--package=grpc-ipc-faults", "--"];
    run_command(cargo().args(run).args(options))
}
