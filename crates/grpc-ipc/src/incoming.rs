use std::fmt;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use futures_core::Stream;
use futures_util::StreamExt as _;
use futures_util::stream::{BoxStream, SelectAll, unfold};
use grpc_ipc_core::{Address, BindError, BoxConnection, BoxListener, Connection as _, Listener, Peer};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};
use tonic::transport::server::Connected;

use crate::{ListenOptions, backend};

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
/// The stream never ends, and none of its items is an error. Dropping it drops the listeners.
pub struct Incoming {
    addresses: Vec<Address>,
    connections: SelectAll<BoxStream<'static, IncomingConnection>>,
    limits: Limits,
}

/// What a server puts on its connections.
#[derive(Clone, Default)]
pub(crate) struct Limits {
    /// How many connections there may be at a time.
    pub(crate) connections: Option<Arc<Semaphore>>,
    /// Ends every connection when it is cancelled.
    pub(crate) cut: Option<CancellationToken>,
}

impl Incoming {
    pub(crate) fn new(limits: Limits) -> Self {
        Self { addresses: Vec::new(), connections: SelectAll::new(), limits }
    }

    /// Listens on an address, or with [`ListenOptions`].
    ///
    /// # Errors
    /// [`BindError`] when that is not possible.
    #[cfg(feature = "tonic-transport")]
    pub async fn bind(options: impl Into<ListenOptions>) -> Result<Self, BindError> {
        let mut incoming = Self::new(Limits::default());
        incoming.listen(options.into()).await?;
        Ok(incoming)
    }

    /// The connections of a transport of your own.
    #[cfg(feature = "tonic-transport")]
    pub fn from_listener(listener: impl Listener) -> Self {
        let mut incoming = Self::new(Limits::default());
        incoming.add(BoxListener::new(listener));
        incoming
    }

    pub(crate) async fn listen(&mut self, options: ListenOptions) -> Result<(), BindError> {
        self.add(backend::listen(options).await?);
        Ok(())
    }

    pub(crate) fn add(&mut self, listener: BoxListener) {
        self.addresses.push(listener.local_address().clone());
        let limits = self.limits.clone();
        let connections = unfold((listener, limits), async |(mut listener, limits)| {
            let connection = listener.accept().await;
            Some((IncomingConnection::new(connection, &limits).await, (listener, limits)))
        });
        self.connections.push(connections.boxed());
    }

    /// Where clients can connect, one address for each listener.
    pub fn local_addresses(&self) -> &[Address] {
        &self.addresses
    }
}

impl fmt::Debug for Incoming {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Incoming").field("local_addresses", &self.addresses).finish_non_exhaustive()
    }
}

impl Stream for Incoming {
    type Item = io::Result<IncomingConnection>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.connections.poll_next_unpin(cx).map(|connection| connection.map(Ok))
    }
}

/// One connection of [`Incoming`].
pub struct IncomingConnection {
    connection: BoxConnection,
    cut: Option<Pin<Box<WaitForCancellationFutureOwned>>>,
    _permit: Option<OwnedSemaphorePermit>,
}

impl IncomingConnection {
    async fn new(connection: BoxConnection, limits: &Limits) -> Self {
        let permit = match &limits.connections {
            // It is never closed, so there is always a permit in the end.
            Some(connections) => Arc::clone(connections).acquire_owned().await.ok(),
            None => None,
        };
        let cut = limits.cut.clone().map(|cut| Box::pin(cut.cancelled_owned()));
        Self { connection, cut, _permit: permit }
    }

    fn poll_cut(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        self.cut.as_mut().map_or(Poll::Pending, |cut| cut.as_mut().poll(cx))
    }
}

impl Connected for IncomingConnection {
    type ConnectInfo = Peer;

    fn connect_info(&self) -> Peer {
        self.connection.peer().clone()
    }
}

/// The end of the stream, once the connection is cut.
impl AsyncRead for IncomingConnection {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.poll_cut(cx).is_ready() {
            return Poll::Ready(Ok(()));
        }
        Pin::new(&mut self.connection).poll_read(cx, buf)
    }
}

/// A broken pipe, once the connection is cut.
impl AsyncWrite for IncomingConnection {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        if self.poll_cut(cx).is_ready() {
            return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
        }
        Pin::new(&mut self.connection).poll_write(cx, buf)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        if self.poll_cut(cx).is_ready() {
            return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
        }
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
