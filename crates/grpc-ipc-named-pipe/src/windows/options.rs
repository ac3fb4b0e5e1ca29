use grpc_ipc_core::{AccessPolicy, Address, BindError};

use super::{LocalConnector, LocalListener, SecurityDescriptor};

/// How to listen on a named pipe.
#[derive(Clone, Debug)]
#[must_use = "options do nothing until they are used to listen"]
pub struct ListenOptions {
    pub(super) access: AccessPolicy,
    pub(super) descriptor: SecurityDescriptor,
    pub(super) backlog: u32,
    pub(super) buffer_size: u32,
    pub(super) restartable: bool,
}

impl ListenOptions {
    /// The defaults.
    pub fn new() -> Self {
        Self {
            access: AccessPolicy::default(),
            descriptor: SecurityDescriptor::default(),
            backlog: 16,
            buffer_size: 64 * 1024,
            restartable: false,
        }
    }

    /// Who may connect. The user is asked for by impersonation; a client that does not let itself be identified
    /// (`SECURITY_ANONYMOUS`) has no user. Default: [`AccessPolicy::same_user_or_system`].
    pub fn access(self, access: AccessPolicy) -> Self {
        Self { access, ..self }
    }

    /// Whom Windows lets open the pipe, before [`access`](Self::access) is asked. Default:
    /// [`SecurityDescriptor::current_user`].
    pub fn descriptor(self, descriptor: SecurityDescriptor) -> Self {
        Self { descriptor, ..self }
    }

    /// How many instances of the pipe wait for clients; when each has one, the next client waits and tries again.
    /// At least 2, so that one is there while the next is created. Default: 16.
    pub fn backlog(self, instances: u32) -> Self {
        Self { backlog: instances.max(2), ..self }
    }

    /// How many bytes Windows keeps for a reader, in each direction; a write of more waits for the reader.
    /// Default: 65536 (64 KiB).
    pub fn buffer_size(self, bytes: u32) -> Self {
        Self { buffer_size: bytes, ..self }
    }

    /// Whether this server takes over the pipe of the server that listens there, if that is restartable as well, and later
    /// leaves it to the next one in the same way. No client finds the pipe missing, and none loses its connection. If no
    /// server listens there, this one takes the name.
    ///
    /// - The old server goes on until the new one begins to [`accept`](grpc_ipc_core::Listener::accept). If the new
    ///   process ends before that, nothing changes.
    /// - Then the old one creates no more instances, and [`LocalListener::handed_over`] completes. It still accepts the
    ///   clients that have connected to its instances, and should call
    ///   [`accept_last`](grpc_ipc_core::Listener::accept_last) until there are no more.
    /// - If the old process ends before the new one accepts, there is no pipe until it does.
    ///
    /// Both servers run as the same user. Windows keeps one security descriptor for each pipe, so the
    /// [`descriptor`](Self::descriptor) of the first server stays in force until no server and no client has the pipe
    /// open. The servers find each other by a second pipe, `NAME.handover`, which only their user and SYSTEM can open.
    ///
    /// If a server listens there that is not restartable, binding fails after two seconds with [`BindError::InUse`]. If
    /// another process has bound to take over that server and does not accept yet, it fails after 10 seconds.
    /// Default: `false`, a name that is served is in use.
    pub fn restartable(self, restartable: bool) -> Self {
        Self { restartable, ..self }
    }

    #[doc = include_str!("../../docs/listen.md")]
    pub async fn listen(self, address: &Address) -> Result<LocalListener, BindError> {
        LocalListener::bind(self, address).await
    }
}

impl Default for ListenOptions {
    fn default() -> Self {
        Self::new()
    }
}

/// How to connect to a named pipe.
#[derive(Clone, Debug)]
#[must_use = "options do nothing until they are used to connect"]
pub struct ConnectOptions {
    pub(super) access: AccessPolicy,
    pub(super) impersonation: ImpersonationLevel,
}

impl ConnectOptions {
    /// The defaults.
    pub fn new() -> Self {
        Self { access: AccessPolicy::default(), impersonation: ImpersonationLevel::Identification }
    }

    /// Who the server must be: the owner of the pipe, which with our servers is the user that they run as.
    ///
    /// The servers of others may not say who owns their pipes. Then it is the user; but of one that runs elevated, or as
    /// SYSTEM, it is the Administrators group (`S-1-5-32-544`): a client that runs elevated takes it for this user; any
    /// other, and one that runs as SYSTEM, refuses it unless told to trust
    /// [`administrators`](AccessPolicy::administrators). Default: [`AccessPolicy::same_user_or_system`].
    pub fn access(self, access: AccessPolicy) -> Self {
        Self { access, ..self }
    }

    /// What the server may do with the identity of this client. Default: [`ImpersonationLevel::Identification`].
    pub fn impersonation(self, level: ImpersonationLevel) -> Self {
        Self { impersonation: level, ..self }
    }

    /// A connector to `address`. Whether there is such a pipe is found out when it connects.
    pub fn connector(self, address: &Address) -> LocalConnector {
        LocalConnector::new(self, address.clone())
    }
}

impl Default for ConnectOptions {
    fn default() -> Self {
        Self::new()
    }
}

/// What a server may do with the identity of a client
/// ([Impersonation Levels](https://learn.microsoft.com/windows/win32/secauthz/impersonation-levels)). That it acts in
/// the client's name is not offered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ImpersonationLevel {
    /// The server does not learn who the client is. A server with the default access policy refuses it.
    Anonymous,
    /// The server learns who the client is.
    Identification,
}
