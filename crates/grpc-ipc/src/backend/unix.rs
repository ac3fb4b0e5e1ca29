//! What only Unix has.

#[cfg(any(target_os = "linux", target_os = "android"))]
pub use grpc_ipc_uds::PidFd;
pub use grpc_ipc_uds::{LocalSocket, LocalStream, peer_of};

use crate::{ConnectOptions, ListenOptions};

/// Options of Unix domain sockets. Addresses that are no file ignore them.
pub trait ListenOptionsExt: Sized + sealed::Sealed {
    /// The permission bits of the socket's file; whoever may write to it may connect. They are in force before
    /// the first client can connect. Default: `0o600`.
    #[must_use = "options do nothing until a server listens with them"]
    fn mode(self, mode: u32) -> Self;

    /// The user whom the socket's file belongs to; only root may choose another. Default: the user that this
    /// process acts as.
    #[must_use = "options do nothing until a server listens with them"]
    fn owner(self, uid: u32) -> Self;

    /// As [`owner`](Self::owner), by the user's name. Default: as there.
    #[must_use = "options do nothing until a server listens with them"]
    fn owner_name(self, name: impl Into<String>) -> Self;

    /// The group of the socket's file, and of the directory that [`create_parent`](Self::create_parent) creates.
    /// With a [`mode`](Self::mode) of `0o660` its members may connect, if the access policy lets them in. Who is
    /// not root may choose only a group that this process belongs to. Default: what the system gives a new file.
    #[must_use = "options do nothing until a server listens with them"]
    fn group(self, gid: u32) -> Self;

    /// As [`group`](Self::group), by the group's name. Default: as there.
    #[must_use = "options do nothing until a server listens with them"]
    fn group_name(self, name: impl Into<String>) -> Self;

    /// Creates the directory of the socket's file, if it is missing, with these permission bits, and those above
    /// it with `0o755` less the umask. They stay when the server ends. Default: no directory is created.
    #[must_use = "options do nothing until a server listens with them"]
    fn create_parent(self, mode: u32) -> Self;

    /// Listens also in a directory that others can write to, and in which they can put a server of their own in
    /// the place of this one. What is asked of a directory without it is written at
    /// [`grpc_ipc_uds::ListenOptions`](https://docs.rs/grpc-ipc-uds). Default: such a directory is refused,
    /// [`BindError::UnsafeParent`](crate::BindError::UnsafeParent).
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

/// Options of Unix domain sockets. Addresses that are no file ignore them.
pub trait ConnectOptionsExt: Sized + sealed::Sealed {
    /// Whether to connect to a socket through a symbolic link at the end of the path, as container runtimes
    /// install theirs. A link is followed only if it belongs to this user or to root, because whoever can replace
    /// it chooses the server; the access policy is asked about the server as always. (Links further up are
    /// always followed.) Default: `false`, a link is refused,
    /// [`ConnectError::NotASocket`](crate::ConnectError::NotASocket).
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
