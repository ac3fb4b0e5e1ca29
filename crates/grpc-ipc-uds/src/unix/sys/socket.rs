use std::fmt;
use std::io;
use std::os::fd::{AsFd, AsRawFd as _, BorrowedFd, RawFd};
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};

use tokio::io::{AsyncRead as _, AsyncWrite as _, ReadBuf};
use tokio::net::UnixStream;

/// The socket of a [`LocalStream`](crate::LocalStream). It lends its descriptor, to ask the system about the connection.
pub struct LocalSocket {
    /// Nothing gives it out by value or to be replaced, because only the drop below may close it.
    stream: UnixStream,
    open: OpenSocket,
}

/// A socket as long as it is open. This does not keep it open.
#[derive(Clone)]
pub(crate) struct OpenSocket(Arc<Mutex<Option<RawFd>>>);

impl LocalSocket {
    pub(crate) fn new(stream: UnixStream) -> Self {
        // Without this option a write may raise SIGPIPE; everything else works.
        #[cfg(target_vendor = "apple")]
        {
            _ = rustix::net::sockopt::set_socket_nosigpipe(&stream, true);
        }
        let open = OpenSocket(Arc::new(Mutex::new(Some(stream.as_raw_fd()))));
        Self { stream, open }
    }

    pub(crate) fn stream(&self) -> &UnixStream {
        &self.stream
    }

    pub(crate) fn read(&mut self, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buf)
    }

    pub(crate) fn shut_down(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }

    #[cfg(any(target_os = "linux", target_os = "android"))]
    pub(crate) fn open(&self) -> &OpenSocket {
        &self.open
    }
}

impl Drop for LocalSocket {
    /// Runs before the stream is dropped, which closes it.
    fn drop(&mut self) {
        *self.open.lock() = None;
    }
}

impl AsFd for LocalSocket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.stream.as_fd()
    }
}

/// The descriptor alone. The standard library's sockets show their addresses, and panic before Rust PR 162726 when the
/// peer has bound a path of all 108 bytes.
impl fmt::Debug for LocalSocket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LocalSocket").field("fd", &self.stream.as_raw_fd()).finish()
    }
}

impl OpenSocket {
    fn lock(&self) -> MutexGuard<'_, Option<RawFd>> {
        // There is only one value in there, so it is whole even after a panic.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What `ask` says of the socket; `None` when that has been closed.
    #[cfg(any(target_os = "linux", target_os = "android"))]
    #[expect(unsafe_code, reason = "the descriptor is borrowed of a socket that another thread may own")]
    pub(crate) fn ask<T>(&self, ask: impl FnOnce(BorrowedFd<'_>) -> T) -> Option<T> {
        let fd = self.lock();
        // SAFETY: the descriptor is open until the lock is released: it is `Some`, and the socket waits for the lock to
        // make it `None` before it closes the descriptor, which nothing else does.
        let borrowed = fd.map(|fd| unsafe { BorrowedFd::borrow_raw(fd) });
        borrowed.map(ask)
    }
}
