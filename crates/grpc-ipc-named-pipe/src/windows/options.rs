use grpc_ipc_core::{AccessPolicy, Address, BindError};

use super::{LocalConnector, LocalListener, SecurityDescriptor};

/// Options to listen on a named pipe.
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
    /// Creates the default options.
    pub fn new() -> Self {
        Self {
            access: AccessPolicy::default(),
            descriptor: SecurityDescriptor::default(),
            backlog: 16,
            buffer_size: 64 * 1024,
            restartable: false,
        }
    }

    /// The access policy for clients. The user is determined by impersonation. A client that does not allow
    /// identification (`SECURITY_ANONYMOUS`) has no user. Default: [`AccessPolicy::same_user_or_system`].
    pub fn access(self, access: AccessPolicy) -> Self {
        Self { access, ..self }
    }

    /// The security descriptor, which decides who may open the pipe before [`access`](Self::access) is applied.
    /// Default: [`SecurityDescriptor::current_user`].
    pub fn descriptor(self, descriptor: SecurityDescriptor) -> Self {
        Self { descriptor, ..self }
    }

    /// The number of pipe instances that wait for clients. When all of them have a client, the next client waits and
    /// tries again. The minimum is 2, so that one is there while the next is created. Default: 16.
    pub fn backlog(self, instances: u32) -> Self {
        Self { backlog: instances.max(2), ..self }
    }

    /// The size of Windows' buffer in each direction, in bytes. A larger write waits for the reader. Default: 65536 (64
    /// KiB).
    pub fn buffer_size(self, bytes: u32) -> Self {
        Self { buffer_size: bytes, ..self }
    }

    /// Whether this server takes over the pipe of the server that listens there, if that one is restartable too, and
    /// later hands it to the next server in the same way. No client finds the pipe missing, and none loses its
    /// connection. If no server listens there, this one takes the name.
    ///
    /// - The old server continues until the new one begins to [`accept`](grpc_ipc_core::Listener::accept). If the new
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
    /// If the server that listens there is not restartable, binding fails after two seconds with [`BindError::InUse`].
    /// If another process has bound to take over that server and does not accept yet, binding fails after 10 seconds.
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

/// Options to connect to a named pipe.
#[derive(Clone, Debug)]
#[must_use = "options do nothing until they are used to connect"]
pub struct ConnectOptions {
    pub(super) access: AccessPolicy,
    pub(super) impersonation: ImpersonationLevel,
}

impl ConnectOptions {
    /// Creates the default options.
    pub fn new() -> Self {
        Self { access: AccessPolicy::default(), impersonation: ImpersonationLevel::Identification }
    }

    /// The access policy for the server. It is applied to the owner of the pipe, which for our servers is the user that
    /// they run as.
    ///
    /// Other servers may not set the owner. It is then the user, except for servers that run elevated or as SYSTEM,
    /// whose pipes belong to the Administrators group (`S-1-5-32-544`). An elevated client takes that group for its own
    /// user. Other clients, and those that run as SYSTEM, refuse it unless the policy allows
    /// [`administrators`](AccessPolicy::administrators). Default: [`AccessPolicy::same_user_or_system`].
    pub fn access(self, access: AccessPolicy) -> Self {
        Self { access, ..self }
    }

    /// What the server may do with this client's identity. Default: [`ImpersonationLevel::Identification`].
    pub fn impersonation(self, level: ImpersonationLevel) -> Self {
        Self { impersonation: level, ..self }
    }

    /// Creates a connector to `address`. Whether the pipe exists is checked when it connects.
    pub fn connector(self, address: &Address) -> LocalConnector {
        LocalConnector::new(self, address.clone())
    }
}

impl Default for ConnectOptions {
    fn default() -> Self {
        Self::new()
    }
}

/// What a server may do with a client's identity ([Impersonation
/// Levels](https://learn.microsoft.com/windows/win32/secauthz/impersonation-levels)). The levels at which the server
/// can act as the client are not offered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ImpersonationLevel {
    /// The server does not learn the client's identity. A server with the default access policy refuses such a client.
    Anonymous,
    /// The server learns the client's identity.
    Identification,
}
