use grpc_ipc_core::{AccessPolicy, Address};

use crate::platform::LocalConnector;

/// How to connect to a Unix domain socket.
#[derive(Clone, Debug)]
#[must_use = "options do nothing until they are used to connect"]
pub struct ConnectOptions {
    pub(crate) access: AccessPolicy,
    #[cfg(unix)]
    pub(crate) follow_symlinks: bool,
}

impl ConnectOptions {
    /// The defaults.
    pub fn new() -> Self {
        Self {
            access: AccessPolicy::default(),
            #[cfg(unix)]
            follow_symlinks: false,
        }
    }

    /// Who the server must be: the user that called listen(2), or on Windows the user of the process that has its id
    /// now. Default: [`AccessPolicy::same_user_or_system`].
    pub fn access(self, access: AccessPolicy) -> Self {
        Self { access, ..self }
    }

    /// Whether to connect to a socket through a symbolic link at the end of the path, as container runtimes install
    /// theirs. (Links further up are always followed.)
    ///
    /// Whoever can replace the link chooses the server. So a link is followed only if it belongs to this user or to root,
    /// and the same goes for each link that it leads to; [`access`](Self::access) is asked about the server as always.
    /// What is lost is that a mistake shows: with the link pointing elsewhere, the client talks to another server of a
    /// user that it trusts. Default: `false`, a link is refused, [`ConnectError::NotASocket`].
    ///
    /// [`ConnectError::NotASocket`]: grpc_ipc_core::ConnectError::NotASocket
    #[cfg(unix)]
    pub fn follow_symlinks(self, follow: bool) -> Self {
        Self { follow_symlinks: follow, ..self }
    }

    /// A connector to `address`. Whether there is such an endpoint is found out when it connects.
    ///
    /// A relative path begins in the working directory that the process has now, and leads to the same place after a
    /// chdir(2).
    pub fn connector(self, address: &Address) -> LocalConnector {
        LocalConnector::new(address.clone(), self)
    }
}

impl Default for ConnectOptions {
    fn default() -> Self {
        Self::new()
    }
}
