//! A transport inside one process: for tests, and a small example of how to write a transport.
//!
//! Each [`Network`] has its own names. Only connectors of the same network reach its listeners.
//!
//! ```
//! # use grpc_ipc_core as grpc_ipc;
//! use grpc_ipc::{AccessPolicy, Connector as _, Listener as _, memory::Network};
//! use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
//! use tokio::time::{Duration, Instant};
//!
//! # tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(async {
//! let network = Network::new();
//! let mut listener = network.listen("greeter", AccessPolicy::default())?;
//! let connector = network.connector("greeter", AccessPolicy::default());
//!
//! let deadline = Instant::now() + Duration::from_secs(1);
//! let (client, mut server) = tokio::join!(connector.connect(deadline), listener.accept());
//! client?.write_all(b"hello").await?;
//! let mut text = String::new();
//! server.read_to_string(&mut text).await?;
//! assert_eq!(text, "hello");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! # })?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

use std::collections::HashMap;
use std::future::pending;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::io::DuplexStream;
use tokio::sync::{Notify, mpsc};
use tokio::time::{Instant, timeout_at};

use crate::{
    Acceptor, AccessPolicy, Address, BindError, ConnectError, Connector, Listener, NoNames, Peer, PeerStream,
    Source,
};

/// The number of connections that wait to be accepted. Beyond it, `connect` waits.
const BACKLOG: usize = 128;
/// The number of bytes on their way in one direction. Beyond it, writes wait.
const BUFFER: usize = 64 * 1024;

/// A set of names that connects listeners with connectors.
#[derive(Clone, Default)]
pub struct Network {
    listeners: Arc<Mutex<HashMap<String, mpsc::Sender<DuplexStream>>>>,
    /// Notifies connectors that a listener was added.
    added: Arc<Notify>,
}

impl Network {
    /// Creates an empty network.
    pub fn new() -> Self {
        Self::default()
    }

    /// Listens under `name`, and accepts clients that `access` allows.
    ///
    /// # Errors
    /// [`BindError::InUse`] while another listener of this network has the name, [`BindError::InvalidOption`] for an
    /// access policy with names, because a network has no users.
    pub fn listen(&self, name: &str, access: AccessPolicy) -> Result<MemoryListener, BindError> {
        let address = address(name);
        let access = access.resolve(&NoNames).map_err(|error| BindError::unknown_name(&address, error))?;
        let mut listeners = self.lock();
        if listeners.contains_key(name) {
            return Err(BindError::InUse { address, by: Some(Peer::this_process("memory")) });
        }
        let (sender, incoming) = mpsc::channel(BACKLOG);
        listeners.insert(name.to_owned(), sender);
        self.added.notify_waiters();
        let acceptor = Acceptor::new(Incoming(incoming), address, access);
        Ok(MemoryListener { network: self.clone(), name: Some(name.to_owned()), acceptor })
    }

    /// Connects to the listener under `name` if `access` trusts it.
    pub fn connector(&self, name: &str, access: AccessPolicy) -> MemoryConnector {
        MemoryConnector { network: self.clone(), name: name.to_owned(), address: address(name), access }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, mpsc::Sender<DuplexStream>>> {
        // No code panics while it holds the lock, so the map is valid even if the lock is poisoned.
        self.listeners.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn address(name: &str) -> Address {
    Address::custom("memory", name)
}

/// The [`Listener`] of a [`Network`].
pub struct MemoryListener {
    network: Network,
    /// `None` after the name is given up.
    name: Option<String>,
    acceptor: Acceptor<Incoming>,
}

impl Listener for MemoryListener {
    type Connection = MemoryStream;

    async fn accept(&mut self) -> MemoryStream {
        self.acceptor.accept().await
    }

    async fn accept_last(&mut self) -> Option<MemoryStream> {
        self.give_up();
        self.acceptor.accept_last().await
    }

    fn local_address(&self) -> &Address {
        self.acceptor.local_address()
    }
}

impl MemoryListener {
    /// Removes the name, once only: another listener may have it afterwards.
    fn give_up(&mut self) {
        if let Some(name) = self.name.take() {
            self.network.lock().remove(&name);
        }
    }
}

impl Drop for MemoryListener {
    fn drop(&mut self) {
        self.give_up();
    }
}

/// The [`Connector`] of a [`Network`].
#[derive(Clone)]
pub struct MemoryConnector {
    network: Network,
    name: String,
    address: Address,
    access: AccessPolicy,
}

impl Connector for MemoryConnector {
    type Connection = MemoryStream;

    async fn connect(&self, deadline: Instant) -> Result<MemoryStream, ConnectError> {
        let address = || self.address.clone();
        let listener = self.network.lock().get(&self.name).cloned();
        let listener = listener.ok_or_else(|| ConnectError::NotFound { address: address() })?;
        let (client, server) = tokio::io::duplex(BUFFER);
        let access = self.access.resolve(&NoNames);
        let access = access.map_err(|error| ConnectError::unknown_name(&self.address, error))?;
        let client = access.trust(stream(client), &self.address, deadline).await?;
        match timeout_at(deadline, listener.send(server)).await {
            Ok(Ok(())) => Ok(client),
            Ok(Err(_)) => Err(ConnectError::Refused { address: address() }),
            Err(_) => Err(ConnectError::TimedOut { address: address() }),
        }
    }

    async fn appears(&self) {
        loop {
            self.network.added.notified().await;
            if self.network.lock().contains_key(&self.name) {
                return;
            }
        }
    }

    fn address(&self) -> &Address {
        &self.address
    }
}

/// The [`Connection`](crate::Connection) of a [`Network`].
pub type MemoryStream = PeerStream<DuplexStream>;

/// The server's halves of connections.
struct Incoming(mpsc::Receiver<DuplexStream>);

impl Source for Incoming {
    type Client = DuplexStream;
    type Connection = MemoryStream;

    async fn next(&mut self) -> io::Result<DuplexStream> {
        match self.0.recv().await {
            Some(half) => Ok(half),
            // The network holds a sender until the listener is dropped.
            None => pending().await,
        }
    }

    async fn last(&mut self) -> Option<DuplexStream> {
        self.0.close();
        self.0.recv().await
    }

    async fn identify(half: DuplexStream) -> io::Result<MemoryStream> {
        Ok(stream(half))
    }
}

fn stream(half: DuplexStream) -> MemoryStream {
    PeerStream::new(half, Peer::this_process("memory"))
}
