use std::fmt;
use std::io::{self, IoSlice, Write as _};
use std::pin::Pin;
use std::task::{Context, Poll, Waker, ready};
use std::time::Duration;

use grpc_ipc_core::{Connection, Peer};
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt as _, ReadBuf};
use tokio::runtime::Handle;
use tokio::time::timeout;
use tokio_rustls::TlsStream as Stream;
use tokio_rustls::rustls::Writer;

use super::problem::{End, explain};
use super::wakers::{Side, Wakers};

/// TLS over a connection of another transport.
///
/// - Its [`Peer`] is the peer of the connection below, with the certificates that it presented.
/// - The stream ends when the other end says so (`close_notify`). An end without that may come from somebody who cut
///   the connection, and is an error, [`UnexpectedEof`](io::ErrorKind::UnexpectedEof).
/// - Dropping it sends `close_notify` as well. A separate task writes the data that the transport has not taken yet,
///   for at most 5 seconds.
pub struct TlsStream<C: Connection> {
    /// `None` once it is dropped.
    stream: Option<Stream<C>>,
    peer: Peer,
    other: End,
    /// The tasks to wake when the transport takes more of the encrypted data.
    wakers: Wakers,
}

/// How long the other end of a dropped connection may take to read the rest.
const LAST_WORDS: Duration = Duration::from_secs(5);

impl<C: Connection> TlsStream<C> {
    /// A stream after its handshake with `peer`.
    pub(super) fn new(stream: Stream<C>, peer: Peer) -> Self {
        let other = match &stream {
            Stream::Client(_) => End::Server,
            Stream::Server(_) => End::Client,
        };
        let peer = match stream.get_ref().1.peer_certificates() {
            Some(certificates) => peer.with_certificates(certificates.iter().map(|der| der.to_vec())),
            None => peer,
        };
        Self { stream: Some(stream), peer, other, wakers: Wakers::default() }
    }

    fn stream(&mut self) -> io::Result<Pin<&mut Stream<C>>> {
        self.stream.as_mut().map(Pin::new).ok_or_else(|| io::ErrorKind::NotConnected.into())
    }

    /// Whether there is encrypted data that the transport has not taken yet.
    fn is_behind(&self) -> bool {
        self.stream.as_ref().is_some_and(|stream| stream.get_ref().1.wants_write())
    }

    /// Makes the transport take all encrypted data. When that is done or has failed, it wakes the task on the other
    /// side that waits for the same.
    fn poll_catch_up(&mut self, side: Side, cx: &Context<'_>) -> Poll<io::Result<()>> {
        self.wakers.set(side, cx);
        let waker = self.wakers.both();
        let caught_up = self.stream()?.poll_flush(&mut Context::from_waker(&waker));
        if caught_up.is_ready() {
            self.wakers.wake_other(side);
        }
        caught_up
    }

    /// Waits until earlier data is written, to bound the buffered data.
    fn poll_writable(&mut self, cx: &Context<'_>) -> Poll<io::Result<()>> {
        match self.is_behind() {
            true => self.poll_catch_up(Side::Writer, cx),
            false => Poll::Ready(Ok(())),
        }
    }

    /// Encrypts the data that `take` writes. It returns the amount even if sending fails, because a part may have been
    /// sent. The next write or flush fails then.
    fn poll_take(
        &mut self,
        cx: &mut Context<'_>,
        take: impl FnOnce(&mut Writer<'_>) -> io::Result<usize>,
    ) -> Poll<io::Result<usize>> {
        ready!(self.poll_writable(cx))?;
        let mut stream = self.stream()?;
        let taken = match &mut *stream {
            Stream::Client(client) => take(&mut client.get_mut().1.writer()),
            Stream::Server(server) => take(&mut server.get_mut().1.writer()),
        }?;
        // There was no pending data, so no other task waits.
        if stream.poll_flush(cx).is_pending() {
            self.wakers.set(Side::Writer, cx);
        }
        Poll::Ready(Ok(taken))
    }
}

impl<C: Connection> Connection for TlsStream<C> {
    fn peer(&self) -> &Peer {
        &self.peer
    }

    fn reads_at_once(&self) -> bool {
        self.stream.as_ref().is_some_and(|stream| stream.get_ref().0.reads_at_once())
    }
}

impl<C: Connection> AsyncRead for TlsStream<C> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        // A write completes once its data is taken. Below TLS, the system would go on sending it. Here, the task that
        // waits for the answer does. The next write reports a failure, and perhaps the next read.
        if self.is_behind() {
            _ = self.poll_catch_up(Side::Reader, cx);
        }
        let read = ready!(self.stream()?.poll_read(cx, buf));
        Poll::Ready(read.map_err(|error| io::Error::new(error.kind(), explain(&error, self.other))))
    }
}

impl<C: Connection> AsyncWrite for TlsStream<C> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        self.poll_take(cx, |writer| writer.write(buf))
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.poll_take(cx, |writer| writer.write_vectored(bufs))
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_writable(cx))?;
        self.stream()?.poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_writable(cx))?;
        self.stream()?.poll_shutdown(cx)
    }
}

impl<C: Connection> Drop for TlsStream<C> {
    fn drop(&mut self) {
        let Some(mut stream) = self.stream.take() else { return };
        let now = Pin::new(&mut stream).poll_shutdown(&mut Context::from_waker(Waker::noop()));
        if now.is_pending()
            && let Ok(runtime) = Handle::try_current()
        {
            runtime.spawn(async move { timeout(LAST_WORDS, stream.shutdown()).await });
        }
    }
}

impl<C: Connection> fmt::Debug for TlsStream<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TlsStream").field("peer", &self.peer).finish_non_exhaustive()
    }
}
