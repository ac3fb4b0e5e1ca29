//! A channel over a transport of the program's own.

use grpc_ipc_core::{BoxConnector, Connector};

use crate::connections::ConnectionsOptions;
use crate::{Channel, ConnectOptions};

impl Channel {
    /// Makes a channel that connects at the first call, over a transport of your own, with the default options. For
    /// other options, use [`ConnectOptions::from_connector`].
    pub fn from_connector(connector: impl Connector) -> Self {
        Self::new(BoxConnector::new(connector), ConnectionsOptions::default())
    }
}

impl ConnectOptions {
    /// Connects over a transport of your own. The connector has its own access policy, so [`access`](Self::access) and
    /// platform-specific options have no effect. All other options apply.
    pub fn from_connector(connector: impl Connector) -> Self {
        let address = connector.address().clone();
        Self { connector: Some(BoxConnector::new(connector)), ..Self::new(address) }
    }
}
