use std::sync::Arc;

use futures_util::StreamExt as _;
use futures_util::stream::{BoxStream, SelectAll, unfold};
use grpc_ipc_core::{Address, BindError, BoxConnection, BoxListener, Listener as _};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::{ListenOptions, backend};

/// Any number of listeners as one.
pub(crate) struct Listeners {
    addresses: Vec<Address>,
    connections: SelectAll<BoxStream<'static, Accepted>>,
    /// How many connections there may be at a time.
    limit: Option<Arc<Semaphore>>,
}

/// A connection, and what counts it for as long as it is kept.
pub(crate) type Accepted = (BoxConnection, Option<OwnedSemaphorePermit>);

impl Listeners {
    pub(crate) fn new(max_connections: Option<usize>) -> Self {
        let limit = max_connections.map(|limit| Arc::new(Semaphore::new(limit.min(Semaphore::MAX_PERMITS))));
        Self { addresses: Vec::new(), connections: SelectAll::new(), limit }
    }

    pub(crate) async fn listen(&mut self, options: ListenOptions) -> Result<(), BindError> {
        self.add(backend::listen(options).await?);
        Ok(())
    }

    pub(crate) fn add(&mut self, listener: BoxListener) {
        self.addresses.push(listener.local_address().clone());
        let limit = self.limit.clone();
        let connections = unfold((listener, limit), async |(mut listener, limit)| {
            let connection = listener.accept().await;
            let permit = match &limit {
                // It is never closed, so there is always a permit in the end.
                Some(limit) => Arc::clone(limit).acquire_owned().await.ok(),
                None => None,
            };
            Some(((connection, permit), (listener, limit)))
        });
        self.connections.push(connections.boxed());
    }

    /// One for each listener.
    pub(crate) fn local_addresses(&self) -> &[Address] {
        &self.addresses
    }

    /// The next connection of any listener.
    pub(crate) fn connections(&mut self) -> &mut SelectAll<BoxStream<'static, Accepted>> {
        &mut self.connections
    }
}
