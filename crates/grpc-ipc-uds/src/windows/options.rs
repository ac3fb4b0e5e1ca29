use grpc_ipc_core::{AccessPolicy, Address, BindError};

use super::LocalListener;

/// Options to listen on an AF_UNIX socket.
#[derive(Clone, Debug)]
#[must_use = "options do nothing until they are used to listen"]
pub struct ListenOptions {
    pub(super) access: AccessPolicy,
    pub(super) backlog: i32,
}

impl ListenOptions {
    /// Creates the default options.
    pub fn new() -> Self {
        Self { access: AccessPolicy::default(), backlog: 1024 }
    }

    /// The access policy for clients. It is applied to the user of the process that has the peer's process id now,
    /// which is not certainly the process that connected. Use the access control list of the directory to keep others
    /// out. Default: [`AccessPolicy::same_user_or_system`].
    pub fn access(self, access: AccessPolicy) -> Self {
        Self { access, ..self }
    }

    /// The maximum number of connections that wait to be accepted; Windows may lower it. Default: 1024.
    pub fn backlog(self, connections: u32) -> Self {
        Self { backlog: i32::try_from(connections).unwrap_or(i32::MAX), ..self }
    }

    /// Listens on `address`, `unix:PATH`. The permissions of its directory are not checked. Make sure that only this
    /// user may write to it, because others could take the path or replace the file. The file of a dead server is
    /// replaced. A live server holds `PATH.lock` open, and its file is not replaced. Anything else at the path is not
    /// changed.
    ///
    /// # Errors
    /// [`BindError::Unsupported`] for an address of another transport, and on a system without AF_UNIX;
    /// [`BindError::TooLong`] for a path of more than 107 bytes of UTF-8; [`BindError::InvalidOption`] for a name in
    /// the access policy that does not exist; [`BindError::NoParent`], [`BindError::InUse`], [`BindError::NotASocket`],
    /// [`BindError::PermissionDenied`] and [`BindError::Io`] as described there.
    ///
    /// # Cancel safety
    /// Dropping the future leaves no socket behind.
    pub async fn listen(self, address: &Address) -> Result<LocalListener, BindError> {
        LocalListener::bind(self, address).await
    }
}

impl Default for ListenOptions {
    fn default() -> Self {
        Self::new()
    }
}
