use std::io;
use std::path::{Component, Path, PathBuf, Prefix};

use grpc_ipc_core::Address;
use socket2::{Domain, SockAddr, Socket, Type};
use windows_sys::Win32::Networking::WinSock::WSAEAFNOSUPPORT;

/// The longest path that fits into a socket address, in bytes of UTF-8, without the NUL at the end.
const LIMIT: usize = 107;

/// A socket that can be bound or connected, with its address.
pub(super) struct Endpoint {
    pub(super) path: PathBuf,
    pub(super) socket: Socket,
    pub(super) name: SockAddr,
}

/// Why an address is not an endpoint of this backend.
pub(super) enum NoEndpoint {
    Unsupported(String),
    TooLong { length: usize, limit: usize },
    Io(io::Error),
}

impl Endpoint {
    pub(super) fn new(address: &Address) -> Result<Self, NoEndpoint> {
        let Address::Unix { path, .. } = address else {
            let reason = "this is not the address of an AF_UNIX socket; Windows has no abstract sockets";
            return Err(NoEndpoint::Unsupported(reason.to_owned()));
        };
        let path = without_root_slash(path);
        if !is_on_a_drive(&path) {
            let reason =
                r"the path must be on this machine: use a path without a prefix, or with a drive (C:\)";
            return Err(NoEndpoint::Unsupported(reason.to_owned()));
        }
        let length = path.to_str().map_or(usize::MAX, str::len);
        if length > LIMIT {
            return Err(NoEndpoint::TooLong { length, limit: LIMIT });
        }
        let socket = new_socket().map_err(|error| match error.raw_os_error() {
            Some(WSAEAFNOSUPPORT) => NoEndpoint::Unsupported(
                "AF_UNIX is not available on this system; it needs Windows 10 1803 or Windows Server 2019. Use \
                 npipe:NAME or local:NAME"
                    .to_owned(),
            ),
            _ => NoEndpoint::Io(error),
        })?;
        let name = SockAddr::unix(&path).map_err(NoEndpoint::Io)?;
        Ok(Self { path, socket, name })
    }
}

/// The same address, independent of later changes of the working directory: an absolute path, if that still fits.
pub(super) fn anchored(address: &Address) -> Address {
    let Address::Unix { path, .. } = address else { return address.clone() };
    let path = without_root_slash(path);
    match std::path::absolute(&path) {
        Ok(absolute) if path.is_relative() && absolute.to_str().is_some_and(|path| path.len() <= LIMIT) => {
            Address::unix(absolute).unwrap_or_else(|_| address.clone())
        }
        _ => address.clone(),
    }
}

/// Whether the path is on a drive. A path on another machine (`\\HOST\SHARE\…`) would make Windows log on there in the
/// name of this user; device paths are refused too.
fn is_on_a_drive(path: &Path) -> bool {
    match path.components().next() {
        Some(Component::Prefix(prefix)) => {
            matches!(prefix.kind(), Prefix::Disk(_) | Prefix::VerbatimDisk(_))
        }
        _ => true,
    }
}

pub(super) fn new_socket() -> io::Result<Socket> {
    let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
    socket.set_nonblocking(true)?;
    Ok(socket)
}

/// Turns `/C:/dir`, the path of `unix:///C:/dir`, into `C:/dir`.
fn without_root_slash(path: &Path) -> PathBuf {
    let text = path.as_os_str().to_string_lossy();
    match text.strip_prefix('/') {
        Some(rest) if rest.as_bytes().get(1) == Some(&b':') => rest.into(),
        _ => path.to_owned(),
    }
}
