use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::{Connection, Peer};

/// A byte stream together with its peer: the simplest [`Connection`].
///
/// A write to one of tokio's sockets raises SIGPIPE after the peer has closed it. Rust programs ignore that signal, but
/// it may end a program whose `main` is in another language. grpc-ipc's own sockets do not raise it.
#[derive(Debug)]
pub struct PeerStream<S> {
    stream: S,
    peer: Peer,
    reads_at_once: bool,
}

impl<S> PeerStream<S> {
    /// Wraps `stream`, which is connected to `peer`.
    pub fn new(stream: S, peer: Peer) -> Self {
        Self { stream, peer, reads_at_once: false }
    }

    /// Marks the stream as one that [reads at once](Connection::reads_at_once).
    pub fn reading_at_once(self) -> Self {
        Self { reads_at_once: true, ..self }
    }

    /// The inner stream.
    pub fn get_ref(&self) -> &S {
        &self.stream
    }
}

impl<S: AsyncRead + AsyncWrite + Send + Unpin + 'static> Connection for PeerStream<S> {
    fn peer(&self) -> &Peer {
        &self.peer
    }

    fn reads_at_once(&self) -> bool {
        self.reads_at_once
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for PeerStream<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buf)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for PeerStream<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, buf)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whether_a_stream_reads_at_once_is_said_by_whoever_makes_it() {
        let (stream, _) = tokio::io::duplex(1);
        let stream = PeerStream::new(stream, Peer::new("test"));
        assert!(!stream.reads_at_once());
        assert!(Connection::reads_at_once(&Box::new(stream.reading_at_once())));
    }
}
