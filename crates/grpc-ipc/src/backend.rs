//! Which transports this platform has: the one place that asks.

use grpc_ipc_core::{Address, BindError, BoxConnector, BoxListener, ConnectError};

use crate::{ConnectOptions, ListenOptions, tcp};

/// Listens with the transport that `options`' address belongs to.
pub(crate) async fn listen(options: ListenOptions) -> Result<BoxListener, BindError> {
    let address = options.address.clone()?;
    match address {
        #[cfg(all(feature = "uds", unix))]
        Address::Unix { .. } | Address::UnixAbstract { .. } | Address::Local { .. } => {
            uds::listen(&address, options).await.map(BoxListener::new)
        }
        Address::Tcp { .. } => tcp::listen(&address, options.access).await.map(BoxListener::new),
        _ => Err(BindError::Unsupported { reason: unsupported(&address), address }),
    }
}

/// A connector of the transport that `options`' address belongs to.
pub(crate) fn connector(options: ConnectOptions) -> Result<BoxConnector, ConnectError> {
    let address = options.address.clone()?;
    match address {
        #[cfg(all(feature = "uds", unix))]
        Address::Unix { .. } | Address::UnixAbstract { .. } | Address::Local { .. } => {
            Ok(BoxConnector::new(uds::connector(&address, options)))
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
    use grpc_ipc_core::{Address, BindError};
    use grpc_ipc_uds::{UdsConnector, UdsListener};

    use crate::{ConnectOptions, ListenOptions};

    pub(super) async fn listen(address: &Address, options: ListenOptions) -> Result<UdsListener, BindError> {
        let mut uds = grpc_ipc_uds::ListenOptions::new().access(options.access.unwrap_or_default());
        if let Some(mode) = options.platform.mode {
            uds = uds.mode(mode);
        }
        uds.listen(address).await
    }

    pub(super) fn connector(address: &Address, options: ConnectOptions) -> UdsConnector {
        grpc_ipc_uds::ConnectOptions::new().access(options.access.unwrap_or_default()).connector(address)
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
