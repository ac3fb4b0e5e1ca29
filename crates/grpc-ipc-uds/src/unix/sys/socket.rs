use std::fmt;
use std::io;
use std::os::fd::{AsFd, AsRawFd as _, BorrowedFd, RawFd};
use std::os::unix::net::UnixStream;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};

use rustix::net::{RecvFlags, Shutdown, recv, shutdown};
use tokio::io::ReadBuf;

use super::super::registration::Registration;

/// The socket of a [`LocalStream`](crate::LocalStream). It lends its descriptor, for requests to the system about the
/// connection.
pub struct LocalSocket {
    /// Never given out by value or for replacement, because only the drop below may close it.
    registration: Registration,
    open: OpenSocket,
}

/// A socket that may be closed. This does not keep it open.
#[derive(Clone)]
pub(crate) struct OpenSocket(Arc<Mutex<Option<RawFd>>>);

impl LocalSocket {
    /// `stream` must be non-blocking.
    pub(crate) fn new(stream: UnixStream) -> io::Result<Self> {
        // Without this option, a write may raise SIGPIPE; everything else works.
        #[cfg(target_vendor = "apple")]
        {
            _ = rustix::net::sockopt::set_socket_nosigpipe(&stream, true);
        }
        let open = OpenSocket(Arc::new(Mutex::new(Some(stream.as_raw_fd()))));
        Ok(Self { registration: Registration::new(stream)?, open })
    }

    #[expect(unsafe_code, reason = "tokio has no safe way to fill a buffer that is not initialised")]
    pub(crate) fn read(&mut self, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        self.registration.poll_receive(cx, buf.remaining(), |socket| {
            // SAFETY: recv only writes to it.
            let room = unsafe { buf.unfilled_mut() };
            let (received, _) = recv(socket, room, RecvFlags::empty())?.0;
            let length = received.len();
            // SAFETY: the first `length` bytes of it are `received`, which is initialised.
            unsafe { buf.assume_init(length) };
            buf.advance(length);
            Ok(length)
        })
    }

    pub(crate) fn send(
        &mut self,
        cx: &mut Context<'_>,
        send: impl FnMut(&UnixStream) -> rustix::io::Result<usize>,
    ) -> Poll<io::Result<usize>> {
        self.registration.poll_send(cx, send)
    }

    pub(crate) fn shut_down(&self) -> io::Result<()> {
        Ok(shutdown(self, Shutdown::Write)?)
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
        self.registration.socket().as_fd()
    }
}

/// Shows only the descriptor. The standard library's sockets show their addresses, and before Rust PR 162726 they panic
/// if the peer has bound a path of all 108 bytes.
impl fmt::Debug for LocalSocket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LocalSocket").field("fd", &self.as_fd().as_raw_fd()).finish()
    }
}

impl OpenSocket {
    fn lock(&self) -> MutexGuard<'_, Option<RawFd>> {
        // The lock guards a single value, which is valid even after a panic.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The result of `ask` for the socket; `None` if the socket has been closed.
    #[cfg(any(target_os = "linux", target_os = "android"))]
    #[expect(unsafe_code, reason = "borrows the descriptor of a socket that another thread may own")]
    pub(crate) fn ask<T>(&self, ask: impl FnOnce(BorrowedFd<'_>) -> T) -> Option<T> {
        let fd = self.lock();
        // SAFETY: the descriptor is open until the lock is released. It is `Some`, and only the socket closes it, after
        // it has taken the lock and set it to `None`.
        let borrowed = fd.map(|fd| unsafe { BorrowedFd::borrow_raw(fd) });
        borrowed.map(ask)
    }
}
