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
        Self { stream: Some(stream), peer, other }
    }

    fn stream(&mut self) -> io::Result<Pin<&mut Stream<C>>> {
        self.stream.as_mut().map(Pin::new).ok_or_else(|| io::ErrorKind::NotConnected.into())
    }

    /// The stream, once the transport has taken what was written before: then what is on its way is bounded, and on its
    /// way also if nobody flushes.
    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<Pin<&mut Stream<C>>>> {
        let mut stream = self.stream()?;
        if stream.get_ref().1.wants_write() {
            ready!(stream.as_mut().poll_flush(cx))?;
        }
        Poll::Ready(Ok(stream))
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
        let read = ready!(self.stream()?.poll_read(cx, buf));
        Poll::Ready(read.map_err(|error| io::Error::new(error.kind(), explain(&error, self.other))))
    }
}

impl<C: Connection> AsyncWrite for TlsStream<C> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        ready!(self.poll_ready(cx))?.poll_write(cx, buf)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        ready!(self.poll_ready(cx))?.poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.stream()?.poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
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
