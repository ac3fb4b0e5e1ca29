use std::ffi::{OsStr, OsString};
use std::mem::size_of;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use grpc_ipc_core::Address;

use super::runtime_dir::{self, Create};

/// The location of a socket, resolved from an [`Address`].
#[derive(Clone, Debug)]
pub(super) enum Endpoint {
    Path(PathBuf),
    /// A name in Linux's abstract namespace, without its leading NUL.
    Abstract(OsString),
}

/// Why an address is not an endpoint of this backend.
pub(super) enum NoEndpoint {
    /// It belongs to another transport, or to another platform.
    Unsupported(String),
    /// The path or name is longer than the limit, in bytes.
    TooLong { length: usize, limit: usize },
    /// The user has no directory for `local:NAME`.
    NoRuntimeDirectory(String),
}

impl Endpoint {
    pub(super) fn new(address: &Address, create: Create) -> Result<Self, NoEndpoint> {
        let endpoint = match address {
            Address::Unix { path, .. } => Self::Path(path.clone()),
            Address::Local { name, .. } => {
                Self::Path(runtime_dir::socket_path(name, create).map_err(NoEndpoint::NoRuntimeDirectory)?)
            }
            Address::UnixAbstract { name, .. } if cfg!(any(target_os = "linux", target_os = "android")) => {
                Self::Abstract(name.clone())
            }
            Address::UnixAbstract { .. } => {
                let reason = "only Linux has abstract sockets; use unix:PATH or local:NAME";
                return Err(NoEndpoint::Unsupported(reason.to_owned()));
            }
            _ => {
                return Err(NoEndpoint::Unsupported(
                    "this is not the address of a Unix domain socket".to_owned(),
                ));
            }
        };
        // One byte is for the NUL that ends a path or begins an abstract name.
        let (length, limit) = (endpoint.name().len(), SUN_PATH_LEN - 1);
        if length > limit {
            return Err(NoEndpoint::TooLong { length, limit });
        }
        Ok(endpoint)
    }

    fn name(&self) -> &OsStr {
        match self {
            Self::Path(path) => path.as_os_str(),
            Self::Abstract(name) => name,
        }
    }

    /// The same endpoint, independent of later changes of the working directory.
    pub(super) fn anchored(self) -> Self {
        match self {
            Self::Path(path) => Self::Path(anchored(&path, SUN_PATH_LEN - 1)),
            name @ Self::Abstract(_) => name,
        }
    }

    /// The form that tokio and the standard library take: on Linux, a leading NUL makes a name abstract.
    pub(super) fn socket_path(&self) -> PathBuf {
        match self {
            Self::Path(path) => path.clone(),
            Self::Abstract(name) => {
                let mut path = OsString::from("\0");
                path.push(name);
                path.into()
            }
        }
    }

    /// The address of this endpoint for any client, including clients that do not know `local:` or have another working
    /// directory.
    pub(super) fn address(&self, given: &Address) -> Address {
        match self {
            // This cannot fail, because the path comes from an address.
            Self::Path(path) => Address::unix(path).unwrap_or_else(|_| given.clone()),
            Self::Abstract(_) => given.clone(),
        }
    }
}

/// The size of `sun_path`: 108 on Linux, 104 on macOS and the BSDs, unix(7).
pub(super) const SUN_PATH_LEN: usize =
    size_of::<libc::sockaddr_un>() - std::mem::offset_of!(libc::sockaddr_un, sun_path);

/// Makes a relative `path` absolute if the result has at most `limit` bytes; otherwise returns `path` itself.
pub(super) fn anchored(path: &Path, limit: usize) -> PathBuf {
    match std::path::absolute(path) {
        Ok(absolute) if path.is_relative() && absolute.as_os_str().len() <= limit => absolute,
        _ => path.to_owned(),
    }
}

/// The directory that holds the file at `path`.
pub(super) fn parent(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if !parent.as_os_str().as_bytes().is_empty() => parent,
        _ => Path::new("."),
    }
}
