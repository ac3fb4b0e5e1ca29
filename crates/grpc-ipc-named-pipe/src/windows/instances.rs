use std::fs::File;
use std::io;
use std::os::windows::fs::OpenOptionsExt as _;
use std::time::Duration;

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use futures_util::stream::{FuturesUnordered, StreamExt as _};
use grpc_ipc_core::{Address, Backoff, BindError};
use grpc_ipc_win32::{Descriptor, Identity, descriptor_of};
use tokio::net::windows::named_pipe::{ClientOptions, NamedPipeServer, ServerOptions};
use tokio::time::{Instant, sleep, timeout, timeout_at};
use windows_sys::Win32::Foundation::ERROR_PIPE_BUSY;
use windows_sys::Win32::Storage::FileSystem::SECURITY_ANONYMOUS;

use super::client_process::Moment;
use super::{endpoint, identify, sys};

/// How long the pipe of a server that has ended may take to go away.
const TAKE_OVER: Duration = Duration::from_secs(2);
/// How long the runtime may take to notice a client that has connected.
const LAST_MOMENT: Duration = Duration::from_millis(20);
/// When to create the instances that are missing while others wait for clients.
const FILL_AGAIN: Duration = Duration::from_secs(1);

/// An instance that has a client.
pub(super) struct Connected {
    pub(super) pipe: NamedPipeServer,
    /// A moment at which it had none yet.
    pub(super) free: Moment,
}

/// The instances of a pipe that wait for clients.
pub(super) struct Instances {
    path: String,
    options: ServerOptions,
    descriptor: Descriptor,
    described: Option<String>,
    wanted: usize,
    waiting: FuturesUnordered<BoxFuture<'static, (Waiting, io::Result<()>)>>,
}

impl Instances {
    /// Takes the name, and creates all instances.
    pub(super) async fn create(
        address: &Address,
        name: &str,
        own: &Identity,
        descriptor: Descriptor,
        wanted: usize,
        buffer_size: u32,
    ) -> Result<Self, BindError> {
        let mut options = ServerOptions::new();
        options.in_buffer_size(buffer_size).out_buffer_size(buffer_size).reject_remote_clients(true);
        let path = endpoint::path(name);
        let free = Moment::now();
        let first =
            create_first(address, &path, own, options.clone().first_pipe_instance(true), &descriptor).await?;
        let described = descriptor_of(&first).ok();
        let instances =
            Self { path, options, descriptor, described, wanted, waiting: FuturesUnordered::new() };
        instances.wait(first, free);
        instances
            .fill()
            .map_err(|error| BindError::from_io(address, "create an instance of the pipe", error))?;
        Ok(instances)
    }

    /// The next instance that has a client. What took its place exists by then, unless it could not be created.
    ///
    /// # Errors
    /// A client could not connect, or the system creates no further instance for clients.
    ///
    /// # Cancel safety
    /// Dropping the future loses nothing.
    pub(super) async fn next(&mut self) -> io::Result<Connected> {
        loop {
            let short = self.fill().err();
            if let (Some(error), true) = (short, self.waiting.is_empty()) {
                return Err(error);
            }
            tokio::select! {
                Some((mut instance, connected)) = self.waiting.next() => {
                    // Before this one is handed out, or dropped: the name is never without an instance.
                    _ = self.add();
                    connected?;
                    if let Some(pipe) = instance.0.take() {
                        return Ok(Connected { pipe, free: instance.1 });
                    }
                }
                () = sleep(FILL_AGAIN), if self.missing() => {}
            }
        }
    }

    /// An instance that had a client when the server gave up the name. Windows cannot close a pipe to new clients only,
    /// so the existing instances accept a few more. When none has come for a moment, this returns `None`. A client that
    /// connects between then and the closing of the instances finds its connection closed.
    ///
    /// # Cancel safety
    /// Dropping the future loses nothing.
    pub(super) async fn last(&mut self) -> Option<Connected> {
        loop {
            let (mut instance, connected) = timeout(LAST_MOMENT, self.waiting.next()).await.ok()??;
            if let (Some(pipe), Ok(())) = (instance.0.take(), connected) {
                return Some(Connected { pipe, free: instance.1 });
            }
        }
    }

    /// Creates the instances that are missing.
    fn fill(&self) -> io::Result<()> {
        while self.missing() {
            self.add()?;
        }
        Ok(())
    }

    pub(super) fn security_descriptor(&self) -> Option<&str> {
        self.described.as_deref()
    }

    fn missing(&self) -> bool {
        self.waiting.len() < self.wanted
    }

    fn add(&self) -> io::Result<()> {
        let free = Moment::now();
        self.wait(sys::create(&self.options, &self.path, &self.descriptor)?, free);
        Ok(())
    }

    fn wait(&self, pipe: NamedPipeServer, free: Moment) {
        let instance = Waiting(Some(pipe), free);
        self.waiting.push(
            async move {
                let connected = match &instance.0 {
                    Some(pipe) => pipe.connect().await,
                    None => Ok(()),
                };
                (instance, connected)
            }
            .boxed(),
        );
    }
}

/// Nobody can connect any more once this is dropped.
///
/// mio closes an instance that waits for a client only when the runtime comes to it. Until then it would take one, if it
/// were not disconnected; and where that cannot be done (Wine: `ERROR_PIPE_LISTENING`), this is its last client.
impl Drop for Instances {
    fn drop(&mut self) {
        let waited = self.waiting.len();
        self.waiting.clear();
        for _ in 0..waited {
            let mut options = File::options();
            options.read(true).write(true).security_qos_flags(SECURITY_ANONYMOUS);
            if options.open(&self.path).is_err() {
                break;
            }
        }
    }
}

/// An instance that waits for a client, until it is taken out; disconnected if it is dropped before. And a moment at
/// which it had none yet.
struct Waiting(Option<NamedPipeServer>, Moment);

impl Drop for Waiting {
    fn drop(&mut self) {
        if let Some(pipe) = &self.0 {
            _ = pipe.disconnect();
        }
    }
}

/// The first instance, which only the one server gets that owns the name (`FILE_FLAG_FIRST_PIPE_INSTANCE`).
async fn create_first(
    address: &Address,
    path: &str,
    own: &Identity,
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
        let in_use = |by| BindError::InUse { address: address.clone(), by };
        match ClientOptions::new().open(path) {
            Ok(pipe) => return Err(in_use(Some(identify::server_of(&pipe, own)))),
            Err(error) if may_go_away(&error) => {}
            // Its owner lets this user know nothing about it.
            Err(_) => return Err(in_use(None)),
        }
        timeout_at(deadline, backoff.wait()).await.map_err(|_| in_use(None))?;
    }
}

/// Whether what opening the pipe says may be about what is left of a server: no instance at all, or only those of
/// connections that clients have not closed yet. (Or the server lives, and all of its instances have a client; then one
/// will be free again, and tell.)
fn may_go_away(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::NotFound || error.raw_os_error() == Some(ERROR_PIPE_BUSY as i32)
}

#[cfg(test)]
mod tests {
    use windows_sys::Win32::Foundation::{ERROR_ACCESS_DENIED, ERROR_FILE_NOT_FOUND};

    use super::*;

    #[test]
    fn what_is_left_of_a_server_is_waited_for() {
        let says = |code: u32| may_go_away(&io::Error::from_raw_os_error(code as i32));
        assert!(says(ERROR_FILE_NOT_FOUND));
        assert!(says(ERROR_PIPE_BUSY));
        assert!(!says(ERROR_ACCESS_DENIED), "the pipe of another user");
    }
}
