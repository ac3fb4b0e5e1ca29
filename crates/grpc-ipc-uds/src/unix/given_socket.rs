use std::io;
use std::os::fd::{AsFd as _, OwnedFd};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::PathBuf;

use grpc_ipc_core::{Address, BindError};
use rustix::io::{FdFlags, fcntl_setfd};
use rustix::net::{SocketAddrUnix, getsockname};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

use super::kept_socket::accept;
use super::systemd::Lease;
use super::{descriptor, sys};

/// A listening socket that someone else has bound. This process does not remove its file, because the socket may be
/// open elsewhere and listened on again.
pub(super) struct GivenSocket {
    socket: AsyncFd<UnixListener>,
    _lease: Option<Lease>,
}

impl GivenSocket {
    /// Takes the socket, and determines the address at which clients reach it. Errors use the address `given`.
    pub(super) fn new(
        socket: OwnedFd,
        lease: Option<Lease>,
        given: &Address,
    ) -> Result<(Self, Address), BindError> {
        let failed = |error: io::Error| match error.kind() {
            io::ErrorKind::InvalidInput => {
                BindError::NotListening { address: given.clone(), found: error.to_string() }
            }
            _ => BindError::from_io(given, "take the socket", error),
        };
        descriptor::check_listening(socket.as_fd()).map_err(failed)?;
        fcntl_setfd(&socket, FdFlags::CLOEXEC).map_err(|error| failed(error.into()))?;
        let listener = UnixListener::from(socket);
        listener.set_nonblocking(true).map_err(failed)?;
        let address = address_of(&listener).map_err(failed)?.unwrap_or_else(|| given.clone());
        let socket = sys::register(listener, Interest::READABLE).map_err(failed)?;
        Ok((Self { socket, _lease: lease }, address))
    }

    pub(super) async fn accept(&self) -> io::Result<UnixStream> {
        accept(&self.socket).await
    }
}

/// The address that the socket is bound to, or `None` if it is not valid, such as a path that contains a NUL.
fn address_of(listener: &UnixListener) -> io::Result<Option<Address>> {
    let bound = SocketAddrUnix::try_from(getsockname(listener)?)?;
    if let Some(path) = bound.path() {
        return Ok(Address::unix(PathBuf::from(os_string(path.to_bytes()))).ok());
    }
    #[cfg(any(target_os = "linux", target_os = "android"))]
    if let Some(name) = bound.abstract_name() {
        return Ok(Address::unix_abstract(os_string(name)).ok());
    }
    Ok(None)
}

fn os_string(bytes: &[u8]) -> std::ffi::OsString {
    std::os::unix::ffi::OsStringExt::from_vec(bytes.to_owned())
}
