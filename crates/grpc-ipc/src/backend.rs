//! Which transports this platform has: the one place that asks.

use grpc_ipc_core::{Address, BindError, BoxConnector, BoxListener, ConnectError};

use crate::{ConnectOptions, ListenOptions, tcp};

/// Listens with the transport that `options`' address belongs to.
pub(crate) async fn listen(options: ListenOptions) -> Result<BoxListener, BindError> {
    let ListenOptions { address, access, platform } = options;
    let address = address?;
    match address {
        #[cfg(all(feature = "uds", unix))]
        Address::Unix { .. } | Address::UnixAbstract { .. } | Address::Local { .. } => {
            uds::listen(&address, access, platform).await.map(BoxListener::new)
        }
        Address::Tcp { .. } => tcp::listen(&address, access).await.map(BoxListener::new),
        _ => {
            // It has something in it only where there is a branch above that takes it.
            _ = platform;
            Err(BindError::Unsupported { reason: unsupported(&address), address })
        }
    }
}

/// A connector of the transport that `options`' address belongs to.
pub(crate) fn connector(options: ConnectOptions) -> Result<BoxConnector, ConnectError> {
    let address = options.address?;
    match address {
        #[cfg(all(feature = "uds", unix))]
        Address::Unix { .. } | Address::UnixAbstract { .. } | Address::Local { .. } => {
            Ok(BoxConnector::new(uds::connector(&address, options.access)))
        }
        Address::Tcp { .. } => Ok(BoxConnector::new(tcp::TcpConnector::new(address, options.access))),
        _ => Err(ConnectError::Unsupported { reason: unsupported(&address), address }),
    }
}

fn unsupported(address: &Address) -> String {
    match address {
        Address::NamedPipe { .. } => {
            "named pipes are on Windows only; use unix:PATH or local:NAME".to_owned()
        }
        Address::Custom { .. } => {
            "a transport of your own goes into Server::listener or Channel::from_connector".to_owned()
        }
        _ if cfg!(unix) => "this program was built without the feature `uds` of grpc-ipc".to_owned(),
        _ => format!("grpc-ipc has no Unix domain sockets on {}", std::env::consts::OS),
    }
}

/// The options of the platform's transports, which its extension trait sets.
#[derive(Clone, Debug, Default)]
pub(crate) struct PlatformListenOptions {
    #[cfg(all(feature = "uds", unix))]
    mode: Option<u32>,
}

#[cfg(all(feature = "uds", unix))]
mod uds {
    use grpc_ipc_core::{AccessPolicy, Address, BindError};
    use grpc_ipc_uds::{ConnectOptions, ListenOptions, UdsConnector, UdsListener};

    use super::PlatformListenOptions;

    pub(super) async fn listen(
        address: &Address,
        access: Option<AccessPolicy>,
        platform: PlatformListenOptions,
    ) -> Result<UdsListener, BindError> {
        let mut options = ListenOptions::new().access(access.unwrap_or_default());
        if let Some(mode) = platform.mode {
            options = options.mode(mode);
        }
        options.listen(address).await
    }

    pub(super) fn connector(address: &Address, access: Option<AccessPolicy>) -> UdsConnector {
        ConnectOptions::new().access(access.unwrap_or_default()).connector(address)
    }
}

/// What the facade exports on this platform only.
pub(crate) mod platform {
    /// What only Unix has.
    #[cfg(all(feature = "uds", unix))]
    pub mod unix {
        use crate::ListenOptions;

        /// Options of Unix domain sockets.
        pub trait ListenOptionsExt: Sized + sealed::Sealed {
            /// The permission bits of the socket's file; whoever may write to it may connect. They are in force before
            /// the first client can connect. Addresses that are no file ignore them. Default: `0o600`.
            #[must_use = "options do nothing until a server listens with them"]
            fn mode(self, mode: u32) -> Self;
        }

        impl ListenOptionsExt for ListenOptions {
            fn mode(mut self, mode: u32) -> Self {
                self.platform.mode = Some(mode);
                self
            }
        }

        mod sealed {
            pub trait Sealed {}
            impl Sealed for crate::ListenOptions {}
        }
    }
}
