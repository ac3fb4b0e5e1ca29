use std::future::pending;
use std::time::Duration;

use futures_util::StreamExt as _;
use futures_util::stream::{BoxStream, SelectAll, unfold};
use grpc_ipc_core::{
    AccessPolicy, Address, BindError, BoxConnection, BoxListener, Connection as _, Listener as _,
};
use grpc_ipc_http2::refusal::TOO_MANY_CONNECTIONS;
use tokio::io::AsyncWriteExt as _;
use tokio::time::timeout;

use crate::from_incoming::{GivenConnections, Over};
use crate::places::{Place, Places};
use crate::{ListenOptions, ServerStats, backend};

/// Any number of listeners as one.
pub(crate) struct Listeners {
    addresses: Vec<Address>,
    connections: SelectAll<BoxStream<'static, Accepted>>,
    places: Places,
    stats: ServerStats,
    /// What has to be over for the server to have nothing to wait for; `None` if one of the listeners never ends.
    over: Option<Vec<Over>>,
}

/// A connection, and what counts it for as long as it is kept.
pub(crate) type Accepted = (BoxConnection, Place);

/// How long a connection that is refused may take to take the reason.
const LAST_WORDS: Duration = Duration::from_secs(1);

impl Listeners {
    pub(crate) fn new(places: Places, stats: ServerStats) -> Self {
        Self { addresses: Vec::new(), connections: SelectAll::new(), places, stats, over: Some(Vec::new()) }
    }

    pub(crate) async fn listen(&mut self, mut options: ListenOptions) -> Result<(), BindError> {
        if options.access.is_none() && !matches!(options.address, Ok(Address::Tcp { .. })) {
            options.access = Some(AccessPolicy::default());
        }
        if let Some(access) = &options.access {
            self.stats.refuses_by(access);
        }
        let given = options.given.as_ref().map(GivenConnections::over);
        let listener = backend::listen(options).await?;
        match (given, &mut self.over) {
            (Some(given), Some(over)) => over.push(given),
            _ => self.over = None,
        }
        self.add_listener(listener);
        Ok(())
    }

    pub(crate) fn add(&mut self, listener: BoxListener) {
        self.over = None;
        self.add_listener(listener);
    }

    fn add_listener(&mut self, listener: BoxListener) {
        self.addresses.push(listener.local_address().clone());
        let connections = unfold(
            (listener, self.places.clone(), self.stats.clone()),
            async |(mut listener, places, stats)| {
                loop {
                    let connection = listener.accept().await;
                    match places.take(connection.peer()).await {
                        Some(place) => return Some(((connection, place), (listener, places, stats))),
                        None => {
                            stats.too_many();
                            refuse(connection);
                        }
                    }
                }
            },
        );
        self.connections.push(connections.boxed());
    }

    /// One for each listener.
    pub(crate) fn local_addresses(&self) -> &[Address] {
        &self.addresses
    }

    /// Waits until there can be no further connection, and those that there were are closed.
    pub(crate) fn over(&self) -> impl Future<Output = ()> + use<> {
        let over = self.over.clone();
        async move {
            let Some(over) = over else { return pending().await };
            for over in over {
                over.wait().await;
            }
        }
    }

    /// The next connection of any listener.
    pub(crate) fn connections(&mut self) -> &mut SelectAll<BoxStream<'static, Accepted>> {
        &mut self.connections
    }
}

/// Closes a connection of a user who has too many, once it has taken the reason.
fn refuse(mut connection: BoxConnection) {
    tracing::debug!(peer = %connection.peer(), "a connection is refused: its user has too many");
    tokio::spawn(timeout(LAST_WORDS, async move {
        connection.write_all(TOO_MANY_CONNECTIONS).await?;
        connection.flush().await
    }));
}
