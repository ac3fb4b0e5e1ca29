//! A channel over a transport of the program's own.

use std::fmt;
use std::sync::Arc;

use grpc_ipc_core::{Address, BoxConnection, BoxConnector, ConnectError, Connector};
use tokio::time::Instant;

use crate::connections::ConnectionsOptions;
use crate::{Channel, ConnectOptions};

impl Channel {
    /// Connects at the first call, over a transport of your own, with the default options.
    /// [`ConnectOptions::from_connector`] takes others.
    pub fn from_connector(connector: impl Connector) -> Self {
        Self::new(BoxConnector::new(connector), ConnectionsOptions::default())
    }
}

impl ConnectOptions {
    /// Connects over a transport of your own. The connector has its own access policy, so [`access`](Self::access) and
    /// platform-specific options have no effect. All other options apply.
    pub fn from_connector(connector: impl Connector) -> Self {
        let address = connector.address().clone();
        Self { connector: Some(OwnConnector(Arc::new(BoxConnector::new(connector)))), ..Self::new(address) }
    }
}

/// A connector that clones of the options share.
#[derive(Clone)]
pub(crate) struct OwnConnector(Arc<BoxConnector>);

impl Connector for OwnConnector {
    type Connection = BoxConnection;

    async fn connect(&self, deadline: Instant) -> Result<BoxConnection, ConnectError> {
        self.0.connect(deadline).await
    }

    async fn appears(&self) {
        self.0.appears().await;
    }

    fn address(&self) -> &Address {
        self.0.address()
    }
}

impl fmt::Debug for OwnConnector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("OwnConnector").field(self.0.address()).finish()
    }
}
