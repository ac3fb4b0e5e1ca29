use std::os::fd::{AsRawFd as _, OwnedFd};

use grpc_ipc_core::{AccessPolicy, Address, BindError};

use super::LocalListener;
use super::owner::Account;

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
    pub(super) owner: Option<Account>,
    pub(super) group: Option<Account>,
    pub(super) create_parent: Option<u32>,
    pub(super) unsafe_parent: bool,
    pub(super) backlog: u32,
    pub(super) restartable: bool,
    pub(super) access: AccessPolicy,
}

impl ListenOptions {
    /// The defaults.
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

    /// The permission bits of the socket's file. Whoever may write to it may connect
    /// ([unix(7)](https://man7.org/linux/man-pages/man7/unix.7.html), "Pathname socket ownership and permissions");
    /// [`access`](Self::access) is asked on top of it. They are in force before the first client can connect, whatever
    /// the process's umask is. Abstract sockets have none. Default: `0o600`.
    pub fn mode(self, mode: u32) -> Self {
        Self { mode, ..self }
    }

    /// The user whom the socket's file belongs to, in force before the first client can connect. Only root may give it to
    /// another user. The files beside it stay this process's: the lock file, and a directory that it creates. Abstract
    /// sockets have none. Default: the user that this process acts as.
    pub fn owner(self, uid: u32) -> Self {
        Self { owner: Some(Account::Id(uid)), ..self }
    }

    /// As [`owner`](Self::owner), by the user's name, which is looked up when the server listens. Default: as there.
    pub fn owner_name(self, name: impl Into<String>) -> Self {
        Self { owner: Some(Account::Name(name.into())), ..self }
    }

    /// The group of the socket's file, in force before the first client can connect, and of the directory that
    /// [`create_parent`](Self::create_parent) creates: with a [`mode`](Self::mode) of `0o660` its members may connect,
    /// if [`access`](Self::access) lets them in. Who is not root may choose only a group that this process belongs to.
    /// Abstract sockets have none. Default: what the system gives a new file, the group that this process acts as.
    pub fn group(self, gid: u32) -> Self {
        Self { group: Some(Account::Id(gid)), ..self }
    }

    /// As [`group`](Self::group), by the group's name, which is looked up when the server listens. Default: as there.
    pub fn group_name(self, name: impl Into<String>) -> Self {
        Self { group: Some(Account::Name(name.into())), ..self }
    }

    /// Creates the directory of the socket's file, if it is missing, with these permission bits, whatever the process's
    /// umask is. Those above it that are missing, too, get `0o755` less the umask. They stay when the listener is
    /// dropped; one that is there is left as it is. Default: no directory is created, and
    /// [`BindError::NoParent`] says that it is missing.
    pub fn create_parent(self, mode: u32) -> Self {
        Self { create_parent: Some(mode), ..self }
    }

    /// Listens also in a directory that others can write to. They can then remove the socket and put one of their own in
    /// its place. This server logs that, but cannot take the path back while theirs is served. What is left is that a
    /// client asks who the server is ([`ConnectOptions::access`](crate::ConnectOptions::access)). Shared volumes of
    /// containers may need it.
    ///
    /// Without it the directory has to be this user's or root's, and nobody else may write to it: neither everyone nor its
    /// group (save a group that is named like this user, and lists nobody else; whose first group it is, by
    /// `/etc/passwd`, is not searched for), nor who is in its access control list, where that is
    /// one of POSIX. Or it has the sticky bit, as `/tmp` has: there others cannot replace a socket, but they can take its
    /// path before this server does. The same goes for all the directories that it is in, up to the root, because who can
    /// rename one of them can put another in its place; and symbolic links on the way have to be this user's or root's.
    /// In a user namespace that has no number for root (`unshare --user`, and sandboxes that keep the file system as it is)
    /// it cannot be told of `/` that it is root's, so this is needed there; `unix-abstract:NAME` is not in a directory.
    /// A directory that is [created](Self::create_parent) gets its mode less the umask with this, and no group.
    /// Default: such a directory is refused, [`BindError::UnsafeParent`].
    pub fn dangerous_allow_unsafe_parent(self) -> Self {
        Self { unsafe_parent: true, ..self }
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

    /// Whether this server takes over the socket of the server that listens there, if that is restartable as well, and later
    /// leaves it to the next one in the same way. There is always a server at the address, and the new server accepts the
    /// clients that still wait. If no server listens there, this one binds the address.
    ///
    /// The servers find each other by a second socket, `PATH.handover` (with the mode 0600), over which the old one sends the
    /// listening socket and the lock file to a process of the same user or of root. The old one accepts until the new one
    /// begins to [`accept`](grpc_ipc_core::Listener::accept), and [`LocalListener::handed_over`] tells it of that; if the
    /// new one ends before, the old one goes on. Mode, owner, group and backlog stay those of the first server.
    ///
    /// If a server listens there that is not restartable, binding fails after a second with [`BindError::InUse`]; if it is
    /// handing over to another one, which has bound and does not accept yet, after 10 seconds. Sockets that are
    /// [given](Self::listen_on) are not handed over. The path may have 9 bytes less than without.
    ///
    /// If the old server runs under a service manager, that does not know the new one: systemd ends all processes of a
    /// service when the first one has ended. A service of systemd takes its sockets from systemd instead (`systemd:NAME`).
    /// Default: `false`, an address that is served is in use.
    pub fn restartable(self, restartable: bool) -> Self {
        Self { restartable, ..self }
    }

    #[doc = include_str!("../../docs/listen.md")]
    pub async fn listen(self, address: &Address) -> Result<LocalListener, BindError> {
        LocalListener::bind(self, address).await
    }

    /// Listens on a socket that already listens: a [`UnixListener`](std::os::unix::net::UnixListener), or the descriptor
    /// of one that another process has passed on. [`local_address`](grpc_ipc_core::Listener::local_address) is where it
    /// is bound.
    ///
    /// Dropping the listener closes the descriptor, and leaves the socket's file where it is: whoever has bound the socket
    /// may have it open still. Only [`access`](Self::access) is applied. The socket's mode, owner, directory and backlog
    /// are those that its maker gave it, and the options for them have no effect.
    ///
    /// The descriptor is made not to block, and to be closed in programs that this process starts from now on.
    ///
    /// # Errors
    /// [`BindError::NotListening`] if it is not a stream socket of the family AF_UNIX that listens (which macOS cannot
    /// tell from one that is only bound), and [`BindError::InvalidOption`] for a name in the access policy that nobody
    /// has.
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
