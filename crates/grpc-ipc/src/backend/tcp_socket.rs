//! The differences between the platforms' TCP sockets.

use std::io::{self, IoSlice};

use tokio::net::TcpStream;

/// Whether a listener needs an option to take an address whose last connections have not timed out. On Windows, that
/// option would let two servers listen on one address.
pub(crate) const REUSES_ADDRESSES: bool = cfg!(not(windows));

/// Keeps writes from raising SIGPIPE, where that is an option of the socket.
pub(crate) fn prepare(stream: &TcpStream) {
    #[cfg(target_vendor = "apple")]
    {
        _ = rustix::net::sockopt::set_socket_nosigpipe(stream, true);
    }
    #[cfg(not(target_vendor = "apple"))]
    {
        _ = stream;
    }
}

/// Sends without waiting, and without SIGPIPE where that is a flag (except on Apple's systems).
#[cfg(unix)]
pub(crate) fn try_send(stream: &TcpStream, bufs: &[IoSlice<'_>]) -> io::Result<usize> {
    use rustix::net::{SendAncillaryBuffer, SendFlags, sendmsg};
    use tokio::io::Interest;

    #[cfg(not(target_vendor = "apple"))]
    const FLAGS: SendFlags = SendFlags::NOSIGNAL;
    #[cfg(target_vendor = "apple")]
    const FLAGS: SendFlags = SendFlags::empty();
    /// The maximum number of slices that the system takes at a time, IOV_MAX. The next write takes the rest.
    const MAX_SLICES: usize = 1024;

    let bufs = &bufs[..bufs.len().min(MAX_SLICES)];
    stream
        .try_io(Interest::WRITABLE, || Ok(sendmsg(stream, bufs, &mut SendAncillaryBuffer::default(), FLAGS)?))
}

/// Sends without waiting.
#[cfg(not(unix))]
pub(crate) fn try_send(stream: &TcpStream, bufs: &[IoSlice<'_>]) -> io::Result<usize> {
    stream.try_write_vectored(bufs)
}
