use std::future::pending;
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt as _;
use futures_util::future::{BoxFuture, join_all};
use futures_util::stream::{BoxStream, SelectAll, unfold};
use grpc_ipc_core::{
    AccessPolicy, Address, BindError, BoxConnection, BoxListener, Connection as _, Listener as _,
};
use grpc_ipc_http2::refusal::TOO_MANY_CONNECTIONS;
use tokio::io::AsyncWriteExt as _;
use tokio::sync::watch;
use tokio::time::timeout;

use crate::backend::Listening;
use crate::from_incoming::{GivenConnections, Over};
use crate::observer::Observers;
use crate::places::{Place, Places};
use crate::{Event, ListenOptions, Refusal, ServerStats, backend};

/// Several listeners as one.
pub(crate) struct Listeners {
    addresses: Vec<Address>,
    connections: SelectAll<BoxStream<'static, Accepted>>,
    places: Places,
    stats: ServerStats,
    observers: Observers,
    /// Completes when nothing is left to serve. `None` if a listener never ends.
    over: Option<Vec<Over>>,
    /// Completes when other processes have taken over the addresses. `None` if an address cannot be taken over.
    handed_over: Option<Vec<BoxFuture<'static, ()>>>,
    closing: watch::Sender<bool>,
}

/// A connection with its place, which it holds while it is open.
pub(crate) struct Accepted {
    pub(crate) connection: BoxConnection,
    pub(crate) place: Place,
    /// The address of the listener.
    pub(crate) address: Arc<Address>,
}

/// How long a refused client may take to receive the reason.
const LAST_WORDS: Duration = Duration::from_secs(1);

impl Listeners {
    pub(crate) fn new(places: Places, stats: ServerStats, observers: Observers) -> Self {
        Self {
            addresses: Vec::new(),
            connections: SelectAll::new(),
            places,
            stats,
            observers,
            over: Some(Vec::new()),
            handed_over: Some(Vec::new()),
            closing: watch::Sender::new(false),
        }
    }

    pub(crate) async fn listen(&mut self, mut options: ListenOptions) -> Result<(), BindError> {
        if options.access.is_none() && !matches!(options.address, Ok(Address::Tcp { .. })) {
            options.access = Some(AccessPolicy::default());
        }
        if let Some(access) = &options.access {
            self.stats.refuses_by(access);
        }
        options.access = match (options.access, &options.address) {
            (Some(access), Ok(address)) if !self.observers.is_empty() => {
                let (observers, address) = (self.observers.clone(), address.clone());
                Some(access.on_refused(move |refused| {
                    let (peer, address) = (refused.peer(), &address);
                    observers.tell(&Event::Refused { peer, address, why: Refusal::AccessPolicy(refused) });
                }))
            }
            (access, _) => access,
        };
        let given = options.given.as_ref().map(GivenConnections::over);
        let Listening { listener, handed_over } = backend::listen(options).await?;
        match (handed_over, &mut self.handed_over) {
            (Some(one), Some(all)) => all.push(one),
            _ => self.handed_over = None,
        }
        match (given, &mut self.over) {
            (Some(given), Some(over)) => over.push(given),
            _ => self.over = None,
        }
        self.add_listener(listener);
        Ok(())
    }

    pub(crate) fn add(&mut self, listener: BoxListener) {
        (self.over, self.handed_over) = (None, None);
        self.add_listener(listener);
    }

    fn add_listener(&mut self, listener: BoxListener) {
        self.addresses.push(listener.local_address().clone());
        let state = Accepting {
            address: Arc::new(listener.local_address().clone()),
            listener,
            places: self.places.clone(),
            stats: self.stats.clone(),
            observers: self.observers.clone(),
            closing: self.closing.subscribe(),
        };
        let connections = unfold(state, async |mut state| Some((state.next().await?, state)));
        self.connections.push(connections.boxed());
    }

    /// The addresses, one for each listener.
    pub(crate) fn local_addresses(&self) -> &[Address] {
        &self.addresses
    }

    /// Waits until no further connection can come, and all earlier ones are closed.
    pub(crate) fn over(&self) -> impl Future<Output = ()> + use<> {
        let over = self.over.clone();
        async move {
            let Some(over) = over else { return pending().await };
            for over in over {
                over.wait().await;
            }
        }
    }

    /// Waits until other processes have taken over all addresses.
    pub(crate) fn handed_over(&mut self) -> impl Future<Output = ()> + use<> {
        let handed_over = self.handed_over.take();
        async move {
            match handed_over {
                Some(handed_over) => drop(join_all(handed_over).await),
                None => pending().await,
            }
        }
    }

    /// Makes the listeners give up their addresses, and return only clients that had already connected. It takes effect
    /// when their [`connections`](Self::connections) are polled. That stream then ends.
    pub(crate) fn close(&self) {
        self.closing.send_replace(true);
    }

    /// The next connection of any listener.
    pub(crate) fn connections(&mut self) -> &mut SelectAll<BoxStream<'static, Accepted>> {
        &mut self.connections
    }
}

/// A listener of the server.
struct Accepting {
    address: Arc<Address>,
    listener: BoxListener,
    places: Places,
    stats: ServerStats,
    observers: Observers,
    /// Whether the listener has to give up its address.
    closing: watch::Receiver<bool>,
}

impl Accepting {
    /// The next connection. `None` once the address is given up and no connections are left.
    async fn next(&mut self) -> Option<Accepted> {
        loop {
            let closing = *self.closing.borrow_and_update();
            let connection = if closing {
                self.listener.accept_last().await?
            } else {
                tokio::select! {
                    biased;
                    Ok(()) = self.closing.changed() => continue,
                    connection = self.listener.accept() => connection,
                }
            };
            match self.places.take(connection.peer()).await {
                Some(place) => {
                    return Some(Accepted { connection, place, address: Arc::clone(&self.address) });
                }
                None => {
                    self.stats.too_many();
                    let (peer, address) = (connection.peer(), &*self.address);
                    self.observers.tell(&Event::Refused { peer, address, why: Refusal::TooManyConnections });
                    refuse(connection);
                }
            }
        }
    }
}

/// Sends the reason to a client whose user has too many connections, and closes the connection.
fn refuse(mut connection: BoxConnection) {
    tracing::debug!(peer = %connection.peer(), "a connection is refused because its user has too many");
    tokio::spawn(timeout(LAST_WORDS, async move {
        connection.write_all(TOO_MANY_CONNECTIONS).await?;
        connection.flush().await
    }));
}
