use std::fmt;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use crate::backend::stop_signals::StopSignals;
use crate::sync;

/// Waits until the process is asked to end: by SIGTERM or SIGINT on Unix; by Ctrl-C, Ctrl-Break, or the end of the
/// console window, the session or the system on Windows.
///
/// The handlers are installed when this function returns, before the future is polled. Call it before the program
/// reports that it is ready. An earlier signal has its default action: it ends the process at once.
///
/// ```no_run
/// # use grpc_ipc_proto::greet::greeter_server::{Greeter, GreeterServer};
/// # async fn example(greeter: impl Greeter) -> Result<(), Box<dyn std::error::Error>> {
/// use std::time::Duration;
///
/// let stop = grpc_ipc::shutdown_signal()?;
/// let server = grpc_ipc::Server::builder()
///     .add_service(GreeterServer::new(greeter))
///     .listen("local:greeter")
///     .bind()
///     .await?;
/// println!("listening on {}", server.local_addresses()[0]);
/// server.serve_with_shutdown(stop, Duration::from_secs(5)).await?;
/// # Ok(())
/// # }
/// ```
///
/// # Platform-specific behavior
/// - On Unix, the handlers stay for the life of the process
///   ([`tokio::signal::unix::signal`](https://docs.rs/tokio/1/tokio/signal/unix/fn.signal.html)). So a second SIGINT or
///   SIGTERM does not end a program that takes long to shut down; SIGKILL does.
/// - Windows ends the process about 5 seconds after the console window was closed, and sooner at the end of a session.
///   Set a shorter drain ([HandlerRoutine](https://learn.microsoft.com/windows/console/handlerroutine)).
/// - A Windows service receives none of these. The service control manager stops it, so end the server in the service's
///   control handler, for example with [`ServerHandle::shutdown`](crate::ServerHandle::shutdown).
///
/// # Errors
/// The system's error if it cannot register a handler, and an error that says so outside of a tokio runtime.
///
/// # Panics
/// In a tokio runtime without I/O ([`enable_io`](tokio::runtime::Builder::enable_io)).
pub fn shutdown_signal() -> io::Result<ShutdownSignal> {
    if !sync::in_runtime() {
        return Err(io::Error::other(
            "there is no tokio runtime here; call shutdown_signal inside one, before the server serves",
        ));
    }
    StopSignals::register().map(ShutdownSignal)
}

/// The future that [`shutdown_signal`] returns.
///
/// # Cancel safety
/// A signal that came before the future is polled completes it. One that came to a future that was dropped is lost.
#[must_use = "a future does nothing until it is polled"]
pub struct ShutdownSignal(StopSignals);

impl Future for ShutdownSignal {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        self.0.poll(cx)
    }
}

impl fmt::Debug for ShutdownSignal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ShutdownSignal").finish_non_exhaustive()
    }
}
