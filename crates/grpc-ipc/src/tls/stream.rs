use std::fmt;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, Waker, ready};
use std::time::Duration;

use grpc_ipc_core::{Connection, Peer};
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt as _, ReadBuf};
use tokio::runtime::Handle;
use tokio::time::timeout;
use tokio_rustls::TlsStream as Stream;

use super::problem::{End, explain};
use super::wakers::Wakers;

/// TLS over a connection of another transport.
///
/// - Its [`Peer`] is that of the connection below, with the certificates that it has shown.
/// - The end of the stream is one that the other end has told (`close_notify`). One that came without a word may have
///   been cut short by somebody else, and is an error, [`UnexpectedEof`](io::ErrorKind::UnexpectedEof).
/// - One that is dropped tells its end, too. What it has taken and the transport not yet is still written, by a task of
///   its own, for at most 5 seconds.
pub struct TlsStream<C: Connection> {
    /// Until it is dropped.
    stream: Option<Stream<C>>,
    peer: Peer,
    other: End,
    /// Whoever is to be woken when the transport takes more of what is encrypted already.
    wakers: Wakers,
}

/// How long the other end of a connection that was dropped may take to read the last of it.
const LAST_WORDS: Duration = Duration::from_secs(5);

impl<C: Connection> TlsStream<C> {
    /// After a handshake with `peer`.
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

    /// Whether something is encrypted that the transport has not taken yet.
    fn is_behind(&self) -> bool {
        self.stream.as_ref().is_some_and(|stream| stream.get_ref().1.wants_write())
    }

    /// Has the transport take all that is encrypted; whoever reads and whoever writes is woken when it takes more.
    fn poll_catch_up(&mut self) -> Poll<io::Result<()>> {
        let waker = self.wakers.both();
        let caught_up = self.stream()?.poll_flush(&mut Context::from_waker(&waker));
        if caught_up.is_ready() {
            self.wakers = Wakers::default();
            // The other one, if it waits for this, too.
            waker.wake();
        }
        caught_up
    }

    /// The stream, to write to: what was written before is out, so that what is buffered is bounded.
    fn poll_writable(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<Pin<&mut Stream<C>>>> {
        if self.is_behind() {
            self.wakers.writes(cx);
            ready!(self.poll_catch_up())?;
        }
        Poll::Ready(self.stream())
    }
}

impl<C: Connection> Connection for TlsStream<C> {
    fn peer(&self) -> &Peer {
        &self.peer
    }
}

impl<C: Connection> AsyncRead for TlsStream<C> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        // A write is ready when something was taken, and the system would go on with it by itself. Here whoever waits
        // for the answer does. What fails is told by the next write, and perhaps by what is read.
        if self.is_behind() {
            self.wakers.reads(cx);
            _ = self.poll_catch_up();
        }
        let read = ready!(self.stream()?.poll_read(cx, buf));
        Poll::Ready(read.map_err(|error| io::Error::new(error.kind(), explain(&error, self.other))))
    }
}

impl<C: Connection> AsyncWrite for TlsStream<C> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        ready!(self.poll_writable(cx))?.poll_write(cx, buf)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        ready!(self.poll_writable(cx))?.poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_writable(cx))?.poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_writable(cx))?.poll_shutdown(cx)
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
