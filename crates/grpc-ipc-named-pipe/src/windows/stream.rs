use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::windows::named_pipe::{NamedPipeClient, NamedPipeServer};
use windows_sys::Win32::Foundation::ERROR_PIPE_NOT_CONNECTED;

/// One end of a named pipe.
///
/// - Several slices are written together, with one `WriteFile`.
/// - A read fills the caller's buffer with up to 64 KiB, with one `ReadFile`.
/// - A pipe has no half-close. `shutdown` closes both directions, after the written data has been passed to the system.
///   The other end reads that data, and then the end. Data that the other end still sends is lost, and a pending read
///   ends.
/// - `DisconnectNamedPipe` is never called, because it would discard data that the other end has not read.
#[derive(Debug)]
pub struct PipeStream {
    end: End,
    /// The waker of the last pending read, which closing the pipe does not wake.
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
            // The other end would take an empty write for the end.
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

    /// tokio says `false` for its pipes, but mio combines the slices into one write.
    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        // Written data is on its way, and FlushFileBuffers would block until the other end has read it.
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        // mio keeps the handle until the current write has ended.
        self.end = End::Closed;
        if let Some(reader) = self.reader.take() {
            reader.wake();
        }
        Poll::Ready(Ok(()))
    }
}

/// If the server has disconnected the pipe, or ended before it accepted the connection, Windows reports "not
/// connected".
fn explain(error: io::Error) -> io::Error {
    if error.raw_os_error() == Some(ERROR_PIPE_NOT_CONNECTED as i32) {
        let reason = "the server closed the pipe, perhaps before it accepted the connection";
        return io::Error::new(io::ErrorKind::ConnectionReset, reason);
    }
    error
}
