//! What the example programs share.
#![forbid(unsafe_code)]

pub mod access;

use std::error::Error;
use std::process::ExitCode;

/// Shows the log of grpc-ipc, such as who was refused, on standard error.
pub fn log_to_stderr() {
    tracing_subscriber::fmt().with_writer(std::io::stderr).without_time().with_ansi(false).init();
}

// ANCHOR: exit
/// Ends a program: an error is printed with everything that caused it.
pub fn exit(result: Result<(), Box<dyn Error>>) -> ExitCode {
    let Err(error) = result else { return ExitCode::SUCCESS };
    eprintln!("error: {error}");
    let mut cause = error.source();
    while let Some(error) = cause {
        eprintln!("  caused by: {error}");
        cause = error.source();
    }
    ExitCode::FAILURE
}
// ANCHOR_END: exit
