use std::fs::File;
use std::io;
use std::os::windows::fs::OpenOptionsExt as _;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use futures_util::stream::{FuturesUnordered, StreamExt as _};
use grpc_ipc_win32::{Descriptor, descriptor_of};
use tokio::net::windows::named_pipe::{NamedPipeServer, ServerOptions};
use windows_sys::Win32::Storage::FileSystem::SECURITY_ANONYMOUS;

use super::client_process::Moment;
use super::{ListenOptions, sys};

/// The maximum number of other servers' instances that this server may connect to while it occupies its own.
const OTHERS: usize = 256;

/// An instance that has a client.
pub(super) struct Connected {
    pub(super) pipe: NamedPipeServer,
    /// A moment at which it had no client yet.
    pub(super) free: Moment,
}

/// The properties that all instances of a pipe share.
pub(super) struct Template {
    pub(super) path: String,
    options: ServerOptions,
    descriptor: Descriptor,
}

impl Template {
    /// Creates one more instance.
    pub(super) fn create(&self) -> io::Result<NamedPipeServer> {
        sys::create(&self.options, &self.path, &self.descriptor)
    }

    /// Creates the first instance, which only one server can do (`FILE_FLAG_FIRST_PIPE_INSTANCE`).
    pub(super) fn create_first(&self) -> io::Result<NamedPipeServer> {
        sys::create(self.options.clone().first_pipe_instance(true), &self.path, &self.descriptor)
    }
}

/// The instances of a pipe that wait for clients.
pub(super) struct Instances {
    pub(super) template: Template,
    /// The security descriptor, as reported by Windows.
    described: Option<String>,
    wanted: usize,
    waiting: FuturesUnordered<Waiting>,
    /// The number of this server's own connections that it has not received yet.
    occupied: usize,
    /// The process of the previous server, which may have occupied some of this server's instances.
    pub(super) before: Option<u32>,
}

impl Instances {
    /// Creates an empty set.
    pub(super) fn new(path: String, descriptor: Descriptor, listen: &ListenOptions) -> Self {
        let mut options = ServerOptions::new();
        options.in_buffer_size(listen.buffer_size).out_buffer_size(listen.buffer_size);
        options.reject_remote_clients(true);
        Self {
            template: Template { path, options, descriptor },
            described: None,
            wanted: listen.backlog as usize,
            waiting: FuturesUnordered::new(),
            occupied: 0,
            before: None,
        }
    }

    /// The pipe's security descriptor, once this server has had an instance.
    pub(super) fn security_descriptor(&self) -> Option<&str> {
        self.described.as_deref()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// Adds the first instance, which had no client at `free`.
    pub(super) fn add_first(&mut self, pipe: NamedPipeServer, free: Moment) {
        self.described = descriptor_of(&pipe).ok();
        self.waiting.push(Waiting::new(pipe, free));
    }

    pub(super) fn add(&self) -> io::Result<()> {
        let free = Moment::now();
        let pipe = self.template.create()?;
        self.waiting.push(Waiting::new(pipe, free));
        Ok(())
    }

    /// Creates the missing instances.
    pub(super) fn fill(&self) -> io::Result<()> {
        while self.is_missing() {
            self.add()?;
        }
        Ok(())
    }

    pub(super) fn is_missing(&self) -> bool {
        self.waiting.len() < self.wanted
    }

    /// The next instance that has a client; `None` when each has had one. It is not replaced.
    ///
    /// # Cancel safety
    /// Dropping the future loses nothing.
    pub(super) async fn next(&mut self) -> Option<io::Result<Connected>> {
        self.waiting.next().await
    }

    /// Connects to all instances that wait for a client, so that nobody else can.
    ///
    /// Windows cannot close an instance only to new clients, and a client that connects just before it is closed would
    /// lose its connection. So each instance gets a client before it is closed. Windows gives a client the oldest
    /// waiting instance. If that belongs to another server, that server sees a client that disconnects without sending
    /// anything.
    pub(super) fn occupy(&mut self) {
        let mut options = File::options();
        options.read(true).write(true).security_qos_flags(SECURITY_ANONYMOUS);
        for _ in 0..self.waiting.len() + OTHERS {
            if !self.can_be_connected_to() || options.open(&self.template.path).is_err() {
                break;
            }
            self.occupied += 1;
        }
    }

    /// Whether an instance still waits for its client.
    pub(super) fn can_be_connected_to(&self) -> bool {
        let mut pipes = self.waiting.iter().filter_map(|instance| instance.pipe.as_deref());
        pipes.any(sys::is_listening)
    }

    /// Whether the client of an instance only [occupied](Self::occupy) it. That client has disconnected by now.
    pub(super) fn is_occupied(&mut self, pipe: &NamedPipeServer) -> bool {
        if self.occupied == 0 && self.before.is_none() {
            return false;
        }
        let Ok(process) = sys::client_process(pipe) else { return false };
        let by_this_one = self.occupied > 0 && process == std::process::id();
        let occupied = (by_this_one || Some(process) == self.before) && sys::is_closed(pipe);
        if occupied && by_this_one {
            self.occupied -= 1;
        }
        occupied
    }
}

/// After this is dropped, nobody can connect any more.
///
/// mio closes an instance that waits for a client only when the runtime processes it. Until then, the instance would
/// accept one.
impl Drop for Instances {
    fn drop(&mut self) {
        self.occupy();
    }
}

/// An instance that waits for a client. It is disconnected if it is dropped before it is returned.
struct Waiting {
    /// Present until it is returned.
    pipe: Option<Arc<NamedPipeServer>>,
    connect: Option<BoxFuture<'static, io::Result<()>>>,
    /// A moment at which it had no client yet.
    free: Moment,
}

impl Waiting {
    fn new(pipe: NamedPipeServer, free: Moment) -> Self {
        let pipe = Arc::new(pipe);
        let connecting = Arc::clone(&pipe);
        let connect = async move { connecting.connect().await }.boxed();
        Self { pipe: Some(pipe), connect: Some(connect), free }
    }
}

impl Future for Waiting {
    type Output = io::Result<Connected>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let gone = || io::Error::from(io::ErrorKind::BrokenPipe);
        let connect = self.connect.as_mut().ok_or_else(gone)?;
        ready!(connect.poll_unpin(cx))?;
        // This future holds the pipe, too.
        self.connect = None;
        let pipe = self.pipe.take().and_then(Arc::into_inner).ok_or_else(gone)?;
        Poll::Ready(Ok(Connected { pipe, free: self.free }))
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        if let Some(pipe) = &self.pipe {
            _ = pipe.disconnect();
        }
    }
}
