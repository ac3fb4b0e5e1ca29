use std::io;
use std::time::Duration;

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use futures_util::stream::{FuturesUnordered, StreamExt as _};
use grpc_ipc_core::{Address, Backoff, BindError};
use tokio::net::windows::named_pipe::{ClientOptions, NamedPipeServer, ServerOptions};
use tokio::time::{Instant, timeout_at};
use tracing::warn;

use super::endpoint;
use super::sys::{self, Descriptor};

/// How long the pipe of a server that has ended may take to go away.
const TAKE_OVER: Duration = Duration::from_secs(2);

/// The instances of a pipe that wait for clients.
pub(super) struct Instances {
    path: String,
    options: ServerOptions,
    descriptor: Descriptor,
    described: Option<String>,
    wanted: usize,
    waiting: FuturesUnordered<BoxFuture<'static, io::Result<NamedPipeServer>>>,
}

impl Instances {
    /// Takes the name, and creates all instances.
    pub(super) async fn create(
        address: &Address,
        name: &str,
        descriptor: Descriptor,
        wanted: usize,
        buffer_size: u32,
    ) -> Result<Self, BindError> {
        let mut options = ServerOptions::new();
        options.in_buffer_size(buffer_size).out_buffer_size(buffer_size).reject_remote_clients(true);
        let path = endpoint::path(name);
        let first =
            create_first(address, &path, options.clone().first_pipe_instance(true), &descriptor).await?;
        let described = sys::descriptor_of(&first).ok();
        let instances =
            Self { path, options, descriptor, described, wanted, waiting: FuturesUnordered::new() };
        instances.wait(first);
        while instances.missing() {
            instances
                .add()
                .map_err(|error| BindError::from_io(address, "create an instance of the pipe", error))?;
        }
        Ok(instances)
    }

    /// The next instance that has a client. What took its place exists by then, unless it could not be created.
    ///
    /// # Cancel safety
    /// Dropping the future loses nothing.
    pub(super) async fn next(&mut self) -> NamedPipeServer {
        let mut backoff = Backoff::accept();
        loop {
            while self.missing() {
                if let Err(error) = self.add() {
                    warn!(pipe = self.path, %error, "an instance of the pipe cannot be created; it is tried again");
                    break;
                }
            }
            tokio::select! {
                Some(connected) = self.waiting.next() => {
                    // Before this one is handed out: the name is never without an instance.
                    _ = self.add();
                    match connected {
                        Ok(pipe) => return pipe,
                        Err(error) => warn!(pipe = self.path, %error, "a client could not connect"),
                    }
                }
                () = backoff.wait(), if self.missing() => {}
            }
        }
    }

    pub(super) fn security_descriptor(&self) -> Option<&str> {
        self.described.as_deref()
    }

    fn missing(&self) -> bool {
        self.waiting.len() < self.wanted
    }

    fn add(&self) -> io::Result<()> {
        self.wait(sys::create(&self.options, &self.path, &self.descriptor)?);
        Ok(())
    }

    fn wait(&self, pipe: NamedPipeServer) {
        self.waiting.push(async move { pipe.connect().await.map(|()| pipe) }.boxed());
    }
}

/// The first instance, which only the one server gets that owns the name (`FILE_FLAG_FIRST_PIPE_INSTANCE`).
async fn create_first(
    address: &Address,
    path: &str,
    options: &ServerOptions,
    descriptor: &Descriptor,
) -> Result<NamedPipeServer, BindError> {
    let deadline = Instant::now() + TAKE_OVER;
    let mut backoff = Backoff::connect();
    loop {
        match sys::create(options, path, descriptor) {
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {}
            result => return result.map_err(|error| BindError::from_io(address, "create the pipe", error)),
        }
        let in_use = |pid| BindError::InUse { address: address.clone(), pid };
        match ClientOptions::new().open(path) {
            Ok(pipe) => return Err(in_use(sys::server_process(&pipe).ok())),
            // No instance waits, so no server listens: what is left of one goes away.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(_) => return Err(in_use(None)),
        }
        timeout_at(deadline, backoff.wait()).await.map_err(|_| in_use(None))?;
    }
}
