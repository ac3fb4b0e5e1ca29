//! API that only Unix has.

use std::io;
use std::os::fd::{AsRawFd as _, OwnedFd};
use std::sync::Arc;

use grpc_ipc_core::{Address, BindError};
use grpc_ipc_uds::LocalListener;
#[cfg(any(target_os = "linux", target_os = "android"))]
pub use grpc_ipc_uds::PidFd;
pub use grpc_ipc_uds::{LocalSocket, LocalStream, peer_of};

pub use super::systemd;
use crate::{ConnectOptions, ListenOptions};

/// Listens on a socket that already listens, such as one that another process passed to this one. It must be a stream
/// socket of the family AF_UNIX; otherwise binding fails with [`BindError::NotListening`].
///
/// The access policy and [`Peer`](crate::Peer) work as on a socket that the server binds itself. The server does not
/// touch the socket's file: options for its mode, owner and directory have no effect, and the file stays when the
/// server ends.
///
/// The options keep the descriptor open, and each server gets a duplicate of it.
///
/// ```no_run
/// # fn example() -> std::io::Result<()> {
/// use std::os::fd::AsFd as _;
/// use grpc_ipc::{AccessPolicy, ListenOptions};
///
/// // The parent process passed the socket as standard input.
/// let socket = std::io::stdin().as_fd().try_clone_to_owned()?;
/// let options = ListenOptions::from(socket).access(AccessPolicy::same_user());
/// # Ok(())
/// # }
/// ```
impl From<OwnedFd> for ListenOptions {
    fn from(socket: OwnedFd) -> Self {
        let mut options = Self::new(Address::custom("descriptor", socket.as_raw_fd().to_string()));
        options.platform.descriptor = Some(Arc::new(socket));
        options
    }
}

/// Like an [`OwnedFd`].
impl From<std::os::unix::net::UnixListener> for ListenOptions {
    fn from(listener: std::os::unix::net::UnixListener) -> Self {
        OwnedFd::from(listener).into()
    }
}

/// Like an [`OwnedFd`].
///
/// # Errors
/// The error of [`into_std`](tokio::net::UnixListener::into_std).
impl TryFrom<tokio::net::UnixListener> for ListenOptions {
    type Error = io::Error;

    fn try_from(listener: tokio::net::UnixListener) -> io::Result<Self> {
        Ok(listener.into_std()?.into())
    }
}

/// Listens on a duplicate of `socket`. `address` is its name in errors.
pub(super) async fn listen_on(
    socket: &OwnedFd,
    options: grpc_ipc_uds::ListenOptions,
    address: &Address,
) -> Result<LocalListener, BindError> {
    let socket = socket.try_clone();
    let socket =
        socket.map_err(|error| BindError::from_io(address, "copy the descriptor of the socket", error))?;
    options.listen_on(socket).await
}

/// Options of Unix domain sockets. They have no effect on addresses that are not files.
pub trait ListenOptionsExt: Sized + sealed::Sealed {
    /// The permission bits of the socket's file, set before the first client can connect. A user who may write to the
    /// file may connect, if the access policy allows them. Default: `0o600`.
    #[must_use = "options do nothing until a server listens with them"]
    fn mode(self, mode: u32) -> Self;

    /// The owner of the socket's file, as a user id. Only root may choose another user. Default: the effective user of
    /// this process.
    #[must_use = "options do nothing until a server listens with them"]
    fn owner(self, uid: u32) -> Self;

    /// The owner of the socket's file, as a user name. Default: see [`owner`](Self::owner).
    #[must_use = "options do nothing until a server listens with them"]
    fn owner_name(self, name: impl Into<String>) -> Self;

    /// The group of the socket's file, as a group id, and of the directory that [`create_parent`](Self::create_parent)
    /// creates. With a [`mode`](Self::mode) of `0o660`, its members may connect, if the access policy allows them. A
    /// process that is not root may choose only a group that it belongs to. Default: the group that the system gives a
    /// new file.
    #[must_use = "options do nothing until a server listens with them"]
    fn group(self, gid: u32) -> Self;

    /// The same as [`group`](Self::group), as a group name. Default: see `group`.
    #[must_use = "options do nothing until a server listens with them"]
    fn group_name(self, name: impl Into<String>) -> Self;

    /// Creates the directory of the socket's file with these permission bits if it does not exist, and its missing
    /// parents with `0o755` minus the umask. They stay when the server ends. Default: no directory is created.
    #[must_use = "options do nothing until a server listens with them"]
    fn create_parent(self, mode: u32) -> Self;

    /// Listens even in a directory that other users can write to. They can replace the socket there with one of their
    /// own. [`security`](crate::security) describes the checks of the directory that this turns off. Default: binding
    /// fails in such a directory, with [`BindError::UnsafeParent`](crate::BindError::UnsafeParent).
    #[must_use = "options do nothing until a server listens with them"]
    fn dangerous_allow_unsafe_parent(self) -> Self;
}

impl ListenOptionsExt for ListenOptions {
    fn mode(mut self, mode: u32) -> Self {
        self.platform.socket = self.platform.socket.mode(mode);
        self
    }

    fn owner(mut self, uid: u32) -> Self {
        self.platform.socket = self.platform.socket.owner(uid);
        self
    }

    fn group(mut self, gid: u32) -> Self {
        self.platform.socket = self.platform.socket.group(gid);
        self
    }

    fn owner_name(mut self, name: impl Into<String>) -> Self {
        self.platform.socket = self.platform.socket.owner_name(name);
        self
    }

    fn group_name(mut self, name: impl Into<String>) -> Self {
        self.platform.socket = self.platform.socket.group_name(name);
        self
    }

    fn create_parent(mut self, mode: u32) -> Self {
        self.platform.socket = self.platform.socket.create_parent(mode);
        self
    }

    fn dangerous_allow_unsafe_parent(mut self) -> Self {
        self.platform.socket = self.platform.socket.dangerous_allow_unsafe_parent();
        self
    }
}

/// Options of Unix domain sockets. They have no effect on addresses that are not files.
pub trait ConnectOptionsExt: Sized + sealed::Sealed {
    /// Whether to connect through a symbolic link at the end of the path, such as container runtimes install. The
    /// client follows a link only if it belongs to this user or to root, because its owner chooses the server. The
    /// access policy still checks the server. Links further up in the path are always followed. Default: `false`;
    /// connecting to a link fails with [`ConnectError::NotASocket`](crate::ConnectError::NotASocket).
    #[must_use = "options do nothing until a channel connects with them"]
    fn follow_symlinks(self, follow: bool) -> Self;
}

impl ConnectOptionsExt for ConnectOptions {
    fn follow_symlinks(mut self, follow: bool) -> Self {
        self.platform.socket = self.platform.socket.follow_symlinks(follow);
        self
    }
}

mod sealed {
    pub trait Sealed {}
    impl Sealed for crate::ListenOptions {}
    impl Sealed for crate::ConnectOptions {}
}
