//! The transports of this platform, and everything else that differs between platforms.

pub(crate) mod start;
pub(crate) mod stop_signals;
#[cfg(all(feature = "uds", unix))]
pub mod systemd;
pub(crate) mod tcp_socket;
#[cfg(all(feature = "uds", unix))]
pub mod unix;
#[cfg(all(feature = "named-pipe", windows))]
pub mod windows;

#[cfg(any(all(feature = "uds", unix), all(feature = "named-pipe", windows)))]
use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use grpc_ipc_core::{AccessPolicy, Address, BindError, BoxConnector, BoxListener, ConnectError, Listener};
use grpc_ipc_http2::refusal::FORBIDDEN;

use crate::service_manager::Notice;
use crate::{ConnectOptions, ListenOptions, tcp};

/// A listener, and a future that waits until another process has taken over its address, if that is possible.
pub(crate) struct Listening {
    pub(crate) listener: BoxListener,
    pub(crate) handed_over: Option<BoxFuture<'static, ()>>,
}

impl Listening {
    fn new(listener: impl Listener) -> Self {
        Self { listener: BoxListener::new(listener), handed_over: None }
    }
}

/// Listens with the transport of the address in `options`, and with TLS if it is set. A refused client gets its answer
/// in the protocol that it is about to speak.
pub(crate) async fn listen(options: ListenOptions) -> Result<Listening, BindError> {
    #[cfg(feature = "tls")]
    if let Some(tls) = options.tls.clone() {
        let options = refusing_with(crate::tls::ACCESS_DENIED, options);
        let Listening { listener, handed_over } = listen_without_tls(options).await?;
        return Ok(Listening { listener: BoxListener::new(tls.listener(listener)), handed_over });
    }
    listen_without_tls(refusing_with(FORBIDDEN, options)).await
}

fn refusing_with(answer: &'static [u8], options: ListenOptions) -> ListenOptions {
    let access = match options.access {
        Some(access) if access.refusal().is_none() => Some(access.refuse_with(answer)),
        // No policy: nobody is refused.
        None if matches!(options.address, Ok(Address::Tcp { .. })) => None,
        None => Some(AccessPolicy::default().refuse_with(answer)),
        access => access,
    };
    ListenOptions { access, ..options }
}

async fn listen_without_tls(options: ListenOptions) -> Result<Listening, BindError> {
    let ListenOptions { address, access, given, backlog, restartable, platform, .. } = options;
    let address = address?;
    #[cfg(not(any(all(feature = "uds", unix), all(feature = "named-pipe", windows))))]
    let _ = restartable;
    if let Some(given) = given {
        return given.listen(address, access.unwrap_or_default()).await.map(Listening::new);
    }
    #[cfg(all(feature = "uds", unix))]
    if let Some(socket) = platform.descriptor {
        let options = platform.socket.access(access.unwrap_or_default());
        return unix::listen_on(&socket, options, &address).await.map(Listening::new);
    }
    match address {
        #[cfg(all(feature = "uds", windows))]
        Address::Unix { .. } | Address::UnixAbstract { .. } => {
            uds::listen(&address, access, backlog, platform).await.map(Listening::new)
        }
        #[cfg(all(feature = "uds", unix))]
        Address::Unix { .. }
        | Address::UnixAbstract { .. }
        | Address::Local { .. }
        | Address::Systemd { .. }
        | Address::Launchd { .. } => {
            let mut platform = platform;
            platform.socket = platform.socket.restartable(restartable);
            let listener = uds::listen(&address, access, backlog, platform).await?;
            let handed_over = restartable.then(|| listener.handed_over().boxed());
            Ok(Listening { handed_over, ..Listening::new(listener) })
        }
        #[cfg(all(feature = "named-pipe", windows))]
        Address::NamedPipe { .. } | Address::Local { .. } => {
            let mut platform = platform;
            platform.pipe = platform.pipe.restartable(restartable);
            let listener = named_pipe::listen(&address, access, backlog, platform).await?;
            let handed_over = restartable.then(|| listener.handed_over().boxed());
            Ok(Listening { handed_over, ..Listening::new(listener) })
        }
        Address::Tcp { .. } => tcp::listen(&address, access, backlog).await.map(Listening::new),
        _ => {
            // Not empty only if a branch above takes it.
            _ = (backlog, platform);
            Err(BindError::Unsupported { reason: unsupported(&address), address })
        }
    }
}

/// A connector of the transport of the address in `options`, with TLS if it is set.
pub(crate) fn connector(options: ConnectOptions) -> Result<BoxConnector, ConnectError> {
    #[cfg(feature = "tls")]
    if let Some(tls) = options.tls.clone() {
        return Ok(BoxConnector::new(tls.connector(connector_without_tls(options)?)));
    }
    connector_without_tls(options)
}

fn connector_without_tls(options: ConnectOptions) -> Result<BoxConnector, ConnectError> {
    let ConnectOptions { address, access, given, connector, platform, .. } = options;
    if let Some(connector) = connector {
        return Ok(connector);
    }
    let address = address?;
    if let Some(given) = given {
        return Ok(BoxConnector::new(given.connector(address, access.unwrap_or_default())));
    }
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

/// Notifies systemd, and logs a failure.
#[cfg(all(feature = "uds", unix))]
pub(crate) fn notify_systemd(notice: Notice) {
    let state = match notice {
        Notice::Ready => systemd::State::Ready,
        Notice::Stopping => systemd::State::Stopping,
        Notice::Watchdog => systemd::State::Watchdog,
    };
    if let Err(error) = systemd::notify(state) {
        tracing::warn!(%error, "cannot notify systemd of {state:?}");
    }
}

#[cfg(not(all(feature = "uds", unix)))]
pub(crate) fn notify_systemd(_: Notice) {}

/// How often systemd expects a sign of life from this process.
#[cfg(all(feature = "uds", unix))]
pub(crate) use systemd::watchdog as systemd_watchdog;

#[cfg(not(all(feature = "uds", unix)))]
pub(crate) fn systemd_watchdog() -> Option<std::time::Duration> {
    None
}

/// Looks up the names of users and groups.
#[cfg(all(feature = "uds", any(unix, windows)))]
pub(crate) use grpc_ipc_uds::SystemNames as Names;

/// Looks up the names of users and groups.
#[cfg(all(feature = "named-pipe", windows, not(feature = "uds")))]
pub(crate) use grpc_ipc_named_pipe::SystemNames as Names;

/// Looks up the names of users and groups.
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
        Address::Systemd { .. } | Address::Launchd { .. } if cfg!(windows) => {
            "Windows has neither systemd nor launchd; use npipe:NAME or local:NAME".to_owned()
        }
        Address::Systemd { .. } | Address::Launchd { .. } if cfg!(all(unix, feature = "uds")) => {
            "only a server can use it; connect to the path of the socket (unix:PATH)".to_owned()
        }
        _ if cfg!(any(unix, windows)) => without("uds"),
        _ => format!("grpc-ipc has no Unix domain sockets on {}", std::env::consts::OS),
    }
}

fn without(feature: &str) -> String {
    format!("this program was built without the feature `{feature}` of grpc-ipc")
}

/// The options of the platform's transports, set by its extension trait.
#[derive(Clone, Debug, Default)]
pub(crate) struct PlatformListenOptions {
    #[cfg(all(feature = "uds", unix))]
    socket: grpc_ipc_uds::ListenOptions,
    /// A socket that already listens.
    #[cfg(all(feature = "uds", unix))]
    descriptor: Option<std::sync::Arc<std::os::fd::OwnedFd>>,
    #[cfg(all(feature = "named-pipe", windows))]
    pipe: grpc_ipc_named_pipe::ListenOptions,
}

/// The options of the platform's transports, set by its extension trait.
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
        backlog: Option<u32>,
        platform: PlatformListenOptions,
    ) -> Result<LocalListener, BindError> {
        #[cfg(unix)]
        let options = platform.socket;
        // Sockets have no options on Windows.
        #[cfg(windows)]
        let (options, _) = (ListenOptions::new(), platform);
        let options = match backlog {
            Some(backlog) => options.backlog(backlog),
            None => options,
        };
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
        backlog: Option<u32>,
        platform: PlatformListenOptions,
    ) -> Result<LocalListener, BindError> {
        let options = match backlog {
            Some(backlog) => platform.pipe.backlog(backlog),
            None => platform.pipe,
        };
        options.access(access.unwrap_or_default()).listen(address).await
    }

    pub(super) fn connector(
        address: &Address,
        access: Option<AccessPolicy>,
        platform: PlatformConnectOptions,
    ) -> LocalConnector {
        platform.pipe.access(access.unwrap_or_default()).connector(address)
    }
}

/// The part of the facade's API that exists on this platform only.
pub(crate) mod platform {
    #[cfg(all(feature = "uds", unix))]
    pub use super::unix;
    #[cfg(all(feature = "named-pipe", windows))]
    pub use super::windows;
}
