use std::fmt;
use std::io;

use grpc_ipc_core::{Address, ConnectError, Connection as _, Connector};
use tokio::time::{Instant, timeout_at};
use tokio_rustls::rustls::pki_types::ServerName;

use super::problem::{End, explain};
use super::{HTTP2, TlsStream};

/// TLS over the connections of another connector; made by [`ClientTls::connector`](super::ClientTls::connector).
///
/// A server that the access policy refuses is sent nothing. What fails in the handshake is [`ConnectError::Tls`]; a server
/// that closes the connection without a word about TLS, [`ConnectError::Closed`]. The deadline is that of both together; one that has passed leaves no time for the handshake.
/// Whether the server takes this client's certificate is known only later: with TLS 1.3 it is the first call that
/// fails, with [`Unavailable`](tonic::Code::Unavailable), when it does not.
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

impl<C: Connector> Connector for TlsConnector<C> {
    type Connection = TlsStream<C::Connection>;

    async fn connect(&self, deadline: Instant) -> Result<Self::Connection, ConnectError> {
        let connection = self.connector.connect(deadline).await?;
        let peer = connection.peer().clone();
        let handshake = self.tls.connect(self.server_name.clone(), connection);
        let failed = |error| failed(self.address(), error);
        let stream = match timeout_at(deadline, handshake).await {
            Ok(stream) => stream.map_err(failed)?,
            Err(_) => return Err(ConnectError::TimedOut { address: self.address().clone() }),
        };
        let (_, session) = stream.get_ref();
        if session.alpn_protocol() != Some(HTTP2) {
            let other = "the server has not chosen HTTP/2 (`h2`) in the handshake, which gRPC needs (ALPN)";
            return Err(failed(io::Error::new(io::ErrorKind::InvalidData, other)));
        }
        Ok(TlsStream::new(stream.into(), peer))
    }

    fn address(&self) -> &Address {
        self.connector.address()
    }
}

fn failed(address: &Address, source: io::Error) -> ConnectError {
    let address = address.clone();
    match source.kind() {
        // Without a word about TLS, so it is not about TLS.
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
