use std::fmt;
use std::panic::{AssertUnwindSafe, resume_unwind};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::sync::{Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use futures_util::FutureExt as _;
use grpc_ipc_core::Address;
use tokio::runtime::{self, Handle};
use tokio::sync::oneshot;
use tokio::task;

use crate::{ServeError, Server, ServerStats};

/// The thread's name. Linux truncates names after 15 bytes.
const NAME: &str = "grpc-ipc-server";

/// How long after its drain a server may take to end, before its thread counts as blocked.
const AFTER_DRAIN: Duration = Duration::from_secs(2);

impl Server {
    /// Binds, and serves on a thread with a runtime of its own. Use it in a program without a tokio runtime: one with a
    /// user interface, a Windows service, a `main` that blocks. It returns when clients can connect.
    ///
    /// By default, everything runs on that one thread, so a handler that blocks it delays all other calls. Put work
    /// that blocks into [`tokio::task::spawn_blocking`]; for CPU-bound handlers, set more
    /// [`worker_threads`](Self::worker_threads).
    ///
    /// The calling thread blocks while the server binds. Inside a tokio runtime, use [`bind`](Self::bind) and
    /// [`serve`](Self::serve) instead, which block nothing and need no thread.
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
    /// Those of [`bind`](Self::bind), and [`ServeError::Thread`] if the system cannot start a thread or a runtime.
    ///
    /// # Panics
    /// If code of your own that runs during binding panics, such as a layer.
    pub fn spawn(self) -> Result<ServerHandle, ServeError> {
        let (bound, is_bound) = mpsc::sync_channel(1);
        let (stop, stopped) = oneshot::channel();
        let thread = thread::Builder::new()
            .name(NAME.to_owned())
            .spawn(move || run(self, bound, stopped))
            .map_err(ServeError::Thread)?;
        wait_until_bound(&is_bound, stop, Serving::Thread(thread))
    }

    /// Sets how many threads [`spawn`](Self::spawn) starts for handlers and connections, at least 1. If there are
    /// several, they belong to a multi-threaded tokio runtime, and one more thread waits for the end of the server.
    /// Default: 1.
    pub fn worker_threads(mut self, threads: usize) -> Self {
        self.worker_threads = threads;
        self
    }

    /// Like [`spawn`](Self::spawn), but on an existing tokio runtime instead of a thread of its own.
    /// [`worker_threads`](Self::worker_threads) has no effect. The server ends with the runtime.
    ///
    /// The calling thread blocks while the server binds. Inside the runtime, call [`bind`](Self::bind) instead, and
    /// pass the future of [`serve`](crate::BoundServer::serve) to `tokio::spawn`.
    ///
    /// # Errors
    /// Those of [`bind`](Self::bind), [`ServeError::RuntimeEnded`] if the runtime has been shut down, and
    /// [`ServeError::InsideRuntime`] on the only thread of the runtime.
    ///
    /// # Panics
    /// If code of your own that runs during binding panics, such as a layer.
    pub fn spawn_on(self, runtime: &Handle) -> Result<ServerHandle, ServeError> {
        let is_inside = Handle::try_current().is_ok_and(|here| here.id() == runtime.id());
        if is_inside && runtime.metrics().num_workers() == 1 {
            return Err(ServeError::InsideRuntime);
        }
        let (bound, is_bound) = mpsc::sync_channel(1);
        let (stop, stopped) = oneshot::channel();
        let (end, ended) = mpsc::sync_channel(1);
        let task = runtime.spawn(async move {
            let mut running = None;
            let result =
                AssertUnwindSafe(bind_and_serve(self, bound, stopped, &mut running)).catch_unwind().await;
            _ = end.send(result);
        });
        wait_until_bound(&is_bound, stop, Serving::Task { task, ended: Mutex::new(ended) })
    }
}

/// A server that runs in the background, returned by [`Server::spawn`] and [`Server::spawn_on`].
///
/// Dropping it stops the server at once, without a drain, and does not wait for the end. Running calls end as after
/// [`shutdown`](Self::shutdown) with a drain of zero. The addresses are free again a moment later.
#[must_use = "dropping the handle stops the server"]
pub struct ServerHandle {
    bound: Bound,
    stop: oneshot::Sender<Stop>,
    serving: Serving,
}

/// The properties of a bound server.
struct Bound {
    local_addresses: Vec<Address>,
    stats: ServerStats,
}

/// The task or the thread that serves.
enum Serving {
    Thread(JoinHandle<Result<(), ServeError>>),
    Task { task: task::JoinHandle<()>, ended: Mutex<mpsc::Receiver<thread::Result<Result<(), ServeError>>>> },
}

/// The request to end.
struct Stop {
    drain: Duration,
    /// Dropped when the server has ended.
    running: mpsc::Sender<()>,
}

impl ServerHandle {
    /// The resolved addresses, as in [`BoundServer::local_addresses`](crate::BoundServer::local_addresses).
    pub fn local_addresses(&self) -> &[Address] {
        &self.bound.local_addresses
    }

    /// The server's counters. They keep counting while it serves.
    pub fn stats(&self) -> ServerStats {
        self.bound.stats.clone()
    }

    /// Whether the server has ended by itself, because
    ///
    /// - it was [idle](Server::exit_when_idle),
    /// - a client has [asked it to leave](Server::announce),
    /// - another process has taken over its addresses
    ///   ([`ListenOptions::restartable`](crate::ListenOptions::restartable)),
    /// - all connections that the program gave it have ended, or
    /// - its thread has panicked, such as in a listener of your own. (A handler that panics ends only its call.)
    pub fn is_finished(&self) -> bool {
        match &self.serving {
            Serving::Thread(thread) => thread.is_finished(),
            Serving::Task { task, .. } => task.is_finished(),
        }
    }

    /// Shuts down as [`BoundServer::serve_with_shutdown`](crate::BoundServer::serve_with_shutdown) does: releases the
    /// addresses at once, refuses new calls, and lets running calls finish for at most `drain`. Then it ends the
    /// remaining calls, and the thread. It does not wait for work in [`tokio::task::spawn_blocking`].
    ///
    /// The calling thread blocks until then. A client without a call delays this by at most a second, even if nothing
    /// drives the client's runtime meanwhile.
    ///
    /// # Errors
    /// [`ServeError::Blocked`] if a handler still blocks the server's thread 2 seconds after `drain`. The thread keeps
    /// running; until the handler returns, the addresses may still be in use.
    ///
    /// # Panics
    /// If the server's thread has panicked.
    pub fn shutdown(self, drain: Duration) -> Result<(), ServeError> {
        let (running, ended) = mpsc::channel();
        // If the thread has panicked, this fails, and `running` is dropped at once.
        _ = self.stop.send(Stop { drain, running });
        match ended.recv_timeout(drain.saturating_add(AFTER_DRAIN)) {
            Err(RecvTimeoutError::Timeout) => Err(ServeError::Blocked),
            Ok(()) | Err(RecvTimeoutError::Disconnected) => self.serving.join(),
        }
    }

    /// Blocks the calling thread while the server serves, until the server [ends by itself](Self::is_finished) or the
    /// process ends. Use it in a `main` that has nothing else to do.
    ///
    /// # Errors
    /// None so far: after [`Server::spawn`] has succeeded, a failure ends only a single connection.
    ///
    /// # Panics
    /// If the server's thread panics; see [`is_finished`](Self::is_finished).
    pub fn wait(self) -> Result<(), ServeError> {
        // Dropping `stop` would end the server.
        let Self { serving, stop: _stop, .. } = self;
        serving.join()
    }
}

impl fmt::Debug for ServerHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServerHandle")
            .field("local_addresses", &self.bound.local_addresses)
            .finish_non_exhaustive()
    }
}

/// The body of the server's thread.
fn run(
    server: Server,
    bound: mpsc::SyncSender<Bound>,
    stopped: oneshot::Receiver<Stop>,
) -> Result<(), ServeError> {
    // Declared before the runtime, to be dropped after it.
    let mut running = None;
    let mut builder = match server.worker_threads {
        0 | 1 => runtime::Builder::new_current_thread(),
        threads => {
            let mut builder = runtime::Builder::new_multi_thread();
            builder.worker_threads(threads).thread_name(NAME);
            builder
        }
    };
    let runtime = builder.enable_all().build().map_err(ServeError::Thread)?;
    let ended = runtime.block_on(bind_and_serve(server, bound, stopped, &mut running));
    // Dropping the runtime would wait for work in `spawn_blocking`.
    runtime.shutdown_background();
    ended
}

async fn bind_and_serve(
    server: Server,
    bound: mpsc::SyncSender<Bound>,
    stopped: oneshot::Receiver<Stop>,
    running: &mut Option<mpsc::Sender<()>>,
) -> Result<(), ServeError> {
    let server = server.bind().await?;
    // The caller waits for it.
    _ = bound.send(Bound { local_addresses: server.local_addresses().to_vec(), stats: server.stats() });
    let stop = async {
        // If there is none, the handle was dropped.
        let stop = stopped.await.ok()?;
        *running = Some(stop.running);
        Some(stop.drain)
    };
    server.serve_until(async { stop.await.unwrap_or_default() }).await
}

fn wait_until_bound(
    is_bound: &mpsc::Receiver<Bound>,
    stop: oneshot::Sender<Stop>,
    serving: Serving,
) -> Result<ServerHandle, ServeError> {
    match is_bound.recv() {
        Ok(bound) => Ok(ServerHandle { bound, stop, serving }),
        Err(mpsc::RecvError) => Err(serving.join().expect_err("why it has ended before it was bound")),
    }
}

impl Serving {
    fn join(self) -> Result<(), ServeError> {
        let ended = match self {
            Self::Thread(thread) => thread.join(),
            Self::Task { ended, .. } => {
                let ended = ended.into_inner().unwrap_or_else(PoisonError::into_inner);
                ended.recv().unwrap_or(Ok(Err(ServeError::RuntimeEnded)))
            }
        };
        ended.unwrap_or_else(|panic| resume_unwind(panic))
    }
}
