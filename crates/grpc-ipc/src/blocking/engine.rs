//! Runs the connections of blocking channels.
//!
//! They share one runtime, which has no thread of its own. The thread of a call drives it while it waits, so a response
//! wakes only its caller. If several threads call, one drives, and another takes over when it is done. Between calls, a
//! background thread drives the runtime, to answer pings, to notice servers that leave, and to send remaining data.

use std::future::ready;
use std::io;
use std::panic::catch_unwind;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::thread::{self, Thread};
use std::time::Duration;

use grpc_ipc_core::{Address, ConnectError};
use tokio::runtime::{Builder, Handle, Runtime};
use tokio::sync::Notify;
use tonic::Status;

/// The engine of all blocking channels of the process, or the error of creating it.
static ENGINE: OnceLock<Result<Engine, io::Error>> = OnceLock::new();

/// The thread's name. Linux truncates names after 15 bytes.
const NAME: &str = "grpc-ipc-client";
/// The background thread takes over the runtime after one to two of these intervals without a call. A hand-over costs
/// about as much as a call.
const PAUSE: Duration = Duration::from_millis(10);

struct Engine {
    runtime: Runtime,
    /// The number of threads that are in a call.
    callers: AtomicUsize,
    /// The number of calls that have ended.
    calls: AtomicU64,
    /// The background thread drives the runtime, or is about to.
    driving: AtomicBool,
    /// The background thread sleeps until a call ends.
    asleep: AtomicBool,
    /// There is work although no thread is in a call.
    wanted: AtomicBool,
    /// Makes the background thread release the runtime.
    let_go: Notify,
    /// Set before the first call.
    thread: OnceLock<Thread>,
}

/// The reason why a thread cannot make a blocking call.
pub(super) enum CannotBlock {
    /// The thread drives asynchronous tasks.
    Inside,
    NoThread(io::Error),
}

const INSIDE: &str = "a blocking call inside an asynchronous task would stop its runtime; use the asynchronous client \
                      with grpc_ipc::Channel there, or tokio::task::spawn_blocking";

/// Runs a future on the calling thread, with the shared runtime as its context, until it is ready.
pub(super) fn block_on<F: Future>(future: F) -> Result<F::Output, CannotBlock> {
    let engine = match ENGINE.get_or_init(Engine::new) {
        Ok(engine) => engine,
        Err(error) => return Err(CannotBlock::NoThread(io::Error::new(error.kind(), error.to_string()))),
    };
    // tokio cannot tell whether blocking is possible here; it panics if not.
    if Handle::try_current().is_ok()
        && catch_unwind(|| Handle::block_on(engine.runtime.handle(), ready(()))).is_err()
    {
        return Err(CannotBlock::Inside);
    }
    engine.start_thread().map_err(CannotBlock::NoThread)?;
    let _caller = Caller::new(engine);
    Ok(engine.runtime.block_on(future))
}

/// Wakes the thread for work that no caller waits for.
pub(super) fn wake() {
    if let Some(Ok(engine)) = ENGINE.get()
        && engine.callers.load(Ordering::SeqCst) == 0
    {
        engine.wanted.store(true, Ordering::SeqCst);
        engine.unpark();
    }
}

impl Engine {
    fn new() -> io::Result<Self> {
        Ok(Self {
            runtime: Builder::new_current_thread().enable_all().build()?,
            callers: AtomicUsize::new(0),
            calls: AtomicU64::new(0),
            driving: AtomicBool::new(false),
            asleep: AtomicBool::new(false),
            wanted: AtomicBool::new(false),
            let_go: Notify::new(),
            thread: OnceLock::new(),
        })
    }

    fn start_thread(&'static self) -> io::Result<()> {
        if self.thread.get().is_none() {
            let thread = thread::Builder::new().name(NAME.to_owned()).spawn(move || {
                // Another caller may have been faster.
                if self.thread.set(thread::current()).is_ok() {
                    self.drive();
                }
            });
            thread?;
        }
        Ok(())
    }

    fn unpark(&self) {
        if let Some(thread) = self.thread.get() {
            thread.unpark();
        }
    }

    /// The body of the background thread.
    fn drive(&self) {
        loop {
            let calls = self.calls.load(Ordering::SeqCst);
            if !self.wanted.load(Ordering::SeqCst) {
                thread::park_timeout(PAUSE);
            }
            let is_wanted = self.wanted.swap(false, Ordering::SeqCst);
            if !is_wanted && self.calls.load(Ordering::SeqCst) != calls {
                continue;
            }
            // A call takes long, such as one that waits for the next message of a stream.
            if self.callers.load(Ordering::SeqCst) > 0 {
                self.asleep.store(true, Ordering::SeqCst);
                if self.callers.load(Ordering::SeqCst) > 0 {
                    thread::park();
                }
                self.asleep.store(false, Ordering::SeqCst);
                continue;
            }
            // A caller first announces itself, and then checks whether the background thread drives. So one of the two
            // sees the other.
            self.driving.store(true, Ordering::SeqCst);
            if self.callers.load(Ordering::SeqCst) == 0 {
                self.runtime.block_on(self.let_go.notified());
            }
            self.driving.store(false, Ordering::SeqCst);
        }
    }
}

/// A thread that is in a call.
struct Caller(&'static Engine);

impl Caller {
    fn new(engine: &'static Engine) -> Self {
        engine.callers.fetch_add(1, Ordering::SeqCst);
        if engine.driving.load(Ordering::SeqCst) {
            engine.let_go.notify_one();
        }
        Self(engine)
    }
}

impl Drop for Caller {
    fn drop(&mut self) {
        self.0.calls.fetch_add(1, Ordering::SeqCst);
        let last = self.0.callers.fetch_sub(1, Ordering::SeqCst) == 1;
        if last && self.0.asleep.load(Ordering::SeqCst) {
            self.0.unpark();
        }
    }
}

impl CannotBlock {
    pub(super) fn into_status(self) -> Status {
        match self {
            Self::Inside => Status::failed_precondition(INSIDE),
            Self::NoThread(error) => Status::resource_exhausted(format!("cannot start a thread: {error}")),
        }
    }

    pub(super) fn into_connect_error(self, address: Address) -> ConnectError {
        match self {
            Self::Inside => ConnectError::Unsupported { address, reason: INSIDE.to_owned() },
            Self::NoThread(source) => ConnectError::Io { address, action: "start a thread", source },
        }
    }
}
