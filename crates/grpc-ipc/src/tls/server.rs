use std::sync::Arc;
use std::time::Duration;

use grpc_ipc_core::Listener;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::server::NoServerSessionStorage;

use super::provider::provider;
use super::{HTTP2, Identity, TlsListener, Trust, versions};

/// TLS for a listener: the server's identity, and which certificates it requires of clients.
///
/// ```no_run
/// # fn example() -> Result<(), Box<dyn std::error::Error>> {
/// use grpc_ipc::tls::{Identity, ServerTls, Trust};
/// use grpc_ipc::{ListenOptions, Server};
///
/// let identity = Identity::from_pem(std::fs::read("server.pem")?, std::fs::read("server.key")?)?;
/// let clients = Trust::authorities(std::fs::read("clients-ca.pem")?)?;
/// let tls = ServerTls::new(identity).require_client(clients);
/// let server = Server::builder().listen(ListenOptions::new("local:greeter").tls(tls));
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
#[must_use = "options do nothing until a server listens with them"]
pub struct ServerTls {
    identity: Identity,
    clients: Clients,
    handshake_timeout: Duration,
    max_handshakes: usize,
}

/// Which certificates the server requires of clients.
#[derive(Clone, Debug)]
enum Clients {
    None,
    Optional(Trust),
    Required(Trust),
}

impl ServerTls {
    /// A server that presents `identity`, and requests no certificate from clients.
    pub fn new(identity: Identity) -> Self {
        Self {
            identity,
            clients: Clients::None,
            handshake_timeout: Duration::from_secs(10),
            max_handshakes: 128,
        }
    }

    /// Accepts only clients that present a certificate that `trust` covers. A handler finds it in
    /// [`Peer::certificates`](crate::Peer::certificates). Default: the server requests no certificate.
    pub fn require_client(self, trust: Trust) -> Self {
        Self { clients: Clients::Required(trust), ..self }
    }

    /// Requests a certificate, and also accepts clients without one. A client whose certificate `trust` does not cover
    /// is refused. Default: the server requests no certificate.
    pub fn accept_client(self, trust: Trust) -> Self {
        Self { clients: Clients::Optional(trust), ..self }
    }

    /// How long a client may take for the handshake. Default: 10 seconds.
    pub fn handshake_timeout(self, timeout: Duration) -> Self {
        Self { handshake_timeout: timeout, ..self }
    }

    /// Limits the number of handshakes at a time, at least 1. Further clients wait to be accepted. A completed
    /// handshake counts until the server takes the connection. Default: 128.
    pub fn max_handshakes(self, handshakes: usize) -> Self {
        Self { max_handshakes: handshakes.max(1), ..self }
    }

    /// Puts TLS over a listener of your own. For the transports of an address, use
    /// [`ListenOptions::tls`](crate::ListenOptions::tls).
    pub fn listener<L: Listener>(&self, listener: L) -> TlsListener<L> {
        TlsListener::new(listener, self.acceptor(), self.handshake_timeout, self.max_handshakes)
    }

    fn acceptor(&self) -> TlsAcceptor {
        let config = versions(ServerConfig::builder_with_provider(Arc::clone(provider())));
        let config = match &self.clients {
            Clients::None => config.with_no_client_auth(),
            Clients::Optional(trust) => config.with_client_cert_verifier(trust.client_verifier(false)),
            Clients::Required(trust) => config.with_client_cert_verifier(trust.client_verifier(true)),
        };
        let mut config = config.with_cert_resolver(self.identity.resolver());
        config.alpn_protocols = vec![HTTP2.to_vec()];
        // A resumed session would not check certificates again. Connections are few and long.
        config.session_storage = Arc::new(NoServerSessionStorage {});
        config.send_tls13_tickets = 0;
        TlsAcceptor::from(Arc::new(config))
    }
}
