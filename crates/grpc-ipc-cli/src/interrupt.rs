//! The signals that end the command early: Ctrl-C and SIGTERM.

use std::io;

use crate::failure::Failure;

/// Completes with the exit code when the user or another program ends the command. From now on, these signals do not
/// end it by themselves.
pub(crate) fn interrupted() -> Result<impl Future<Output = Failure>, Failure> {
    listen().map_err(|error| Failure::new(format!("cannot wait for Ctrl-C: {error}")))
}

#[cfg(unix)]
fn listen() -> io::Result<impl Future<Output = Failure>> {
    use tokio::signal::unix::{SignalKind, signal};

    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    Ok(async move {
        tokio::select! {
            _ = interrupt.recv() => Failure::interrupted(),
            _ = terminate.recv() => Failure::terminated(),
        }
    })
}

#[cfg(not(unix))]
fn listen() -> io::Result<impl Future<Output = Failure>> {
    let signal = grpc_ipc::shutdown_signal()?;
    Ok(async {
        signal.await;
        Failure::interrupted()
    })
}
