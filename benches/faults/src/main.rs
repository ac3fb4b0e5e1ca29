//! What breaks around an endpoint, done on purpose and counted: `cargo xtask faults` runs all of it.
//!
//! ```text
//! cargo xtask faults                 every scenario at full length
//! cargo xtask faults --short kill    one of them, in a few seconds
//! ```
//!
//! Each scenario starts the processes that it needs, prints what it has counted, and fails when a count is not what it has to
//! be. Servers and clients are this program, too: with the hidden commands that begin with `role`.
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
