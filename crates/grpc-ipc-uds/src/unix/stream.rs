use std::io::{self, IoSlice};
use std::os::fd::{AsFd as _, OwnedFd};
use std::os::unix::net::UnixStream as StdStream;
use std::pin::Pin;
use std::task::{Context, Poll};

use grpc_ipc_core::{Connection, Peer, PeerStream};
use rustix::io::{FdFlags, fcntl_setfd};
use rustix::net::{SendAncillaryBuffer, SendFlags, send, sendmsg};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::UnixStream;

pub use super::sys::LocalSocket;
use super::{descriptor, peer, sys};

/// A connected Unix domain socket with its peer.
///
/// Listeners and connectors create it. `try_from` creates it from any connected socket of the program: one end of a
/// socketpair(2), a descriptor that another process has passed on, a stream that the program has accepted or connected
/// itself. For the peer of a socketpair, see [`peer_of`](crate::peer_of).
///
/// ```no_run
/// # mod grpc_ipc { pub use grpc_ipc_core::Connection; pub mod unix { pub use grpc_ipc_uds::*; } }
/// # async fn example() -> std::io::Result<()> {
/// use std::os::fd::AsFd as _;
/// use grpc_ipc::{Connection as _, unix::LocalStream};
///
/// // The program that started this one passed a socket as its standard input.
/// let stream = LocalStream::try_from(std::io::stdin().as_fd().try_clone_to_owned()?)?;
/// println!("connected to {}", stream.peer());
/// # Ok(())
/// # }
/// ```
///
/// Writing to a peer that has closed the connection fails with [`BrokenPipe`](io::ErrorKind::BrokenPipe). It never
/// raises SIGPIPE, whose default action would end the process if this crate is part of a program in C, C++ or Swift.
#[derive(Debug)]
pub struct LocalStream(PeerStream<LocalSocket>);

/// writev(2) and write(2) raise SIGPIPE and have no flag against it. Apple's systems lack this flag too; there,
/// [`LocalSocket::new`] sets a socket option.
#[cfg(not(target_vendor = "apple"))]
const FLAGS: SendFlags = SendFlags::NOSIGNAL;
#[cfg(target_vendor = "apple")]
const FLAGS: SendFlags = SendFlags::empty();

/// The maximum number of slices of one system call, IOV_MAX. The rest is left for the next write.
const MAX_SLICES: usize = 1024;

/// Returns the connection once its peer is identified. `stream` must be non-blocking.
pub(super) fn identify(stream: StdStream) -> io::Result<LocalStream> {
    let known = sys::credentials_of(stream.as_fd())?;
    let socket = LocalSocket::new(stream)?;
    let peer = peer::of_socket(&socket, known);
    Ok(LocalStream(PeerStream::new(socket, peer).reading_at_once()))
}

impl LocalStream {
    /// The underlying socket.
    pub fn get_ref(&self) -> &LocalSocket {
        self.0.get_ref()
    }
}

/// Takes a socket that another process may have created.
///
/// It is set to non-blocking, and to be closed in programs that this process starts from now on (FD_CLOEXEC).
///
/// # Errors
/// [`InvalidInput`](io::ErrorKind::InvalidInput) if it is not a connected stream socket of the family AF_UNIX; the
/// message says what it is. Otherwise the error of the system.
///
/// # Panics
/// Outside of a tokio runtime, or in one without I/O.
impl TryFrom<OwnedFd> for LocalStream {
    type Error = io::Error;

    fn try_from(socket: OwnedFd) -> io::Result<Self> {
        descriptor::check_connected(socket.as_fd())?;
        fcntl_setfd(&socket, FdFlags::CLOEXEC)?;
        let stream = StdStream::from(socket);
        stream.set_nonblocking(true)?;
        identify(stream)
    }
}

/// See `TryFrom<OwnedFd>`.
impl TryFrom<StdStream> for LocalStream {
    type Error = io::Error;

    fn try_from(stream: StdStream) -> io::Result<Self> {
        OwnedFd::from(stream).try_into()
    }
}

/// See `TryFrom<OwnedFd>`.
impl TryFrom<UnixStream> for LocalStream {
    type Error = io::Error;

    fn try_from(stream: UnixStream) -> io::Result<Self> {
        stream.into_std()?.try_into()
    }
}

impl Connection for LocalStream {
    fn peer(&self) -> &Peer {
        self.0.peer()
    }

    fn reads_at_once(&self) -> bool {
        self.0.reads_at_once()
    }
}

impl AsyncRead for LocalStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_read(cx, buf)
    }
}

impl AsyncWrite for LocalStream {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(cx, buf)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.0.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(cx)
    }
}

impl AsyncRead for LocalSocket {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.read(cx, buf)
    }
}

impl AsyncWrite for LocalSocket {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        self.send(cx, |socket| send(socket, buf, FLAGS))
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let bufs = &bufs[..bufs.len().min(MAX_SLICES)];
        self.send(cx, |socket| sendmsg(socket, bufs, &mut SendAncillaryBuffer::default(), FLAGS))
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    /// Writes are not buffered.
    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(self.shut_down())
    }
}
