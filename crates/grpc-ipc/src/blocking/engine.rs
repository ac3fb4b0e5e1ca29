//! Where the connections of blocking channels run.

use std::future::ready;
use std::io;
use std::panic::catch_unwind;
use std::sync::OnceLock;

use grpc_ipc_core::{Address, ConnectError};
use tokio::runtime::{Builder, Handle, Runtime};
use tonic::Status;

/// The runtime that all blocking channels of the process share; or why there is none.
static RUNTIME: OnceLock<io::Result<Runtime>> = OnceLock::new();

/// The thread's name, which Linux cuts off after 15 bytes.
const NAME: &str = "grpc-ipc-client";

/// Why nothing can be waited for here.
pub(super) enum CannotBlock {
    /// This thread drives asynchronous tasks.
    Inside,
    NoThread(io::Error),
}

const INSIDE: &str = "a blocking call was made inside of an asynchronous task, which would stop its runtime; use the \
                      asynchronous client and grpc_ipc::Channel there, or tokio::task::spawn_blocking";

/// Runs a future on the calling thread, with the shared runtime as its context, until it is ready.
pub(super) fn block_on<F: Future>(future: F) -> Result<F::Output, CannotBlock> {
    let runtime = RUNTIME
        .get_or_init(|| Builder::new_multi_thread().worker_threads(1).thread_name(NAME).enable_all().build());
    let runtime = match runtime {
        Ok(runtime) => runtime,
        Err(error) => return Err(CannotBlock::NoThread(io::Error::new(error.kind(), error.to_string()))),
    };
    // tokio does not say whether one may block here; it panics.
    if Handle::try_current().is_ok() && catch_unwind(|| runtime.block_on(ready(()))).is_err() {
        return Err(CannotBlock::Inside);
    }
    Ok(runtime.block_on(future))
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
