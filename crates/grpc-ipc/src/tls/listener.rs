use std::fmt;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use grpc_ipc_core::{Address, Connection, Listener, LogLimit, Peer};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;
use tracing::warn;

use super::problem::{End, explain};
use super::{HTTP2, TlsStream};

/// TLS over the connections of another listener, returned by [`ServerTls::listener`](super::ServerTls::listener).
///
/// Each handshake runs in a task of its own, so a slow or silent client delays nobody else. If a handshake fails, the
/// listener closes the connection, and logs the peer and the reason as a `tracing` warning, at most every 10 seconds
/// for each user. [`accept`](Listener::accept) does not return for it.
///
/// There is no handshake with a client that the access policy refuses. A server of
/// [`ListenOptions::tls`](crate::ListenOptions::tls) sends it an alert, [`ACCESS_DENIED`](super::ACCESS_DENIED).
pub struct TlsListener<L: Listener> {
    listener: L,
    acceptor: TlsAcceptor,
    timeout: Duration,
    max_handshakes: usize,
    handshakes: JoinSet<Option<TlsStream<L::Connection>>>,
    log: Arc<LogLimit>,
}

/// How long a client may take to read why it was refused.
const LAST_WORDS: Duration = Duration::from_secs(1);

impl<L: Listener> TlsListener<L> {
    pub(super) fn new(listener: L, acceptor: TlsAcceptor, timeout: Duration, max_handshakes: usize) -> Self {
        let (handshakes, log) = (JoinSet::new(), Arc::default());
        Self { listener, acceptor, timeout, max_handshakes, handshakes, log }
    }

    fn begin(&mut self, connection: L::Connection) {
        let (acceptor, limit) = (self.acceptor.clone(), self.timeout);
        let (address, peer) = (self.local_address().clone(), connection.peer().clone());
        let log = Arc::clone(&self.log);
        self.handshakes.spawn(async move {
            let problem = match timeout(limit, handshake(&acceptor, connection, &peer)).await {
                Ok(Ok(stream)) => return Some(stream),
                Ok(Err(problem)) => problem,
                Err(_) => format!("the client did not complete the handshake in {limit:?}"),
            };
            if let Some(suppressed) = log.admit(&peer) {
                let suppressed = Some(suppressed).filter(|lines| *lines > 0);
                warn!(%address, %peer, suppressed, "TLS: {problem}");
            }
            None
        });
    }
}

impl<L: Listener> Listener for TlsListener<L> {
    type Connection = TlsStream<L::Connection>;

    async fn accept(&mut self) -> Self::Connection {
        loop {
            let has_room = self.handshakes.len() < self.max_handshakes;
            tokio::select! {
                Some(ended) = self.handshakes.join_next() => {
                    if let Ok(Some(stream)) = ended {
                        return stream;
                    }
                }
                connection = self.listener.accept(), if has_room => self.begin(connection),
            }
        }
    }

    async fn accept_last(&mut self) -> Option<Self::Connection> {
        loop {
            let has_room = self.handshakes.len() < self.max_handshakes;
            tokio::select! {
                Some(ended) = self.handshakes.join_next() => {
                    if let Ok(Some(stream)) = ended {
                        return Some(stream);
                    }
                }
                connection = self.listener.accept_last(), if has_room => match connection {
                    Some(connection) => self.begin(connection),
                    None => break,
                }
            }
        }
        while let Some(ended) = self.handshakes.join_next().await {
            if let Ok(Some(stream)) = ended {
                return Some(stream);
            }
        }
        None
    }

    fn local_address(&self) -> &Address {
        self.listener.local_address()
    }
}

/// Completes the handshake. The error is the reason for the log.
async fn handshake<C: Connection>(
    acceptor: &TlsAcceptor,
    connection: C,
    peer: &Peer,
) -> Result<TlsStream<C>, String> {
    match acceptor.accept(connection).into_fallible().await {
        Ok(mut stream) if stream.get_ref().1.alpn_protocol() != Some(HTTP2) => {
            _ = stream.shutdown().await;
            Err("the client did not offer HTTP/2 (`h2`) in the handshake (ALPN)".to_owned())
        }
        Ok(stream) => Ok(TlsStream::new(stream.into(), peer.clone())),
        Err((error, connection)) => {
            _ = timeout(LAST_WORDS, say_goodbye(connection)).await;
            Err(explain(&error, End::Client))
        }
    }
}

/// Reads the rest of the client's data before the connection is closed. Otherwise TCP would discard the alert.
async fn say_goodbye(mut connection: impl Connection) -> io::Result<()> {
    connection.shutdown().await?;
    let mut nowhere = [0; 4096];
    while connection.read(&mut nowhere).await? > 0 {}
    Ok(())
}

impl<L: Listener> fmt::Debug for TlsListener<L> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TlsListener")
            .field("local_address", self.local_address())
            .field("handshakes", &self.handshakes.len())
            .finish_non_exhaustive()
    }
}
