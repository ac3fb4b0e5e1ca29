use std::io;
use std::path::PathBuf;

use crate::{Address, AddressError, NameError};

/// Why a server cannot listen on an address.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BindError {
    /// The address is none.
    #[error(transparent)]
    Address(#[from] AddressError),
    /// This platform, or this build of the program, has no such transport or option.
    #[error("cannot listen on {address}: {reason}")]
    Unsupported {
        /// The address.
        address: Address,
        /// What is missing, and what to use instead.
        reason: String,
    },
    /// A server is listening there.
    #[error("{address} is already in use{}", by(.pid))]
    InUse {
        /// The address.
        address: Address,
        /// The process id of that server, where it is known.
        pid: Option<u32>,
    },
    /// Something that is no socket is at the path. It is left alone.
    #[error(
        "cannot listen on {address}: {found} is at this path; choose another, or remove it if it is not needed"
    )]
    NotASocket {
        /// The address.
        address: Address,
        /// What is there: "a directory", "a regular file".
        found: &'static str,
    },
    /// The path or name does not fit into a socket address.
    #[error(
        "cannot listen on {address}: it is {length} bytes long, at most {limit} fit into a socket address; choose a shorter one"
    )]
    TooLong {
        /// The address.
        address: Address,
        /// Its length in bytes.
        length: usize,
        /// The longest that fits.
        limit: usize,
    },
    /// The directory of the path is missing, or is none.
    #[error("cannot listen on {address}: {} is no directory; create it first", .parent.display())]
    NoParent {
        /// The address.
        address: Address,
        /// The directory that should be there.
        parent: PathBuf,
    },
    /// There is no directory of the user's own for an address `local:NAME`.
    #[error("cannot listen on {address}: {reason}")]
    NoRuntimeDirectory {
        /// The address.
        address: Address,
        /// What was tried, and what would do.
        reason: String,
    },
    /// An option has a value that the operating system does not understand, or a name that it does not know.
    #[error("cannot listen on {address}: {option} is not valid")]
    InvalidOption {
        /// The address.
        address: Address,
        /// The option and its value.
        option: String,
        /// The operating system's error.
        source: io::Error,
    },
    /// The operating system does not permit it.
    #[error("cannot listen on {address}: no permission to {action}")]
    PermissionDenied {
        /// The address.
        address: Address,
        /// What was not permitted.
        action: &'static str,
        /// The operating system's error.
        source: io::Error,
    },
    /// The operating system failed otherwise.
    #[error("cannot listen on {address}: failed to {action}")]
    Io {
        /// The address.
        address: Address,
        /// What failed.
        action: &'static str,
        /// The operating system's error.
        source: io::Error,
    },
}

fn by(pid: &Option<u32>) -> String {
    pid.map(|pid| format!(" by pid {pid}")).unwrap_or_default()
}

impl BindError {
    /// [`PermissionDenied`](Self::PermissionDenied) or [`Io`](Self::Io), by the kind of `source`; `action` completes
    /// "failed to …".
    pub fn from_io(address: &Address, action: &'static str, source: io::Error) -> Self {
        let address = address.clone();
        match source.kind() {
            io::ErrorKind::PermissionDenied => Self::PermissionDenied { address, action, source },
            _ => Self::Io { address, action, source },
        }
    }

    /// [`InvalidOption`](Self::InvalidOption), because of a name in the access policy.
    pub fn unknown_name(address: &Address, error: NameError) -> Self {
        let (option, source) = error.into_option();
        Self::InvalidOption { address: address.clone(), option, source }
    }

    /// The kind that this is as an [`io::Error`].
    pub fn kind(&self) -> io::ErrorKind {
        match self {
            Self::Address(_) | Self::TooLong { .. } | Self::InvalidOption { .. } => {
                io::ErrorKind::InvalidInput
            }
            Self::Unsupported { .. } => io::ErrorKind::Unsupported,
            Self::InUse { .. } => io::ErrorKind::AddrInUse,
            Self::NotASocket { .. } => io::ErrorKind::AlreadyExists,
            Self::NoParent { .. } | Self::NoRuntimeDirectory { .. } => io::ErrorKind::NotFound,
            Self::PermissionDenied { .. } => io::ErrorKind::PermissionDenied,
            Self::Io { source, .. } => source.kind(),
        }
    }
}

impl From<BindError> for io::Error {
    fn from(error: BindError) -> Self {
        Self::new(error.kind(), error)
    }
}
