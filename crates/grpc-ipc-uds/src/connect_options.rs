use grpc_ipc_core::{AccessPolicy, Address};

use crate::platform::LocalConnector;

/// Options to connect to a Unix domain socket.
#[derive(Clone, Debug)]
#[must_use = "options do nothing until they are used to connect"]
pub struct ConnectOptions {
    pub(crate) access: AccessPolicy,
    #[cfg(unix)]
    pub(crate) follow_symlinks: bool,
}

impl ConnectOptions {
    /// Creates the default options.
    pub fn new() -> Self {
        Self {
            access: AccessPolicy::default(),
            #[cfg(unix)]
            follow_symlinks: false,
        }
    }

    /// The access policy for the server. It is applied to the user that called listen(2), or, on Windows, to the user
    /// of the process that has the server's process id now. Default: [`AccessPolicy::same_user_or_system`].
    pub fn access(self, access: AccessPolicy) -> Self {
        Self { access, ..self }
    }

    /// Whether to follow a symbolic link at the end of the path, as container runtimes create them for their sockets.
    /// (Links further up are always followed.)
    ///
    /// Anyone who can replace a link chooses the server. So this client only follows links that belong to this user or
    /// to root, and still applies [`access`](Self::access) to the server. The remaining risk is a mistake: if the link
    /// points elsewhere, the client talks to another server that it trusts. Default: `false`, a link is refused with
    /// [`ConnectError::NotASocket`].
    ///
    /// [`ConnectError::NotASocket`]: grpc_ipc_core::ConnectError::NotASocket
    #[cfg(unix)]
    pub fn follow_symlinks(self, follow: bool) -> Self {
        Self { follow_symlinks: follow, ..self }
    }

    /// Creates a connector to `address`. Whether the endpoint exists is checked when it connects.
    ///
    /// A relative path is relative to the current working directory at this call; a later chdir(2) does not change it.
    pub fn connector(self, address: &Address) -> LocalConnector {
        LocalConnector::new(address.clone(), self)
    }
}

impl Default for ConnectOptions {
    fn default() -> Self {
        Self::new()
    }
}
