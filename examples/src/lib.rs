//! What the example programs share.
#![forbid(unsafe_code)]

pub mod access;

use std::error::Error;
use std::process::ExitCode;

/// Resolves at the first SIGINT or SIGTERM, or Ctrl-C on Windows.
///
/// # Panics
/// When the system lets nobody listen to signals.
pub async fn stop_signal() {
    let interrupt = async { tokio::signal::ctrl_c().await.expect("a handler for Ctrl-C") };
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        let mut terminate = signal(SignalKind::terminate()).expect("a handler for SIGTERM");
        tokio::select! {
            () = interrupt => {}
            _ = terminate.recv() => {}
        }
    }
    #[cfg(not(unix))]
    interrupt.await;
}

/// Shows the log of grpc-ipc, such as who was refused, on standard error.
pub fn log_to_stderr() {
    tracing_subscriber::fmt().with_writer(std::io::stderr).without_time().with_ansi(false).init();
}

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
