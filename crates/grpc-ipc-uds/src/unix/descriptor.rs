//! Checks the kind of socket behind a descriptor from another source.

use std::io;
use std::os::fd::BorrowedFd;

use rustix::fs::{FileType, fstat};
use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketType, getpeername, getsockname, sockopt};

use super::place::describe;

/// Fails unless `fd` is a connected stream socket of the family AF_UNIX.
pub(super) fn check_connected(fd: BorrowedFd<'_>) -> io::Result<()> {
    match found(fd)? {
        Found::Connected => Ok(()),
        found => Err(found.instead_of("a connected Unix domain socket (AF_UNIX, SOCK_STREAM)")),
    }
}

/// Fails unless `fd` is a listening stream socket of the family AF_UNIX. Apple's systems also accept one that neither
/// listens nor is connected, because they cannot tell the two apart.
pub(super) fn check_listening(fd: BorrowedFd<'_>) -> io::Result<()> {
    match found(fd)? {
        Found::Listening => Ok(()),
        Found::Unconnected if cfg!(target_vendor = "apple") => Ok(()),
        found => Err(found.instead_of("a listening Unix domain socket (AF_UNIX, SOCK_STREAM)")),
    }
}

/// The kind of a descriptor.
enum Found {
    Connected,
    Listening,
    /// A stream socket that is neither: connect(2) or listen(2) has not been called yet, or the peer has disconnected
    /// and the system has forgotten it.
    Unconnected,
    Other(&'static str),
}

impl Found {
    fn instead_of(self, wanted: &str) -> io::Error {
        let found = match self {
            Self::Connected => "a connected Unix domain socket",
            Self::Listening => "a listening Unix domain socket",
            Self::Unconnected => "a Unix domain socket that is neither listening nor connected",
            Self::Other(found) => found,
        };
        let text = format!("the descriptor is {found}, expected {wanted}");
        io::Error::new(io::ErrorKind::InvalidInput, text)
    }
}

fn found(fd: BorrowedFd<'_>) -> io::Result<Found> {
    let kind = FileType::from_raw_mode(fstat(fd)?.st_mode);
    if kind != FileType::Socket {
        return Ok(Found::Other(describe(kind)));
    }
    match getsockname(fd)?.address_family() {
        AddressFamily::UNIX => {}
        AddressFamily::INET | AddressFamily::INET6 => return Ok(Found::Other("an Internet socket")),
        _ => return Ok(Found::Other("a socket of another family")),
    }
    match sockopt::socket_type(fd)? {
        SocketType::STREAM => {}
        SocketType::DGRAM => return Ok(Found::Other("a datagram socket")),
        SocketType::SEQPACKET => return Ok(Found::Other("a sequenced-packet socket (SOCK_SEQPACKET)")),
        _ => return Ok(Found::Other("a socket of another type")),
    }
    if listens(fd)? {
        return Ok(Found::Listening);
    }
    match getpeername(fd) {
        Err(Errno::NOTCONN) => Ok(Found::Unconnected),
        // Even if the peer's address cannot be read, there is a peer.
        _ => Ok(Found::Connected),
    }
}

#[cfg(not(target_vendor = "apple"))]
fn listens(fd: BorrowedFd<'_>) -> io::Result<bool> {
    Ok(sockopt::socket_acceptconn(fd)?)
}

/// Apple's systems define SO_ACCEPTCONN but do not implement it, so a listening socket looks like one that is not
/// connected.
#[cfg(target_vendor = "apple")]
fn listens(_: BorrowedFd<'_>) -> io::Result<bool> {
    Ok(false)
}
