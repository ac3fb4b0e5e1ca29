use std::fmt;
use std::io;

use grpc_ipc_core::{Address, ConnectError, Connection as _, Connector};
use tokio::io::AsyncReadExt as _;
use tokio::time::{Instant, timeout_at};
use tokio_rustls::client::TlsStream as TlsClientStream;
use tokio_rustls::rustls::pki_types::ServerName;
use tokio_rustls::rustls::{AlertDescription, Error};

use super::problem::{End, explain};
use super::{ACCESS_DENIED, HTTP2, TlsStream};

/// TLS over the connections of another connector, returned by [`ClientTls::connector`](super::ClientTls::connector).
///
/// If the client's access policy refuses the server, nothing is sent. Otherwise connecting fails with
///
/// - [`ConnectError::Rejected`] if the server's access policy refuses this client,
/// - [`ConnectError::Closed`] if the server closes the connection without a TLS alert,
/// - [`ConnectError::TimedOut`] if the deadline passes, which covers connecting and the handshake,
/// - [`ConnectError::Tls`] if the handshake fails for another reason.
///
/// With TLS 1.3, connecting does not wait for the server to check this client's certificate. If the server refuses it,
/// the first call fails with [`Unavailable`](tonic::Code::Unavailable).
pub struct TlsConnector<C> {
    connector: C,
    tls: tokio_rustls::TlsConnector,
    server_name: ServerName<'static>,
}

impl<C: Connector> TlsConnector<C> {
    pub(super) fn new(
        connector: C,
        tls: tokio_rustls::TlsConnector,
        server_name: ServerName<'static>,
    ) -> Self {
        Self { connector, tls, server_name }
    }
}

impl<C: Connector> TlsConnector<C> {
    /// A server that refuses this client sends its alert at once, and closes. The alert can still be read, although
    /// nothing can be sent anymore.
    async fn handshake(&self, connection: C::Connection) -> io::Result<TlsClientStream<C::Connection>> {
        let handshake = self.tls.connect(self.server_name.clone(), connection).into_fallible();
        let (error, mut connection) = match handshake.await {
            Ok(stream) => return Ok(stream),
            Err(failed) => failed,
        };
        let mut said = [0; ACCESS_DENIED.len()];
        if error.kind() == io::ErrorKind::BrokenPipe
            && connection.read_exact(&mut said).await.is_ok()
            && said == *ACCESS_DENIED
        {
            let denied = Error::AlertReceived(AlertDescription::AccessDenied);
            return Err(io::Error::new(io::ErrorKind::PermissionDenied, denied));
        }
        Err(error)
    }
}

/// Whether the server reports that its access policy refuses this client.
fn is_denial(error: &io::Error) -> bool {
    let cause = error.get_ref().and_then(|cause| cause.downcast_ref::<Error>());
    matches!(cause, Some(Error::AlertReceived(AlertDescription::AccessDenied)))
}

impl<C: Connector> Connector for TlsConnector<C> {
    type Connection = TlsStream<C::Connection>;

    async fn connect(&self, deadline: Instant) -> Result<Self::Connection, ConnectError> {
        let connection = self.connector.connect(deadline).await?;
        let peer = connection.peer().clone();
        let failed = |error| failed(self.address(), error);
        let stream = match timeout_at(deadline, self.handshake(connection)).await {
            Ok(stream) => stream.map_err(failed)?,
            Err(_) => return Err(ConnectError::TimedOut { address: self.address().clone() }),
        };
        let (_, session) = stream.get_ref();
        if session.alpn_protocol() != Some(HTTP2) {
            let other =
                "the server did not choose HTTP/2 (`h2`) in the handshake (ALPN), which gRPC requires";
            return Err(failed(io::Error::new(io::ErrorKind::InvalidData, other)));
        }
        Ok(TlsStream::new(stream.into(), peer))
    }

    async fn appears(&self) {
        self.connector.appears().await;
    }

    fn address(&self) -> &Address {
        self.connector.address()
    }
}

fn failed(address: &Address, source: io::Error) -> ConnectError {
    let address = address.clone();
    if is_denial(&source) {
        return ConnectError::Rejected { address };
    }
    match source.kind() {
        // Without an alert, so the cause need not be TLS.
        io::ErrorKind::UnexpectedEof | io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe => {
            ConnectError::Closed { address, source }
        }
        _ => ConnectError::Tls { address, reason: explain(&source, End::Server), source },
    }
}

impl<C> fmt::Debug for TlsConnector<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TlsConnector").field("server_name", &self.server_name).finish_non_exhaustive()
    }
}
