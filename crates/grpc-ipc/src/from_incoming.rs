//! A server for connections that the program has made.

use std::fmt;
use std::future::pending;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::{Arc, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use futures_core::Stream;
use futures_util::StreamExt as _;
use futures_util::stream::{self, BoxStream};
use grpc_ipc_core::{
    Acceptor, AccessPolicy, Address, BindError, BoxConnection, BoxListener, Connection, IntoConnection, Peer,
    Source,
};
use grpc_ipc_http2::refusal::FORBIDDEN;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::Semaphore;

use crate::backend::Names;
use crate::sync::Mutex;
use crate::{ListenOptions, ServeError, Server};

impl Server {
    /// Serves one connection that the program already has, and returns when it ends. So a plug-in ends when its host
    /// closes the connection or dies.
    ///
    /// The connection can be one end of a socketpair, a socket that another process passed to this one, or any byte
    /// stream with its peer ([`PeerStream`](crate::PeerStream)). The [default access
    /// policy](AccessPolicy::same_user_or_system) checks that peer before the server reads a byte. For another policy,
    /// or TLS, pass [`ListenOptions::from_connection`] to [`listen`](Self::listen), and call [`serve`](Self::serve). If
    /// the server also has addresses, it serves them as well, and does not end with the connection.
    ///
    /// ```no_run
    /// # use grpc_ipc_proto::greet::greeter_server::{Greeter, GreeterServer};
    /// # #[cfg(unix)]
    /// # async fn example(greeter: impl Greeter) -> Result<(), Box<dyn std::error::Error>> {
    /// use std::os::fd::AsFd as _;
    ///
    /// use grpc_ipc::Server;
    /// use grpc_ipc::unix::LocalStream;
    ///
    /// // The host passed a socket as standard input.
    /// let host = LocalStream::try_from(std::io::stdin().as_fd().try_clone_to_owned()?)?;
    /// Server::builder().add_service(GreeterServer::new(greeter)).serve_connection(host).await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`ServeError::Refused`] if the access policy refuses the peer, and the errors of [`bind`](Self::bind) and
    /// [`BoundServer::serve`](crate::BoundServer::serve).
    ///
    /// # Cancel safety
    /// Dropping the future ends the connection.
    pub async fn serve_connection(self, connection: impl Connection) -> Result<(), ServeError> {
        self.serve_connection_with_shutdown(connection, pending(), Duration::ZERO).await
    }

    /// Serves one connection as [`serve_connection`](Self::serve_connection) does, until it ends or `signal` completes.
    /// After `signal`, it shuts down like
    /// [`BoundServer::serve_with_shutdown`](crate::BoundServer::serve_with_shutdown).
    ///
    /// # Errors
    /// Those of [`serve_connection`](Self::serve_connection) and
    /// [`BoundServer::serve_with_shutdown`](crate::BoundServer::serve_with_shutdown).
    ///
    /// # Cancel safety
    /// Dropping the future ends the connection.
    pub async fn serve_connection_with_shutdown(
        self,
        connection: impl Connection,
        signal: impl Future<Output = ()>,
        drain: Duration,
    ) -> Result<(), ServeError> {
        let peer = connection.peer().clone();
        let policy = AccessPolicy::default().refuse_with(FORBIDDEN);
        let options = ListenOptions::from_connection(connection).access(policy.clone());
        self.listen(options).serve_with_shutdown(signal, drain).await?;
        match policy.refused() {
            0 => Ok(()),
            _ => Err(ServeError::Refused { peer, policy }),
        }
    }

    /// Serves the connections of a stream, until the stream and all its connections have ended. The stream's items are
    /// connections, or results with connections. The server logs an error, and continues with the stream.
    ///
    /// As in [`serve_connection`](Self::serve_connection), the default access policy checks each peer. For another
    /// policy, use [`ListenOptions::from_incoming`].
    ///
    /// # Errors
    /// Those of [`bind`](Self::bind) and [`BoundServer::serve`](crate::BoundServer::serve).
    ///
    /// # Cancel safety
    /// Dropping the future drops the stream and ends every connection.
    pub async fn serve_with_incoming<S>(self, incoming: S) -> Result<(), ServeError>
    where
        S: Stream<Item: IntoConnection> + Send + 'static,
    {
        self.listen(ListenOptions::from_incoming(incoming)).serve().await
    }

    /// Serves the connections of a stream as [`serve_with_incoming`](Self::serve_with_incoming) does, until they have
    /// ended or `signal` completes. After `signal`, it drops the stream and shuts down like
    /// [`BoundServer::serve_with_shutdown`](crate::BoundServer::serve_with_shutdown).
    ///
    /// # Errors
    /// Those of [`bind`](Self::bind) and [`BoundServer::serve_with_shutdown`](crate::BoundServer::serve_with_shutdown).
    ///
    /// # Cancel safety
    /// Dropping the future drops the stream and ends every connection.
    pub async fn serve_with_incoming_shutdown<S>(
        self,
        incoming: S,
        signal: impl Future<Output = ()>,
        drain: Duration,
    ) -> Result<(), ServeError>
    where
        S: Stream<Item: IntoConnection> + Send + 'static,
    {
        self.listen(ListenOptions::from_incoming(incoming)).serve_with_shutdown(signal, drain).await
    }
}

impl ListenOptions {
    /// Serves one connection that the program already has, with the options of this type. Platform-specific options
    /// have no effect. A server with nothing else to serve ends with the connection.
    ///
    /// [`access`](Self::access) checks the connection's peer. For a socketpair, that is the process that created it.
    pub fn from_connection(connection: impl Connection) -> Self {
        let address = Address::custom("connection", connection.peer().to_string());
        Self::from_stream(address, stream::iter([connection]))
    }

    /// Serves the connections of a stream, with the options of this type. Platform-specific options have no effect. A
    /// server with nothing else to serve ends when the stream and all its connections have ended.
    ///
    /// [`access`](Self::access) checks each connection's peer.
    pub fn from_incoming<S>(incoming: S) -> Self
    where
        S: Stream<Item: IntoConnection> + Send + 'static,
    {
        Self::from_stream(Address::custom("connections", "incoming"), incoming)
    }

    fn from_stream<S>(address: Address, incoming: S) -> Self
    where
        S: Stream<Item: IntoConnection> + Send + 'static,
    {
        Self { given: Some(GivenConnections::new(incoming)), ..Self::new(address) }
    }
}

/// A stream of connections until a server takes it.
#[derive(Clone)]
pub(crate) struct GivenConnections {
    incoming: Arc<Mutex<Option<Incoming>>>,
    over: Over,
}

type Incoming = BoxStream<'static, io::Result<BoxConnection>>;

impl GivenConnections {
    fn new<S>(incoming: S) -> Self
    where
        S: Stream<Item: IntoConnection> + Send + 'static,
    {
        let over = Over(Arc::new(Semaphore::new(0)));
        let going_on = Arc::new(GoingOn(over.clone()));
        let incoming = incoming.map(move |item| {
            let connection = item.into_connection()?;
            Ok(Box::new(Counted { connection, _going_on: Arc::clone(&going_on) }) as BoxConnection)
        });
        Self { incoming: Arc::new(Mutex::new(Some(incoming.boxed()))), over }
    }

    pub(crate) fn over(&self) -> Over {
        self.over.clone()
    }

    pub(crate) async fn listen(
        self,
        address: Address,
        access: AccessPolicy,
    ) -> Result<BoxListener, BindError> {
        let access = access.look_up_names(Names).await;
        let access = access.map_err(|error| BindError::unknown_name(&address, error))?;
        // Taking it cannot panic.
        let incoming = self.incoming.lock().unwrap_or_else(PoisonError::into_inner).take();
        let Some(incoming) = incoming else {
            let reason = "another server took these connections; give each server its own".to_owned();
            return Err(BindError::Unsupported { address, reason });
        };
        Ok(BoxListener::new(Acceptor::new(Given(Some(incoming)), address, access)))
    }
}

impl fmt::Debug for GivenConnections {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GivenConnections").finish_non_exhaustive()
    }
}

/// The stream of connections. `None` once it has ended.
struct Given(Option<Incoming>);

impl Source for Given {
    type Client = BoxConnection;
    type Connection = BoxConnection;

    async fn next(&mut self) -> io::Result<BoxConnection> {
        if let Some(incoming) = &mut self.0
            && let Some(connection) = incoming.next().await
        {
            return connection;
        }
        self.0 = None;
        pending().await
    }

    async fn identify(connection: BoxConnection) -> io::Result<BoxConnection> {
        Ok(connection)
    }
}

/// Completes when a stream of connections and all its connections have ended.
#[derive(Clone)]
pub(crate) struct Over(Arc<Semaphore>);

impl Over {
    pub(crate) async fn wait(&self) {
        // It has no permits, and is closed at the end.
        _ = self.0.acquire().await;
    }
}

/// The stream and each of its connections hold one. Dropping the last one completes the wait.
struct GoingOn(Over);

impl Drop for GoingOn {
    fn drop(&mut self) {
        self.0.0.close();
    }
}

/// A connection of a stream. The wait for the stream continues until it has ended.
struct Counted<C> {
    connection: C,
    _going_on: Arc<GoingOn>,
}

impl<C: Connection> Connection for Counted<C> {
    fn peer(&self) -> &Peer {
        self.connection.peer()
    }

    fn reads_at_once(&self) -> bool {
        self.connection.reads_at_once()
    }
}

impl<C: Connection> AsyncRead for Counted<C> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.connection).poll_read(cx, buf)
    }
}

impl<C: Connection> AsyncWrite for Counted<C> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.connection).poll_write(cx, buf)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.connection).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.connection.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.connection).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.connection).poll_shutdown(cx)
    }
}
