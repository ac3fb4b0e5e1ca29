use std::io;

use crate::{Address, AddressError, NameError, Refused};

/// Why a client cannot connect to an address.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConnectError {
    /// The address is invalid.
    #[error(transparent)]
    Address(#[from] AddressError),
    /// This platform or this build of the program does not have the transport.
    #[error("cannot connect to {address}: {reason}")]
    Unsupported {
        /// The address.
        address: Address,
        /// What is missing, and what to use instead.
        reason: String,
    },
    /// The channel was connected outside of a tokio runtime.
    #[error(
        "cannot connect to {address}: there is no tokio runtime here; call this inside a tokio runtime, or use \
         grpc_ipc::blocking"
    )]
    NoRuntime {
        /// The address.
        address: Address,
    },
    /// Nothing is at the address. No server has started yet, or it has shut down normally.
    #[error("cannot connect to {address}: nothing is there; is the server running?")]
    NotFound {
        /// The address.
        address: Address,
    },
    /// The address exists, but no server is listening. The server ended without cleaning up, or the socket belongs to
    /// something else.
    #[error("cannot connect to {address}: no server is listening")]
    Refused {
        /// The address.
        address: Address,
    },
    /// No server is at the address, and the client, such as a `Launcher` of `grpc-ipc`, failed to start one.
    #[error("cannot connect to {address}: cannot start a server there")]
    NotStarted {
        /// The address.
        address: Address,
        /// What went wrong.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// Something other than a socket is at the path. Symbolic links are refused too unless the client is told to follow
    /// them, because anyone who can replace the link chooses the server.
    #[error("cannot connect to {address}: {found} is at this path, not a socket; {}", instead(.found))]
    NotASocket {
        /// The address.
        address: Address,
        /// What is there: "a symbolic link", "a regular file".
        found: &'static str,
    },
    /// The server is there, but did not accept the connection or did not answer before the deadline.
    #[error(
        "cannot connect to {address}: the server did not answer before the deadline; is it stopped, or busy?"
    )]
    TimedOut {
        /// The address.
        address: Address,
    },
    /// The path or name does not fit into a socket address.
    #[error(
        "cannot connect to {address}: it is {length} bytes long, at most {limit} fit into a socket address"
    )]
    TooLong {
        /// The address.
        address: Address,
        /// Its length in bytes.
        length: usize,
        /// The longest that fits.
        limit: usize,
    },
    /// The user has no private directory for an address `local:NAME`.
    #[error("cannot connect to {address}: {reason}")]
    NoRuntimeDirectory {
        /// The address.
        address: Address,
        /// What was tried, and what to do.
        reason: String,
    },
    /// An option contains a name that the operating system does not know.
    #[error("cannot connect to {address}: {option} is not valid")]
    InvalidOption {
        /// The address.
        address: Address,
        /// The option and its value.
        option: String,
        /// The operating system's error.
        source: io::Error,
    },
    /// The operating system does not permit it.
    #[error("cannot connect to {address}: no permission; does the server run as another user?")]
    PermissionDenied {
        /// The address.
        address: Address,
        /// The operating system's error.
        source: io::Error,
    },
    /// This client does not trust the server. Nothing was sent to it.
    #[error(
        "cannot connect to {address}: the server is not trusted; someone else has taken the address, or this client's \
         access policy must allow the user that runs the server"
    )]
    Untrusted {
        /// The address.
        address: Address,
        /// The server's identity, and whom the client trusts.
        #[source]
        refused: Box<Refused>,
    },
    /// The server's access policy refuses this client, and the server said so.
    #[error(
        "cannot connect to {address}: the server refuses this user; allow this user in the server's access policy"
    )]
    Rejected {
        /// The address.
        address: Address,
    },
    /// The server says that this user has reached the limit of connections for one user.
    #[error(
        "cannot connect to {address}: this user has too many connections to the server; close some, or raise its limit"
    )]
    TooManyConnections {
        /// The address.
        address: Address,
    },
    /// The server accepted the connection and closed it without an answer.
    #[error(
        "cannot connect to {address}: the server closed the connection at once; it may be shutting down, or refuse \
         this user"
    )]
    Closed {
        /// The address.
        address: Address,
        /// The error that showed it.
        source: io::Error,
    },
    /// The channel was made from a single connection, which has ended. It cannot open another.
    #[error(
        "cannot connect to {address} again: this channel was made from one connection, which has ended; make another \
         channel"
    )]
    Ended {
        /// The address.
        address: Address,
    },
    /// The server's process ended before it accepted a connection.
    #[error("cannot connect to {address}: the server's process has ended: {status}")]
    ServerEnded {
        /// The address.
        address: Address,
        /// How it ended.
        status: String,
        /// Why the last attempt to connect failed, if there was one.
        source: Option<Box<ConnectError>>,
    },
    /// The TLS handshake failed.
    #[error("cannot connect to {address}: TLS: {reason}")]
    Tls {
        /// The address.
        address: Address,
        /// What is wrong, and what to do.
        reason: String,
        /// The underlying error.
        source: io::Error,
    },
    /// Another error of the operating system.
    #[error("cannot connect to {address}: failed to {action}")]
    Io {
        /// The address.
        address: Address,
        /// What failed.
        action: &'static str,
        /// The operating system's error.
        source: io::Error,
    },
}

fn instead(found: &str) -> &'static str {
    match found {
        "a symbolic link" => "connect to the link's target, or let the client follow links (follow_symlinks)",
        link if link.contains("symbolic link") => "connect to the link's target",
        _ => "is it the server's address?",
    }
}

impl ConnectError {
    /// The variant for the kind of `source`. `action` completes "failed to …".
    pub fn from_io(address: &Address, action: &'static str, source: io::Error) -> Self {
        let address = address.clone();
        match source.kind() {
            io::ErrorKind::NotFound => Self::NotFound { address },
            io::ErrorKind::ConnectionRefused => Self::Refused { address },
            io::ErrorKind::TimedOut => Self::TimedOut { address },
            // The server stopped listening before it accepted the connection.
            io::ErrorKind::ConnectionReset => Self::Closed { address, source },
            io::ErrorKind::PermissionDenied => Self::PermissionDenied { address, source },
            _ => Self::Io { address, action, source },
        }
    }

    /// [`Untrusted`](Self::Untrusted), for a server that the connector's access policy refused.
    pub fn untrusted(address: &Address, refused: Refused) -> Self {
        Self::Untrusted { address: address.clone(), refused: Box::new(refused) }
    }

    /// [`InvalidOption`](Self::InvalidOption) for a name in the access policy.
    pub fn unknown_name(address: &Address, error: NameError) -> Self {
        let (option, source) = error.into_option();
        Self::InvalidOption { address: address.clone(), option, source }
    }

    /// Whether a later attempt may succeed without a change at this end, because the server is not up yet, is
    /// restarting, or lacks resources. [`ConnectOptions::wait`] and calls that wait for a ready connection retry after
    /// such errors.
    ///
    /// It is `false` if the address is wrong, or if the server is not trusted, refuses this client, or speaks another
    /// protocol.
    ///
    /// [`ConnectOptions::wait`]: https://docs.rs/grpc-ipc/latest/grpc_ipc/struct.ConnectOptions.html#method.wait
    pub fn is_transient(&self) -> bool {
        use io::ErrorKind::{InvalidInput, NotADirectory, Unsupported};

        match self {
            Self::NotFound { .. }
            | Self::Refused { .. }
            | Self::TimedOut { .. }
            | Self::Closed { .. }
            | Self::TooManyConnections { .. }
            | Self::NoRuntimeDirectory { .. } => true,
            // An error of the system, such as a lack of file descriptors. Errors that another program causes do not
            // count.
            Self::Io { source, .. } => {
                let stays = matches!(source.kind(), InvalidInput | NotADirectory | Unsupported);
                source.raw_os_error().is_some() && !stays
            }
            _ => false,
        }
    }

    /// The corresponding [`io::ErrorKind`].
    pub fn kind(&self) -> io::ErrorKind {
        match self {
            Self::Address(_)
            | Self::TooLong { .. }
            | Self::NotASocket { .. }
            | Self::InvalidOption { .. } => io::ErrorKind::InvalidInput,
            Self::Unsupported { .. } => io::ErrorKind::Unsupported,
            Self::NoRuntime { .. } | Self::NotStarted { .. } => io::ErrorKind::Other,
            Self::NotFound { .. } | Self::NoRuntimeDirectory { .. } => io::ErrorKind::NotFound,
            Self::Refused { .. } => io::ErrorKind::ConnectionRefused,
            Self::TimedOut { .. } => io::ErrorKind::TimedOut,
            Self::Closed { .. } => io::ErrorKind::ConnectionReset,
            Self::Ended { .. } => io::ErrorKind::NotConnected,
            Self::ServerEnded { .. } => io::ErrorKind::ConnectionAborted,
            Self::TooManyConnections { .. } => io::ErrorKind::QuotaExceeded,
            Self::PermissionDenied { .. } | Self::Untrusted { .. } | Self::Rejected { .. } => {
                io::ErrorKind::PermissionDenied
            }
            Self::Tls { source, .. } | Self::Io { source, .. } => source.kind(),
        }
    }
}

impl From<ConnectError> for io::Error {
    fn from(error: ConnectError) -> Self {
        Self::new(error.kind(), error)
    }
}
