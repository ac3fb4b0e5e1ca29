//! A channel on one connection that the program has made.

use std::fmt;
use std::sync::{Arc, PoisonError};

use grpc_ipc_core::{
    AccessPolicy, Address, BoxConnection, BoxConnector, ConnectError, Connection, Connector,
};
use tokio::time::Instant;

use crate::backend::Names;
use crate::connections::ConnectionsOptions;
use crate::sync::Mutex;
use crate::{Channel, ConnectOptions};

impl Channel {
    /// Creates a channel on one connection that the program already has: one end of a socketpair, a socket that another
    /// process passed to this one, or any byte stream with its peer ([`PeerStream`](crate::PeerStream)). It does not
    /// wait for the server; the first call does.
    ///
    /// Once the connection has ended, calls fail with [`Unavailable`](tonic::Code::Unavailable), and the message says
    /// that this channel cannot connect again.
    ///
    /// Calls go in one direction only. If a plug-in also calls its host, it needs a second connection.
    ///
    /// The [default access policy](crate::AccessPolicy::same_user_or_system) checks the peer of the connection before
    /// the channel sends a byte. For another policy or other options, use [`ConnectOptions::from_connection`].
    ///
    /// ```no_run
    /// # #[cfg(unix)]
    /// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
    /// use std::os::fd::OwnedFd;
    /// use std::os::unix::net::UnixStream;
    /// use std::process::Command;
    ///
    /// use grpc_ipc::Channel;
    /// use grpc_ipc::unix::LocalStream;
    ///
    /// let (ours, theirs) = UnixStream::pair()?;
    /// let plugin = Command::new("plugin").stdin(OwnedFd::from(theirs)).spawn()?;
    /// let channel = Channel::from_connection(LocalStream::try_from(ours)?);
    /// # Ok(())
    /// # }
    /// ```
    pub fn from_connection(connection: impl Connection) -> Self {
        let options = ConnectionsOptions { max_connections: 1, ..ConnectionsOptions::default() };
        let (address, given) = GivenConnection::new(connection);
        Self::new(BoxConnector::new(given.connector(address, AccessPolicy::default())), options)
    }
}

impl ConnectOptions {
    /// Connects over one connection that the program already has, as [`Channel::from_connection`] does, with the other
    /// options of this type. Clones of the options share the connection: the first channel that connects takes it, and
    /// for the others it has ended. [`max_connections`](Self::max_connections) has no effect.
    ///
    /// [`access`](Self::access) checks the connection's peer. For a socketpair, both ends name the process that created
    /// it: a host that starts a plug-in sees itself, and the plug-in sees the host.
    pub fn from_connection(connection: impl Connection) -> Self {
        let (address, given) = GivenConnection::new(connection);
        Self { given: Some(given), ..Self::new(address) }.max_connections(1)
    }
}

/// A connection until a channel takes it.
#[derive(Clone)]
pub(crate) struct GivenConnection(Arc<Mutex<Option<BoxConnection>>>);

impl GivenConnection {
    /// The connection and its name.
    fn new(connection: impl Connection) -> (Address, Self) {
        let address = Address::custom("connection", connection.peer().to_string());
        (address, Self(Arc::new(Mutex::new(Some(Box::new(connection))))))
    }

    pub(crate) fn connector(self, address: Address, access: AccessPolicy) -> GivenConnector {
        GivenConnector { connection: self, address, access }
    }
}

impl fmt::Debug for GivenConnection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GivenConnection").finish_non_exhaustive()
    }
}

/// Connects once.
pub(crate) struct GivenConnector {
    connection: GivenConnection,
    address: Address,
    access: AccessPolicy,
}

impl Connector for GivenConnector {
    type Connection = BoxConnection;

    async fn connect(&self, deadline: Instant) -> Result<BoxConnection, ConnectError> {
        let access = self.access.look_up_names(Names).await;
        let access = access.map_err(|error| ConnectError::unknown_name(&self.address, error))?;
        // Taking it cannot panic.
        let connection = self.connection.0.lock().unwrap_or_else(PoisonError::into_inner).take();
        let connection = connection.ok_or_else(|| ConnectError::Ended { address: self.address.clone() })?;
        access.trust(connection, &self.address, deadline).await
    }

    fn address(&self) -> &Address {
        &self.address
    }
}
