use std::fmt;
use std::pin::Pin;
use std::sync::Arc;

use tokio::time::Instant;

use crate::{Address, ConnectError, Connection, Connector, Listener};

/// A connection of any transport.
pub type BoxConnection = Box<dyn Connection>;

/// A listener of any transport.
pub struct BoxListener(Box<dyn AnyListener>);

/// A connector of any transport. Clones share it.
#[derive(Clone)]
pub struct BoxConnector(Arc<dyn AnyConnector>);

impl BoxListener {
    /// Hides the transport of `listener`.
    pub fn new(listener: impl Listener) -> Self {
        Self(Box::new(listener))
    }
}

impl Listener for BoxListener {
    type Connection = BoxConnection;

    async fn accept(&mut self) -> BoxConnection {
        self.0.accept().await
    }

    async fn accept_last(&mut self) -> Option<BoxConnection> {
        self.0.accept_last().await
    }

    fn local_address(&self) -> &Address {
        self.0.local_address()
    }
}

impl BoxConnector {
    /// Hides the transport of `connector`.
    pub fn new(connector: impl Connector) -> Self {
        Self(Arc::new(connector))
    }
}

impl fmt::Debug for BoxConnector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("BoxConnector").field(self.0.address()).finish()
    }
}

impl Connector for BoxConnector {
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

type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// The object-safe form of [`Listener`].
trait AnyListener: Send {
    fn accept(&mut self) -> BoxFuture<'_, BoxConnection>;
    fn accept_last(&mut self) -> BoxFuture<'_, Option<BoxConnection>>;
    fn local_address(&self) -> &Address;
}

impl<L: Listener> AnyListener for L {
    fn accept(&mut self) -> BoxFuture<'_, BoxConnection> {
        Box::pin(async { Box::new(Listener::accept(self).await) as BoxConnection })
    }

    fn accept_last(&mut self) -> BoxFuture<'_, Option<BoxConnection>> {
        Box::pin(async { Some(Box::new(Listener::accept_last(self).await?) as BoxConnection) })
    }

    fn local_address(&self) -> &Address {
        Listener::local_address(self)
    }
}

/// The object-safe form of [`Connector`].
trait AnyConnector: Send + Sync {
    fn connect(&self, deadline: Instant) -> BoxFuture<'_, Result<BoxConnection, ConnectError>>;
    fn appears(&self) -> BoxFuture<'_, ()>;
    fn address(&self) -> &Address;
}

impl<C: Connector> AnyConnector for C {
    fn connect(&self, deadline: Instant) -> BoxFuture<'_, Result<BoxConnection, ConnectError>> {
        Box::pin(async move { Ok(Box::new(Connector::connect(self, deadline).await?) as BoxConnection) })
    }

    fn appears(&self) -> BoxFuture<'_, ()> {
        Box::pin(Connector::appears(self))
    }

    fn address(&self) -> &Address {
        Connector::address(self)
    }
}
