use std::fmt;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll};

use futures_core::Stream;
use futures_util::StreamExt as _;
use grpc_ipc_core::{Address, BindError, BoxConnection, BoxListener, Connection as _, Listener, Peer};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tonic::transport::server::Connected;

use crate::listeners::{Accepted, Listeners};
use crate::observer::Observers;
use crate::places::Places;
use crate::{ListenOptions, ServerStats};

/// The connections of one or more listeners, for tonic's own
/// [`Server::serve_with_incoming`](tonic::transport::server::Router::serve_with_incoming). A handler finds its
/// [`Peer`] in the request's extensions.
///
/// ```no_run
/// # async fn example(routes: tonic::service::Routes) -> Result<(), Box<dyn std::error::Error>> {
/// use tonic::transport::Server;
///
/// let incoming = grpc_ipc::Incoming::bind("local:greeter").await?;
/// Server::builder().add_routes(routes).serve_with_incoming(incoming).await?;
/// # Ok(())
/// # }
/// ```
///
/// The stream never ends, and never yields an error. Dropping it drops the listeners.
pub struct Incoming(Listeners);

impl Incoming {
    /// Listens on an address, or with [`ListenOptions`].
    ///
    /// # Errors
    /// [`BindError`] if it cannot listen.
    pub async fn bind(options: impl Into<ListenOptions>) -> Result<Self, BindError> {
        let mut listeners = Listeners::new(Places::default(), ServerStats::default(), Observers::default());
        listeners.listen(options.into()).await?;
        Ok(Self(listeners))
    }

    /// Accepts the connections of a transport of your own.
    pub fn from_listener(listener: impl Listener) -> Self {
        let mut listeners = Listeners::new(Places::default(), ServerStats::default(), Observers::default());
        listeners.add(BoxListener::new(listener));
        Self(listeners)
    }

    /// The resolved addresses, one for each listener.
    pub fn local_addresses(&self) -> &[Address] {
        self.0.local_addresses()
    }
}

impl fmt::Debug for Incoming {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Incoming").field("local_addresses", &self.local_addresses()).finish_non_exhaustive()
    }
}

impl Stream for Incoming {
    type Item = io::Result<IncomingConnection>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let accepted = self.0.connections().poll_next_unpin(cx);
        let connection = |accepted: Accepted| Ok(IncomingConnection { connection: accepted.connection });
        accepted.map(|accepted| accepted.map(connection))
    }
}

/// A connection of [`Incoming`].
pub struct IncomingConnection {
    connection: BoxConnection,
}

impl Connected for IncomingConnection {
    type ConnectInfo = Peer;

    fn connect_info(&self) -> Peer {
        self.connection.peer().clone()
    }
}

impl AsyncRead for IncomingConnection {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.connection).poll_read(cx, buf)
    }
}

impl AsyncWrite for IncomingConnection {
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
