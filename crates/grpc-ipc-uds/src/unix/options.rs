use grpc_ipc_core::{AccessPolicy, Address, BindError};

use super::LocalListener;

/// How to listen on a Unix domain socket.
///
/// ```no_run
/// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
/// use grpc_ipc_core::{AccessPolicy, UserId};
/// use grpc_ipc_uds::ListenOptions;
///
/// // User 33 can reach the socket, as everyone can, and is let in, as nobody else is.
/// let web_server = AccessPolicy::default().or(AccessPolicy::users([UserId::Uid(33)]));
/// let listener = ListenOptions::new()
///     .mode(0o666)
///     .access(web_server)
///     .listen(&"unix:/run/greeter.sock".parse()?)
///     .await?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
#[must_use = "options do nothing until they are used to listen"]
pub struct ListenOptions {
    pub(super) mode: u32,
    pub(super) backlog: u32,
    pub(super) access: AccessPolicy,
}

impl ListenOptions {
    /// The defaults.
    pub fn new() -> Self {
        Self { mode: 0o600, backlog: 1024, access: AccessPolicy::default() }
    }

    /// The permission bits of the socket's file. Whoever may write to it may connect
    /// ([unix(7)](https://man7.org/linux/man-pages/man7/unix.7.html), "Pathname socket ownership and permissions");
    /// [`access`](Self::access) is asked on top of it. They are in force before the first client can connect, whatever
    /// the process's umask is. Abstract sockets have none. Default: `0o600`.
    pub fn mode(self, mode: u32) -> Self {
        Self { mode, ..self }
    }

    /// How many connections wait to be accepted, at most, before clients have to; the system may lower it
    /// ([listen(2)](https://man7.org/linux/man-pages/man2/listen.2.html), `net.core.somaxconn`). Default: 1024.
    pub fn backlog(self, connections: u32) -> Self {
        Self { backlog: connections, ..self }
    }

    /// Who may connect. Default: [`AccessPolicy::same_user_or_system`].
    pub fn access(self, access: AccessPolicy) -> Self {
        Self { access, ..self }
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
