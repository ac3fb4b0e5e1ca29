use grpc_ipc_core::{AccessPolicy, Address, BindError};

use super::LocalListener;

/// How to listen on an AF_UNIX socket.
#[derive(Clone, Debug)]
#[must_use = "options do nothing until they are used to listen"]
pub struct ListenOptions {
    pub(super) access: AccessPolicy,
    pub(super) backlog: i32,
}

impl ListenOptions {
    /// The defaults.
    pub fn new() -> Self {
        Self { access: AccessPolicy::default(), backlog: 1024 }
    }

    /// Who may connect: the user of the process that has the peer's process id now, which is not for certain the one
    /// that connected. Let the access control list of the directory keep others out. Default:
    /// [`AccessPolicy::same_user_or_system`].
    pub fn access(self, access: AccessPolicy) -> Self {
        Self { access, ..self }
    }

    /// How many connections wait to be accepted, at most; Windows may lower it. Default: 1024.
    pub fn backlog(self, connections: u32) -> Self {
        Self { backlog: i32::try_from(connections).unwrap_or(i32::MAX), ..self }
    }

    /// Listens on `address`, `unix:PATH`. Who may write to its directory is not checked: see to it that only this user
    /// may, because others could take the path, or replace the file. The file of a server that has died is replaced, that of one that lives is
    /// not: it holds `PATH.lock` open as long as it lives. Anything else at the path is left alone.
    ///
    /// # Errors
    /// [`BindError::Unsupported`] for an address of another transport, and on a system without AF_UNIX;
    /// [`BindError::TooLong`] for a path of over 107 bytes of UTF-8; [`BindError::InvalidOption`] for a name in the
    /// access policy that nobody has; [`BindError::NoParent`], [`BindError::InUse`],
    /// [`BindError::NotASocket`], [`BindError::PermissionDenied`] and [`BindError::Io`] as they say.
    ///
    /// # Cancel safety
    /// A dropped future leaves no socket behind.
    pub async fn listen(self, address: &Address) -> Result<LocalListener, BindError> {
        LocalListener::bind(self, address).await
    }
}

impl Default for ListenOptions {
    fn default() -> Self {
        Self::new()
    }
}
