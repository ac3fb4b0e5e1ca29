use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll};

use rustix::net::{SendAncillaryBuffer, SendFlags, send, sendmsg};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::UnixStream;

use super::peer::peer_of;
use super::sys;
pub use super::sys::LocalSocket;

/// A connected Unix domain socket that knows its peer.
///
/// Writing to a peer that has gone is an error, [`BrokenPipe`](io::ErrorKind::BrokenPipe), and never the signal SIGPIPE,
/// which ends a process where its action is the default: where this crate is part of a program in C, C++ or Swift.
pub type LocalStream = grpc_ipc_core::PeerStream<LocalSocket>;

/// writev(2) and write(2) raise SIGPIPE, and have no flag against it. Apple has an option of the socket instead of this
/// flag, which [`LocalSocket::new`] sets.
#[cfg(not(target_vendor = "apple"))]
const FLAGS: SendFlags = SendFlags::NOSIGNAL;
#[cfg(target_vendor = "apple")]
const FLAGS: SendFlags = SendFlags::empty();

/// The most slices that the system takes at a time, IOV_MAX; the rest is for the next write.
const MAX_SLICES: usize = 1024;

/// A connection, with who is at its other end.
pub(super) fn identify(stream: UnixStream) -> io::Result<LocalStream> {
    // tokio's stream knows some of it, and is none any more when the socket is registered with the runtime anew.
    let known = sys::credentials_of(&stream)?;
    let socket = LocalSocket::new(stream)?;
    let peer = peer_of(&socket, known);
    Ok(LocalStream::new(socket, peer).reading_at_once())
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

    /// Nothing is kept back.
    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(self.shut_down())
    }
}
