//! Fault tests: breaks servers and clients on purpose, and counts the outcomes. `cargo xtask faults` runs all of them.
//!
//! ```text
//! cargo xtask faults                 every scenario at full length
//! cargo xtask faults --short kill    one of them, in a few seconds
//! ```
//!
//! Each scenario starts the processes that it needs, prints its counts, and fails if a count is wrong. This program is
//! also their servers and clients, by hidden commands that begin with `role`.
#![forbid(unsafe_code)]

#[cfg(unix)]
mod unix;

use std::process::ExitCode;

#[cfg(unix)]
fn main() -> ExitCode {
    unix::main()
}

#[cfg(not(unix))]
fn main() -> ExitCode {
    eprintln!("the scenarios send signals and pass descriptors, so they run on Unix only");
    ExitCode::FAILURE
}
