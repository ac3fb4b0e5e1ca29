use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::windows::named_pipe::{NamedPipeClient, NamedPipeServer};
use windows_sys::Win32::Foundation::ERROR_PIPE_NOT_CONNECTED;

/// One end of a named pipe.
///
/// - Several slices are written at once: one `WriteFile` for all of them.
/// - A read takes what the caller's buffer holds, up to 64 KiB: one `ReadFile` for all of it.
/// - A pipe has no half-close. `shutdown` closes it in both directions, once what was written has been handed over:
///   then the other end reads that, and the end. What the other end still sends is lost, and a read that is pending
///   ends.
/// - It is never disconnected (`DisconnectNamedPipe`), which would throw away what the other end has not read.
#[derive(Debug)]
pub struct PipeStream {
    end: End,
    /// Of the last read that was pending: a pipe that is closed does not wake it.
    reader: Option<Waker>,
}

#[derive(Debug)]
enum End {
    Server(NamedPipeServer),
    Client(NamedPipeClient),
    Closed,
}

impl PipeStream {
    pub(super) fn server(pipe: NamedPipeServer) -> Self {
        Self { end: End::Server(pipe), reader: None }
    }

    pub(super) fn client(pipe: NamedPipeClient) -> Self {
        Self { end: End::Client(pipe), reader: None }
    }
}

impl AsyncRead for PipeStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let read = match &mut self.end {
            End::Server(pipe) => Pin::new(pipe).poll_read(cx, buf),
            End::Client(pipe) => Pin::new(pipe).poll_read(cx, buf),
            End::Closed => Poll::Ready(Ok(())),
        };
        match (&read, &mut self.reader) {
            (Poll::Ready(_), _) => {}
            (Poll::Pending, Some(reader)) => reader.clone_from(cx.waker()),
            (Poll::Pending, reader) => *reader = Some(cx.waker().clone()),
        }
        read.map_err(explain)
    }
}

impl AsyncWrite for PipeStream {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        if buf.is_empty() {
            // The other end would take it for the end.
            return Poll::Ready(Ok(0));
        }
        match &mut self.end {
            End::Server(pipe) => Pin::new(pipe).poll_write(cx, buf),
            End::Client(pipe) => Pin::new(pipe).poll_write(cx, buf),
            End::Closed => Poll::Ready(Err(io::ErrorKind::BrokenPipe.into())),
        }
        .map_err(explain)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        if bufs.iter().all(|buf| buf.is_empty()) {
            return Poll::Ready(Ok(0));
        }
        match &mut self.end {
            End::Server(pipe) => Pin::new(pipe).poll_write_vectored(cx, bufs),
            End::Client(pipe) => Pin::new(pipe).poll_write_vectored(cx, bufs),
            End::Closed => Poll::Ready(Err(io::ErrorKind::BrokenPipe.into())),
        }
        .map_err(explain)
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
        self.end = End::Closed;
        if let Some(reader) = self.reader.take() {
            reader.wake();
        }
        Poll::Ready(Ok(()))
    }
}

/// To Windows a pipe whose server has disconnected it, or ended before it took the connection, is "not connected".
fn explain(error: io::Error) -> io::Error {
    if error.raw_os_error() == Some(ERROR_PIPE_NOT_CONNECTED as i32) {
        let reason = "the server has gone: it closed the pipe, perhaps before it took the connection";
        return io::Error::new(io::ErrorKind::ConnectionReset, reason);
    }
    error
}
