use std::fmt;
use std::panic::resume_unwind;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use grpc_ipc_core::Address;
use tokio::runtime;
use tokio::sync::oneshot;

use crate::{ServeError, Server};

/// The thread's name, which Linux cuts off after 15 bytes.
const NAME: &str = "grpc-ipc-server";

/// How long after its drain a server may need to end, before its thread counts as blocked.
const AFTER_DRAIN: Duration = Duration::from_secs(2);

impl Server {
    /// Binds and serves on a thread with a runtime of its own, for a program that has no tokio runtime: one with a
    /// user interface, a Windows service, a `main` that blocks. Returns when clients can connect.
    ///
    /// The handlers run on that one thread, and so does everything else of the server: a handler that blocks it holds
    /// up all other calls. Work that blocks belongs in [`tokio::task::spawn_blocking`].
    ///
    /// This blocks the calling thread for as long as binding takes. Inside a tokio runtime it works, but there
    /// [`bind`](Self::bind) and [`serve`](Self::serve) block nobody, and need no thread.
    ///
    /// ```no_run
    /// # use grpc_ipc_proto::greet::greeter_server::{Greeter, GreeterServer};
    /// # fn example(greeter: impl Greeter) -> Result<(), Box<dyn std::error::Error>> {
    /// use std::time::Duration;
    ///
    /// let server = grpc_ipc::Server::builder()
    ///     .add_service(GreeterServer::new(greeter))
    ///     .listen("local:greeter")
    ///     .spawn()?;
    /// println!("press Enter to stop");
    /// std::io::stdin().read_line(&mut String::new())?;
    /// server.shutdown(Duration::from_secs(5))?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// As of [`bind`](Self::bind), and [`ServeError::Thread`] when the system has no thread or runtime to spare.
    ///
    /// # Panics
    /// When code of the caller's own does that is run to bind, such as a layer.
    pub fn spawn(self) -> Result<ServerHandle, ServeError> {
        let (bound, is_bound) = mpsc::sync_channel(1);
        let (stop, stopped) = oneshot::channel();
        let thread = thread::Builder::new()
            .name(NAME.to_owned())
            .spawn(move || run(self, bound, stopped))
            .map_err(ServeError::Thread)?;
        match is_bound.recv() {
            Ok(local_addresses) => Ok(ServerHandle { local_addresses, stop, thread }),
            Err(mpsc::RecvError) => Err(join(thread).expect_err("why it has ended before it was bound")),
        }
    }
}

/// A server that runs on a thread of its own: what [`Server::spawn`] returns.
///
/// Dropping it tells the server to stop at once, without a drain, and does not wait for that: calls under way end as
/// after [`shutdown`](Self::shutdown) with a drain of zero, and the addresses are free again a moment later.
#[must_use = "dropping the handle stops the server"]
pub struct ServerHandle {
    local_addresses: Vec<Address>,
    stop: oneshot::Sender<Stop>,
    thread: JoinHandle<Result<(), ServeError>>,
}

/// What the server is told when it shall end.
struct Stop {
    drain: Duration,
    /// Dropped when it has ended.
    running: mpsc::Sender<()>,
}

impl ServerHandle {
    /// Where clients can connect, as [`BoundServer::local_addresses`](crate::BoundServer::local_addresses) says it.
    pub fn local_addresses(&self) -> &[Address] {
        &self.local_addresses
    }

    /// Whether the server has ended by itself, which it only does by a panic: of a listener of the caller's own, for
    /// example. A handler that panics ends its call, not the server.
    pub fn is_finished(&self) -> bool {
        self.thread.is_finished()
    }

    /// Shuts down as [`BoundServer::serve_with_shutdown`](crate::BoundServer::serve_with_shutdown) does: lets go of
    /// the addresses at once, refuses new calls, and lets those under way finish for at most `drain`; then ends what
    /// is left, and the thread. What handlers have put into [`tokio::task::spawn_blocking`] is not waited for.
    ///
    /// This blocks the calling thread until then. A client without a call holds it up for at most a second, also one
    /// whose runtime nobody drives meanwhile.
    ///
    /// # Errors
    /// [`ServeError::Blocked`] when a handler blocks the server's thread, and goes on to for 2 seconds after `drain`.
    /// The thread is left behind; until the handler returns, the addresses may still be taken.
    ///
    /// # Panics
    /// When the server's thread has.
    pub fn shutdown(self, drain: Duration) -> Result<(), ServeError> {
        let (running, ended) = mpsc::channel();
        // Nobody receives it when the thread has panicked: then `running` is dropped at once.
        _ = self.stop.send(Stop { drain, running });
        match ended.recv_timeout(drain.saturating_add(AFTER_DRAIN)) {
            Err(RecvTimeoutError::Timeout) => Err(ServeError::Blocked),
            Ok(()) | Err(RecvTimeoutError::Disconnected) => join(self.thread),
        }
    }

    /// Serves until the process ends: blocks the calling thread, for a `main` that has nothing else to do.
    ///
    /// # Errors
    /// None at present: what fails later than [`Server::spawn`] is a single connection.
    ///
    /// # Panics
    /// When the server's thread does; [`is_finished`](Self::is_finished) has more.
    pub fn wait(self) -> Result<(), ServeError> {
        // The server would end if `stop` were dropped before.
        let Self { thread, stop: _stop, .. } = self;
        join(thread)
    }
}

impl fmt::Debug for ServerHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServerHandle").field("local_addresses", &self.local_addresses).finish_non_exhaustive()
    }
}

/// What the thread does.
fn run(
    server: Server,
    bound: mpsc::SyncSender<Vec<Address>>,
    stopped: oneshot::Receiver<Stop>,
) -> Result<(), ServeError> {
    // Before the runtime, to be dropped after it.
    let mut running = None;
    let runtime = runtime::Builder::new_current_thread().enable_all().build().map_err(ServeError::Thread)?;
    let ended = runtime.block_on(async {
        let server = server.bind().await?;
        // The caller waits for it.
        _ = bound.send(server.local_addresses().to_vec());
        let stop = async {
            // Without one, the handle was dropped.
            let stop = stopped.await.ok()?;
            running = Some(stop.running);
            Some(stop.drain)
        };
        server.serve_until(async { stop.await.unwrap_or_default() }).await
    });
    // Dropping it would wait for what was put into `spawn_blocking`.
    runtime.shutdown_background();
    ended
}

fn join(thread: JoinHandle<Result<(), ServeError>>) -> Result<(), ServeError> {
    thread.join().unwrap_or_else(|panic| resume_unwind(panic))
}
