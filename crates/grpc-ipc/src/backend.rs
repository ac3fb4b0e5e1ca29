//! Which transports this platform has, and what else differs between platforms: the one place that asks.

pub(crate) mod stop_signals;
pub(crate) mod tcp_socket;

use grpc_ipc_core::{AccessPolicy, Address, BindError, BoxConnector, BoxListener, ConnectError};
use grpc_ipc_http2::refusal::FORBIDDEN;

use crate::{ConnectOptions, ListenOptions, tcp};

/// Listens with the transport that `options`' address belongs to, and with TLS over it if that is wanted. Clients that are
/// refused are told in the words of the protocol that they are about to speak.
pub(crate) async fn listen(options: ListenOptions) -> Result<BoxListener, BindError> {
    #[cfg(feature = "tls")]
    if let Some(tls) = options.tls.clone() {
        let options = refusing_with(crate::tls::ACCESS_DENIED, options);
        return Ok(BoxListener::new(tls.listener(listen_without_tls(options).await?)));
    }
    listen_without_tls(refusing_with(FORBIDDEN, options)).await
}

fn refusing_with(answer: &'static [u8], options: ListenOptions) -> ListenOptions {
    let access = match options.access {
        Some(access) if access.refusal().is_none() => Some(access.refuse_with(answer)),
        // Nobody is refused.
        None if matches!(options.address, Ok(Address::Tcp { .. })) => None,
        None => Some(AccessPolicy::default().refuse_with(answer)),
        access => access,
    };
    ListenOptions { access, ..options }
}

async fn listen_without_tls(options: ListenOptions) -> Result<BoxListener, BindError> {
    let ListenOptions { address, access, platform, .. } = options;
    let address = address?;
    match address {
        #[cfg(all(feature = "uds", windows))]
        Address::Unix { .. } | Address::UnixAbstract { .. } => {
            uds::listen(&address, access, platform).await.map(BoxListener::new)
        }
        #[cfg(all(feature = "uds", unix))]
        Address::Unix { .. } | Address::UnixAbstract { .. } | Address::Local { .. } => {
            uds::listen(&address, access, platform).await.map(BoxListener::new)
        }
        #[cfg(all(feature = "named-pipe", windows))]
        Address::NamedPipe { .. } | Address::Local { .. } => {
            named_pipe::listen(&address, access, platform).await.map(BoxListener::new)
        }
        Address::Tcp { .. } => tcp::listen(&address, access).await.map(BoxListener::new),
        _ => {
            // It has something in it only where there is a branch above that takes it.
            _ = platform;
            Err(BindError::Unsupported { reason: unsupported(&address), address })
        }
    }
}

/// A connector of the transport that `options`' address belongs to, and of TLS over it if that is wanted.
pub(crate) fn connector(options: ConnectOptions) -> Result<BoxConnector, ConnectError> {
    #[cfg(feature = "tls")]
    if let Some(tls) = options.tls.clone() {
        return Ok(BoxConnector::new(tls.connector(connector_without_tls(options)?)));
    }
    connector_without_tls(options)
}

fn connector_without_tls(options: ConnectOptions) -> Result<BoxConnector, ConnectError> {
    let ConnectOptions { address, access, platform, .. } = options;
    let address = address?;
    match address {
        #[cfg(all(feature = "uds", windows))]
        Address::Unix { .. } | Address::UnixAbstract { .. } => {
            Ok(BoxConnector::new(uds::connector(&address, access, platform)))
        }
        #[cfg(all(feature = "uds", unix))]
        Address::Unix { .. } | Address::UnixAbstract { .. } | Address::Local { .. } => {
            Ok(BoxConnector::new(uds::connector(&address, access, platform)))
        }
        #[cfg(all(feature = "named-pipe", windows))]
        Address::NamedPipe { .. } | Address::Local { .. } => {
            Ok(BoxConnector::new(named_pipe::connector(&address, access, platform)))
        }
        Address::Tcp { .. } => Ok(BoxConnector::new(tcp::TcpConnector::new(address, access))),
        _ => {
            _ = platform;
            Err(ConnectError::Unsupported { reason: unsupported(&address), address })
        }
    }
}

/// Where the names of users and groups are looked up.
#[cfg(all(feature = "uds", any(unix, windows)))]
pub(crate) use grpc_ipc_uds::SystemNames as Names;

/// Where the names of users and groups are looked up.
#[cfg(all(feature = "named-pipe", windows, not(feature = "uds")))]
pub(crate) use grpc_ipc_named_pipe::SystemNames as Names;

/// Where the names of users and groups are looked up.
#[cfg(not(any(all(feature = "uds", any(unix, windows)), all(feature = "named-pipe", windows))))]
pub(crate) use grpc_ipc_core::NoNames as Names;

fn unsupported(address: &Address) -> String {
    match address {
        Address::NamedPipe { .. } if !cfg!(windows) => {
            "named pipes are on Windows only; use unix:PATH or local:NAME".to_owned()
        }
        Address::Custom { .. } => {
            "a transport of your own goes into Server::listener or Channel::from_connector".to_owned()
        }
        Address::NamedPipe { .. } | Address::Local { .. } if cfg!(windows) => without("named-pipe"),
        _ if cfg!(any(unix, windows)) => without("uds"),
        _ => format!("grpc-ipc has no Unix domain sockets on {}", std::env::consts::OS),
    }
}

fn without(feature: &str) -> String {
    format!("this program was built without the feature `{feature}` of grpc-ipc")
}

/// The options of the platform's transports, which its extension trait sets.
#[derive(Clone, Debug, Default)]
pub(crate) struct PlatformListenOptions {
    #[cfg(all(feature = "uds", unix))]
    socket: grpc_ipc_uds::ListenOptions,
    #[cfg(all(feature = "named-pipe", windows))]
    pipe: grpc_ipc_named_pipe::ListenOptions,
}

/// The options of the platform's transports, which its extension trait sets.
#[derive(Clone, Debug, Default)]
pub(crate) struct PlatformConnectOptions {
    #[cfg(all(feature = "uds", unix))]
    socket: grpc_ipc_uds::ConnectOptions,
    #[cfg(all(feature = "named-pipe", windows))]
    pipe: grpc_ipc_named_pipe::ConnectOptions,
}

#[cfg(all(feature = "uds", any(unix, windows)))]
mod uds {
    use grpc_ipc_core::{AccessPolicy, Address, BindError};
    #[cfg(windows)]
    use grpc_ipc_uds::{ConnectOptions, ListenOptions};
    use grpc_ipc_uds::{LocalConnector, LocalListener};

    use super::{PlatformConnectOptions, PlatformListenOptions};

    pub(super) async fn listen(
        address: &Address,
        access: Option<AccessPolicy>,
        platform: PlatformListenOptions,
    ) -> Result<LocalListener, BindError> {
        #[cfg(unix)]
        let options = platform.socket;
        // Windows has no options of sockets.
        #[cfg(windows)]
        let (options, _) = (ListenOptions::new(), platform);
        options.access(access.unwrap_or_default()).listen(address).await
    }

    pub(super) fn connector(
        address: &Address,
        access: Option<AccessPolicy>,
        platform: PlatformConnectOptions,
    ) -> LocalConnector {
        #[cfg(unix)]
        let options = platform.socket;
        #[cfg(windows)]
        let (options, _) = (ConnectOptions::new(), platform);
        options.access(access.unwrap_or_default()).connector(address)
    }
}

#[cfg(all(feature = "named-pipe", windows))]
mod named_pipe {
    use grpc_ipc_core::{AccessPolicy, Address, BindError};
    use grpc_ipc_named_pipe::{LocalConnector, LocalListener};

    use super::{PlatformConnectOptions, PlatformListenOptions};

    pub(super) async fn listen(
        address: &Address,
        access: Option<AccessPolicy>,
        platform: PlatformListenOptions,
    ) -> Result<LocalListener, BindError> {
        platform.pipe.access(access.unwrap_or_default()).listen(address).await
    }

    pub(super) fn connector(
        address: &Address,
        access: Option<AccessPolicy>,
        platform: PlatformConnectOptions,
    ) -> LocalConnector {
        platform.pipe.access(access.unwrap_or_default()).connector(address)
    }
}

/// What the facade exports on this platform only.
pub(crate) mod platform {
    /// What only Unix has.
    #[cfg(all(feature = "uds", unix))]
    pub mod unix {
        #[cfg(any(target_os = "linux", target_os = "android"))]
        pub use grpc_ipc_uds::PidFd;

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
    }

    /// What only Windows has.
    #[cfg(all(feature = "named-pipe", windows))]
    pub mod windows {
        pub use grpc_ipc_named_pipe::{ClientProcess, ImpersonationLevel, SecurityDescriptor};

        use crate::{ConnectOptions, ListenOptions};

        /// Options of named pipes. Addresses that are no pipe ignore them.
        pub trait ListenOptionsExt: Sized + sealed::Sealed {
            /// Whom Windows lets open the pipe, before the access policy is asked. Default:
            /// [`SecurityDescriptor::current_user`].
            #[must_use = "options do nothing until a server listens with them"]
            fn descriptor(self, descriptor: SecurityDescriptor) -> Self;

            /// How many instances of the pipe wait for clients, at least 2. Default: 16.
            #[must_use = "options do nothing until a server listens with them"]
            fn backlog(self, instances: u32) -> Self;

            /// How many bytes Windows keeps for a reader, in each direction. Default: 65536 (64 KiB).
            #[must_use = "options do nothing until a server listens with them"]
            fn buffer_size(self, bytes: u32) -> Self;
        }

        impl ListenOptionsExt for ListenOptions {
            fn descriptor(mut self, descriptor: SecurityDescriptor) -> Self {
                self.platform.pipe = self.platform.pipe.descriptor(descriptor);
                self
            }

            fn backlog(mut self, instances: u32) -> Self {
                self.platform.pipe = self.platform.pipe.backlog(instances);
                self
            }

            fn buffer_size(mut self, bytes: u32) -> Self {
                self.platform.pipe = self.platform.pipe.buffer_size(bytes);
                self
            }
        }

        /// Options of named pipes. Addresses that are no pipe ignore them.
        pub trait ConnectOptionsExt: Sized + sealed::Sealed {
            /// What the server may do with the identity of this client. Default:
            /// [`ImpersonationLevel::Identification`].
            #[must_use = "options do nothing until a channel connects with them"]
            fn impersonation(self, level: ImpersonationLevel) -> Self;
        }

        impl ConnectOptionsExt for ConnectOptions {
            fn impersonation(mut self, level: ImpersonationLevel) -> Self {
                self.platform.pipe = self.platform.pipe.impersonation(level);
                self
            }
        }

        mod sealed {
            pub trait Sealed {}
            impl Sealed for crate::ListenOptions {}
            impl Sealed for crate::ConnectOptions {}
        }
    }
}
