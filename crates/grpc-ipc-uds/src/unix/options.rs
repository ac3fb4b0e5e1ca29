use std::os::fd::{AsRawFd as _, OwnedFd};

use grpc_ipc_core::{AccessPolicy, Address, BindError};

use super::LocalListener;
use super::owner::Account;

/// Options to listen on a Unix domain socket.
///
/// ```no_run
/// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
/// use grpc_ipc_core::{AccessPolicy, UserId};
/// use grpc_ipc_uds::ListenOptions;
///
/// // User 33 can reach the socket, as everyone can. The policy accepts only that user, this one and root.
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
    pub(super) owner: Option<Account>,
    pub(super) group: Option<Account>,
    pub(super) create_parent: Option<u32>,
    pub(super) unsafe_parent: bool,
    pub(super) backlog: u32,
    pub(super) restartable: bool,
    pub(super) access: AccessPolicy,
}

impl ListenOptions {
    /// Creates the default options.
    pub fn new() -> Self {
        Self {
            mode: 0o600,
            owner: None,
            group: None,
            create_parent: None,
            unsafe_parent: false,
            backlog: 1024,
            restartable: false,
            access: AccessPolicy::default(),
        }
    }

    /// The permission bits of the socket's file. Anyone who may write to the file may connect
    /// ([unix(7)](https://man7.org/linux/man-pages/man7/unix.7.html), "Pathname socket ownership and permissions"),
    /// subject to [`access`](Self::access). The mode is set before the first client can connect, and does not depend on
    /// the process's umask. Abstract sockets have no mode. Default: `0o600`.
    pub fn mode(self, mode: u32) -> Self {
        Self { mode, ..self }
    }

    /// The owner of the socket's file, set before the first client can connect. Only root may choose another user. The
    /// lock file, and a directory that the listener creates, still belong to this process's user. Abstract sockets have
    /// no owner. Default: the process's effective user.
    pub fn owner(self, uid: u32) -> Self {
        Self { owner: Some(Account::Id(uid)), ..self }
    }

    /// Like [`owner`](Self::owner), but by name. The name is looked up when the server listens. Default: see `owner`.
    pub fn owner_name(self, name: impl Into<String>) -> Self {
        Self { owner: Some(Account::Name(name.into())), ..self }
    }

    /// The group of the socket's file and of the directory that [`create_parent`](Self::create_parent) creates, set
    /// before the first client can connect. With a [`mode`](Self::mode) of `0o660`, its members may connect if
    /// [`access`](Self::access) allows them. A process that is not root may choose only a group that it belongs to.
    /// Abstract sockets have no group. Default: the group that the system gives a new file, usually the process's
    /// effective group.
    pub fn group(self, gid: u32) -> Self {
        Self { group: Some(Account::Id(gid)), ..self }
    }

    /// Like [`group`](Self::group), but by name. The name is looked up when the server listens. Default: see `group`.
    pub fn group_name(self, name: impl Into<String>) -> Self {
        Self { group: Some(Account::Name(name.into())), ..self }
    }

    /// Creates the directory of the socket's file if it is missing, with these permission bits regardless of the
    /// process's umask. Missing directories above it get `0o755` less the umask. Created directories stay when the
    /// listener is dropped; existing ones are not changed. Default: no directory is created, and a missing one is the
    /// error [`BindError::NoParent`].
    pub fn create_parent(self, mode: u32) -> Self {
        Self { create_parent: Some(mode), ..self }
    }

    /// Allows a directory that others can write to. They can then remove the socket and put their own in its place.
    /// This server logs that, but cannot take the path back while the other socket is served. Clients are then
    /// protected only by their own check of the server ([`ConnectOptions::access`](crate::ConnectOptions::access)).
    /// Shared volumes of containers may need this option.
    ///
    /// Without it, the directory must belong to this user or to root, and nobody else may write to it: not everyone,
    /// not its group, and not a user or group in its POSIX access control list. A group is fine if it has the same name
    /// as this user and lists no other member. (Users whose primary group in `/etc/passwd` it is are not searched for.)
    /// A directory with the sticky bit, such as `/tmp`, is also allowed. There, others cannot replace a socket, but
    /// they can take its path before this server does.
    ///
    /// The same rules apply to every directory above, up to the root, because anyone who can rename one of them can
    /// replace it. Symbolic links on the way must belong to this user or to root.
    ///
    /// A user namespace may have no number for root (`unshare --user`, and sandboxes that keep the file system as it
    /// is). The owner of `/` is then unknown, so this option is needed. `unix-abstract:NAME` needs no directory.
    ///
    /// With this option, a directory that is [created](Self::create_parent) gets its mode less the umask, and its group
    /// is not set. Default: such a directory is refused with [`BindError::UnsafeParent`].
    pub fn dangerous_allow_unsafe_parent(self) -> Self {
        Self { unsafe_parent: true, ..self }
    }

    /// The maximum number of connections that wait to be accepted before further clients have to wait. The system may
    /// lower it ([listen(2)](https://man7.org/linux/man-pages/man2/listen.2.html), `net.core.somaxconn`). Default:
    /// 1024.
    pub fn backlog(self, connections: u32) -> Self {
        Self { backlog: connections, ..self }
    }

    /// The access policy for clients. Default: [`AccessPolicy::same_user_or_system`].
    pub fn access(self, access: AccessPolicy) -> Self {
        Self { access, ..self }
    }

    /// Whether this server takes over the socket of the server that listens there, if that one is restartable too, and
    /// later hands it to the next server in the same way. The address is then served without interruption, and the new
    /// server accepts the clients that are still waiting. If no server listens there, this one binds the address.
    ///
    /// The servers find each other by a second socket, `PATH.handover` (mode 0600). Over it, the old server sends the
    /// listening socket and the lock file to a process of the same user or of root. The old server accepts until the
    /// new one begins to [`accept`](grpc_ipc_core::Listener::accept); [`LocalListener::handed_over`] then completes in
    /// the old one. If the new server ends before that, the old one continues. Mode, owner, group and backlog stay
    /// those of the first server.
    ///
    /// If the server that listens there is not restartable, binding fails after one second with [`BindError::InUse`].
    /// If it is handing over to another server that has bound but does not accept yet, binding fails after 10 seconds.
    /// Sockets that are [given](Self::listen_on) are not handed over. The maximum length of the path is 9 bytes less
    /// than without this option.
    ///
    /// If the old server runs under a service manager, the manager does not know the new one: systemd ends all
    /// processes of a service when its main process ends. A systemd service should take its sockets from systemd
    /// instead (`systemd:NAME`). Default: `false`, an address that is served is in use.
    pub fn restartable(self, restartable: bool) -> Self {
        Self { restartable, ..self }
    }

    #[doc = include_str!("../../docs/listen.md")]
    pub async fn listen(self, address: &Address) -> Result<LocalListener, BindError> {
        LocalListener::bind(self, address).await
    }

    /// Listens on a socket that is already listening: a [`UnixListener`](std::os::unix::net::UnixListener), or the
    /// descriptor of one that another process has passed on. [`local_address`](grpc_ipc_core::Listener::local_address)
    /// is the address that it is bound to.
    ///
    /// Dropping the listener closes the descriptor and leaves the socket's file in place, because the process that
    /// bound the socket may still have it open. Only [`access`](Self::access) is applied. The socket keeps its mode,
    /// owner, directory and backlog; the options for them have no effect.
    ///
    /// The descriptor is set to non-blocking, and to be closed in programs that this process starts from now on
    /// (FD_CLOEXEC).
    ///
    /// # Errors
    /// [`BindError::NotListening`] if it is not a listening stream socket of the family AF_UNIX (macOS cannot tell a
    /// listening socket from one that is only bound), and [`BindError::InvalidOption`] for a name in the access policy
    /// that does not exist.
    ///
    /// # Panics
    /// Outside of a tokio runtime, or in one without I/O.
    pub async fn listen_on(self, socket: impl Into<OwnedFd>) -> Result<LocalListener, BindError> {
        let socket = socket.into();
        let given = Address::custom("descriptor", socket.as_raw_fd().to_string());
        LocalListener::of_given(self, socket, None, &given).await
    }
}

impl Default for ListenOptions {
    fn default() -> Self {
        Self::new()
    }
}
