use std::io;
use std::sync::Arc;

use tokio::time::{Instant, sleep_until};
use tracing::{debug, warn};

use crate::{AccessPolicy, Address, Admission, Backoff, Connection, Listener};

/// Provides the clients of a transport. An [`Acceptor`] turns it into a [`Listener`].
pub trait Source: Send + 'static {
    /// A client that has connected, but is not yet identified.
    type Client: Send + 'static;
    /// The connection of an identified client.
    type Connection: Connection;

    /// Waits for the next client.
    ///
    /// # Errors
    /// An error concerns only this attempt: the acceptor logs it and calls again. It calls at once if a client has
    /// disconnected ([`ConnectionAborted`](io::ErrorKind::ConnectionAborted),
    /// [`ConnectionReset`](io::ErrorKind::ConnectionReset), [`BrokenPipe`](io::ErrorKind::BrokenPipe)) or a signal
    /// arrived ([`Interrupted`](io::ErrorKind::Interrupted)). After any other error, such as a lack of file
    /// descriptors, it first waits 5 ms, and twice as long after each further error, up to 1 s.
    ///
    /// # Cancel safety
    /// Dropping the future before it is ready must lose no client. The acceptor drops it whenever its policy has
    /// decided about an earlier client, and whenever its own `accept` is dropped.
    fn next(&mut self) -> impl Future<Output = io::Result<Self::Client>> + Send;

    /// Gives up the address, as dropping the source does, and returns one of the clients that had already connected, or
    /// `None` if there are no more. It does not wait for others. The acceptor calls it until it returns `None`, and no
    /// longer calls [`next`](Self::next).
    ///
    /// The default returns `None`.
    ///
    /// # Cancel safety
    /// Dropping the future before it is ready must lose no client.
    fn last(&mut self) -> impl Future<Output = Option<Self::Client>> + Send {
        async { None }
    }

    /// Identifies the peer of a client. This may take time; meanwhile, further clients are accepted.
    ///
    /// # Errors
    /// The peer cannot be identified. The acceptor closes the connection and accepts the next one.
    fn identify(client: Self::Client) -> impl Future<Output = io::Result<Self::Connection>> + Send + 'static;
}

/// The [`Listener`] of a [`Source`]: it accepts clients, pauses when the system runs out of resources, identifies the
/// peers, and applies the access policy.
///
/// ```
/// use std::io;
///
/// # use grpc_ipc_core as grpc_ipc;
/// use grpc_ipc::{AccessPolicy, Acceptor, Address, Listener as _, Peer, PeerStream, Source};
/// use tokio::net::{TcpListener, TcpStream};
///
/// struct Loopback(TcpListener);
///
/// impl Source for Loopback {
///     type Client = TcpStream;
///     type Connection = PeerStream<TcpStream>;
///
///     async fn next(&mut self) -> io::Result<TcpStream> {
///         Ok(self.0.accept().await?.0)
///     }
///
///     async fn identify(client: TcpStream) -> io::Result<PeerStream<TcpStream>> {
///         Ok(PeerStream::new(client, Peer::new("loopback")))
///     }
/// }
///
/// # tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(async {
/// let socket = TcpListener::bind("127.0.0.1:0").await?;
/// let port = socket.local_addr()?.port();
/// let address = Address::custom("loopback", port.to_string());
/// let mut listener = Acceptor::new(Loopback(socket), address, AccessPolicy::dangerous_allow_anyone());
///
/// let client = TcpStream::connect(("127.0.0.1", port));
/// let (client, server) = tokio::join!(client, listener.accept());
/// # drop((client?, server));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Acceptor<S: Source> {
    source: S,
    admission: Admission<S::Connection>,
    address: Arc<Address>,
    backoff: Backoff,
    /// When to call the source again after an error. Stored here so that dropping `accept` does not shorten a pause.
    resume: Option<Instant>,
}

impl<S: Source> Acceptor<S> {
    /// Accepts the clients of `source` that `access` allows. The names in `access` must be
    /// [resolved](AccessPolicy::look_up_names). `address` is the listener's [`local_address`](Listener::local_address).
    pub fn new(source: S, address: Address, access: AccessPolicy) -> Self {
        Self {
            source,
            admission: Admission::new(access),
            address: Arc::new(address),
            backoff: Backoff::accept(),
            resume: None,
        }
    }

    /// The source of clients.
    pub fn source(&self) -> &S {
        &self.source
    }

    /// A mutable reference to the [source](Self::source).
    pub fn source_mut(&mut self) -> &mut S {
        &mut self.source
    }
}

impl<S: Source> Listener for Acceptor<S> {
    type Connection = S::Connection;

    async fn accept(&mut self) -> S::Connection {
        let Self { source, admission, address, backoff, resume } = self;
        loop {
            let next = next(source, address, backoff, resume);
            if let Some(connection) = admission.admit(next).await {
                return connection;
            }
        }
    }

    async fn accept_last(&mut self) -> Option<S::Connection> {
        while let Some(client) = self.source.last().await {
            if let Some(connection) = self.admission.ask(identify::<S>(client, Arc::clone(&self.address))) {
                return Some(connection);
            }
        }
        self.admission.last().await
    }

    fn local_address(&self) -> &Address {
        &self.address
    }
}

/// The next client and the future that identifies it.
async fn next<S: Source>(
    source: &mut S,
    address: &Arc<Address>,
    backoff: &mut Backoff,
    resume: &mut Option<Instant>,
) -> impl Future<Output = Option<S::Connection>> + Send + use<S> {
    loop {
        if let Some(resume) = *resume {
            sleep_until(resume).await;
        }
        *resume = None;
        match source.next().await {
            Ok(client) => {
                *backoff = Backoff::accept();
                return identify::<S>(client, Arc::clone(address));
            }
            Err(error) if is_about_one_client(&error) => {
                debug!(%address, %error, "a client disconnected before it was accepted");
            }
            Err(error) => {
                warn!(%address, %error, "accept failed; trying again");
                *resume = Some(Instant::now() + backoff.pause());
            }
        }
    }
}

async fn identify<S: Source>(client: S::Client, address: Arc<Address>) -> Option<S::Connection> {
    let identified = S::identify(client).await;
    identified
        .inspect_err(|error| debug!(%address, %error, "refused a client that cannot be identified"))
        .ok()
}

/// Whether an immediate retry can help.
fn is_about_one_client(error: &io::Error) -> bool {
    use io::ErrorKind::{BrokenPipe, ConnectionAborted, ConnectionReset, Interrupted};
    matches!(error.kind(), BrokenPipe | ConnectionAborted | ConnectionReset | Interrupted)
}
