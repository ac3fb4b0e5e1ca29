use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::windows::named_pipe::{NamedPipeClient, NamedPipeServer};

/// One end of a named pipe.
///
/// - Several slices are written at once: one `WriteFile` for all of them.
/// - A read takes what the caller's buffer holds, up to 64 KiB: one `ReadFile` for all of it.
/// - A pipe has no half-close. `shutdown` closes it in both directions, once what was written has been handed over:
///   then the other end reads that, and the end. What the other end still sends is lost.
/// - It is never disconnected (`DisconnectNamedPipe`), which would throw away what the other end has not read.
#[derive(Debug)]
pub struct PipeStream(End);

#[derive(Debug)]
enum End {
    Server(NamedPipeServer),
    Client(NamedPipeClient),
    Closed,
}

impl PipeStream {
    pub(super) fn server(pipe: NamedPipeServer) -> Self {
        Self(End::Server(pipe))
    }

    pub(super) fn client(pipe: NamedPipeClient) -> Self {
        Self(End::Client(pipe))
    }
}

impl AsyncRead for PipeStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match &mut self.0 {
            End::Server(pipe) => Pin::new(pipe).poll_read(cx, buf),
            End::Client(pipe) => Pin::new(pipe).poll_read(cx, buf),
            End::Closed => Poll::Ready(Ok(())),
        }
    }
}

impl AsyncWrite for PipeStream {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        if buf.is_empty() {
            // The other end would take it for the end.
            return Poll::Ready(Ok(0));
        }
        match &mut self.0 {
            End::Server(pipe) => Pin::new(pipe).poll_write(cx, buf),
            End::Client(pipe) => Pin::new(pipe).poll_write(cx, buf),
            End::Closed => Poll::Ready(Err(io::ErrorKind::BrokenPipe.into())),
        }
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        if bufs.iter().all(|buf| buf.is_empty()) {
            return Poll::Ready(Ok(0));
        }
        match &mut self.0 {
            End::Server(pipe) => Pin::new(pipe).poll_write_vectored(cx, bufs),
            End::Client(pipe) => Pin::new(pipe).poll_write_vectored(cx, bufs),
            End::Closed => Poll::Ready(Err(io::ErrorKind::BrokenPipe.into())),
        }
    }

    /// True, although tokio says otherwise of its pipes: mio gathers the slices into one write.
    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        // What was written is on its way, and FlushFileBuffers would block until the other end has read it.
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        // mio keeps the handle until the write that is under way has ended.
        self.0 = End::Closed;
        Poll::Ready(Ok(()))
    }
}
