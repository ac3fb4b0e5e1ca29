//! Which kind of socket a descriptor is that comes from elsewhere.

use std::io;
use std::os::fd::BorrowedFd;

use rustix::fs::{FileType, fstat};
use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketType, getpeername, getsockname, sockopt};

use super::place::describe;

/// An error unless `fd` is a connected stream socket of the family AF_UNIX.
pub(super) fn check_connected(fd: BorrowedFd<'_>) -> io::Result<()> {
    match found(fd)? {
        Found::Connected => Ok(()),
        found => Err(found.instead_of("a connected Unix domain socket (AF_UNIX, SOCK_STREAM)")),
    }
}

/// An error unless `fd` is a stream socket of the family AF_UNIX that listens. Apple's systems cannot tell that from one
/// that neither listens nor is connected.
pub(super) fn check_listening(fd: BorrowedFd<'_>) -> io::Result<()> {
    match found(fd)? {
        Found::Listening => Ok(()),
        Found::Unconnected if cfg!(target_vendor = "apple") => Ok(()),
        found => Err(found.instead_of("a Unix domain socket that listens (AF_UNIX, SOCK_STREAM)")),
    }
}

/// What a descriptor is.
enum Found {
    Connected,
    Listening,
    /// A stream socket that is neither: nobody has called connect(2) or listen(2) yet, or, where the system forgets it,
    /// the peer has gone.
    Unconnected,
    Other(&'static str),
}

impl Found {
    fn instead_of(self, wanted: &str) -> io::Error {
        let found = match self {
            Self::Connected => "a connected Unix domain socket",
            Self::Listening => "a Unix domain socket that listens",
            Self::Unconnected => "a Unix domain socket that neither listens nor is connected",
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
        AddressFamily::INET | AddressFamily::INET6 => return Ok(Found::Other("a socket of the Internet")),
        _ => return Ok(Found::Other("a socket of another family")),
    }
    match sockopt::socket_type(fd)? {
        SocketType::STREAM => {}
        SocketType::DGRAM => return Ok(Found::Other("a datagram socket")),
        SocketType::SEQPACKET => return Ok(Found::Other("a socket for packets (SOCK_SEQPACKET)")),
        _ => return Ok(Found::Other("a socket of another type")),
    }
    if listens(fd)? {
        return Ok(Found::Listening);
    }
    match getpeername(fd) {
        Err(Errno::NOTCONN) => Ok(Found::Unconnected),
        // Whatever else the system says of the peer's address, it has a peer.
        _ => Ok(Found::Connected),
    }
}

#[cfg(not(target_vendor = "apple"))]
fn listens(fd: BorrowedFd<'_>) -> io::Result<bool> {
    Ok(sockopt::socket_acceptconn(fd)?)
}

/// Apple's systems have the name SO_ACCEPTCONN, but not the option: a socket that listens looks like one that is not
/// connected.
#[cfg(target_vendor = "apple")]
fn listens(_: BorrowedFd<'_>) -> io::Result<bool> {
    Ok(false)
}
