use std::io;
use std::path::PathBuf;

use crate::{Address, AddressError, NameError, Peer, UserId};

/// Why a server cannot listen on an address.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BindError {
    /// The address is invalid.
    #[error(transparent)]
    Address(#[from] AddressError),
    /// This platform or this build of the program does not have the transport or option.
    #[error("cannot listen on {address}: {reason}")]
    Unsupported {
        /// The address.
        address: Address,
        /// What is missing, and what to use instead.
        reason: String,
    },
    /// A server is already listening there. It may belong to this program, or to anyone who bound the address first.
    #[error("{address} is already in use{}", used_by(.by))]
    InUse {
        /// The address.
        address: Address,
        /// The process that serves there, if known.
        by: Option<Peer>,
    },
    /// The service manager, systemd or launchd, did not pass this socket to the process.
    #[error("cannot listen on {address}: {reason}")]
    NotPassed {
        /// The address.
        address: Address,
        /// What it passed instead, and what to do.
        reason: String,
    },
    /// The given descriptor is not a socket that a server can listen on.
    #[error("cannot listen on {address}: {found}")]
    NotListening {
        /// The address.
        address: Address,
        /// What the descriptor is, and what was expected.
        found: String,
    },
    /// Something other than a socket is at the path. It is not changed.
    #[error(
        "cannot listen on {address}: {found} is at this path; choose another path, or remove it if it is not needed"
    )]
    NotASocket {
        /// The address.
        address: Address,
        /// What is there: "a directory", "a regular file".
        found: &'static str,
    },
    /// Something that this process must not remove blocks the path, such as the file of another user's server. It is
    /// not changed.
    #[error("cannot listen on {address}: {} {problem}", .path.display())]
    InTheWay {
        /// The address.
        address: Address,
        /// The file or directory that blocks it.
        path: PathBuf,
        /// Its owner, if the owner is the problem.
        owner: Option<UserId>,
        /// What is wrong, and what to do.
        problem: Box<str>,
    },
    /// Others can write to the directory or one of its parents, so they could replace its contents.
    #[error(
        "cannot listen on {address}: {} {problem}, so others could replace this server with their own; use a \
         directory that belongs to this user or to root and that nobody else may write to (mode 0755), or one with \
         the sticky bit (1777)",
        .parent.display()
    )]
    UnsafeParent {
        /// The address.
        address: Address,
        /// The directory, or a symbolic link to one.
        parent: PathBuf,
        /// What is wrong with it: "can be written to by everyone (mode 0777)".
        problem: Box<str>,
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
    /// The directory of the path does not exist, or is not a directory.
    #[error("cannot listen on {address}: {} is not an existing directory; create it, or have the server create it", .parent.display())]
    NoParent {
        /// The address.
        address: Address,
        /// The directory that should be there.
        parent: PathBuf,
    },
    /// The user has no private directory for an address `local:NAME`.
    #[error("cannot listen on {address}: {reason}")]
    NoRuntimeDirectory {
        /// The address.
        address: Address,
        /// What was tried, and what to do.
        reason: String,
    },
    /// The operating system does not accept an option's value, or does not know a name in it.
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
    /// Another error of the operating system.
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

fn used_by(peer: &Option<Peer>) -> String {
    match peer {
        Some(peer) if peer.is_same_user() => format!(" by {peer}"),
        Some(peer) => {
            format!(" by {peer}, which is not this user; the address is wrong, or someone else has taken it")
        }
        None => String::new(),
    }
}

impl BindError {
    /// [`PermissionDenied`](Self::PermissionDenied) or [`Io`](Self::Io), depending on the kind of `source`. `action`
    /// completes "failed to …".
    pub fn from_io(address: &Address, action: &'static str, source: io::Error) -> Self {
        let address = address.clone();
        match source.kind() {
            io::ErrorKind::PermissionDenied => Self::PermissionDenied { address, action, source },
            _ => Self::Io { address, action, source },
        }
    }

    /// [`InvalidOption`](Self::InvalidOption) for a name in the access policy.
    pub fn unknown_name(address: &Address, error: NameError) -> Self {
        let (option, source) = error.into_option();
        Self::InvalidOption { address: address.clone(), option, source }
    }

    /// The corresponding [`io::ErrorKind`].
    pub fn kind(&self) -> io::ErrorKind {
        match self {
            Self::Address(_)
            | Self::TooLong { .. }
            | Self::NotListening { .. }
            | Self::InvalidOption { .. } => io::ErrorKind::InvalidInput,
            Self::Unsupported { .. } => io::ErrorKind::Unsupported,
            Self::InUse { .. } => io::ErrorKind::AddrInUse,
            Self::NotASocket { .. } | Self::InTheWay { .. } => io::ErrorKind::AlreadyExists,
            Self::NoParent { .. } | Self::NoRuntimeDirectory { .. } | Self::NotPassed { .. } => {
                io::ErrorKind::NotFound
            }
            Self::PermissionDenied { .. } | Self::UnsafeParent { .. } => io::ErrorKind::PermissionDenied,
            Self::Io { source, .. } => source.kind(),
        }
    }
}

impl From<BindError> for io::Error {
    fn from(error: BindError) -> Self {
        Self::new(error.kind(), error)
    }
}
