use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use rustix::net::{SendAncillaryBuffer, SendFlags, send, sendmsg};
use tokio::io::{AsyncRead, AsyncWrite, Interest, ReadBuf};
use tokio::net::UnixStream;

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
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        poll_send(self.stream(), cx, |stream| Ok(send(stream, buf, FLAGS)?))
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let bufs = &bufs[..bufs.len().min(MAX_SLICES)];
        poll_send(self.stream(), cx, |stream| {
            Ok(sendmsg(stream, bufs, &mut SendAncillaryBuffer::default(), FLAGS)?)
        })
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    /// Nothing is kept back.
    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.shut_down(cx)
    }
}

fn poll_send(
    stream: &UnixStream,
    cx: &mut Context<'_>,
    send: impl Fn(&UnixStream) -> io::Result<usize>,
) -> Poll<io::Result<usize>> {
    loop {
        ready!(stream.poll_write_ready(cx))?;
        match stream.try_io(Interest::WRITABLE, || send(stream)) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            result => return Poll::Ready(result),
        }
    }
}
