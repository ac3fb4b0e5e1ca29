//! The common code of the example programs.
#![forbid(unsafe_code)]

pub mod access;

use std::error::Error;
use std::process::ExitCode;

/// Prints grpc-ipc's log to standard error, such as refused clients.
pub fn log_to_stderr() {
    tracing_subscriber::fmt().with_writer(std::io::stderr).without_time().with_ansi(false).init();
}

// ANCHOR: exit
/// Ends a program. If there is an error, prints it with all of its causes.
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
