use std::sync::Arc;

use grpc_ipc_core::Connector;
use tokio_rustls::rustls::ClientConfig;
use tokio_rustls::rustls::client::Resumption;
use tokio_rustls::rustls::pki_types::ServerName;

use super::provider::provider;
use super::{HTTP2, Identity, TlsConnector, TlsError, Trust, versions};

/// TLS for a connector: which server is trusted, and what this client shows it.
///
/// ```no_run
/// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
/// use grpc_ipc::tls::{ClientTls, Trust};
/// use grpc_ipc::{Channel, ConnectOptions};
///
/// let tls = ClientTls::new(Trust::authorities(std::fs::read("ca.pem")?)?);
/// let channel = Channel::connect(ConnectOptions::new("local:greeter").tls(tls)).await?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
#[must_use = "options do nothing until a channel connects with them"]
pub struct ClientTls {
    trust: Trust,
    identity: Option<Identity>,
    server_name: Option<ServerName<'static>>,
}

impl ClientTls {
    /// A client that trusts the servers that `trust` covers, looks for the name `localhost` in their certificates, and
    /// has none of its own.
    pub fn new(trust: Trust) -> Self {
        Self { trust, identity: None, server_name: None }
    }

    /// What this client shows to a server that asks for a certificate. Default: nothing.
    pub fn identity(self, identity: Identity) -> Self {
        Self { identity: Some(identity), ..self }
    }

    /// The DNS name or the IP address that the server's certificate must have, among its alternative names
    /// (`subjectAltName`); the server is told the name (SNI), an address is not. [`Trust::fingerprints`] does not look for it. Default:
    /// `localhost`.
    ///
    /// # Errors
    /// [`TlsError::ServerName`] when it is neither.
    pub fn server_name(self, name: impl Into<String>) -> Result<Self, TlsError> {
        let name = name.into();
        let server_name = ServerName::try_from(name.as_str()).map(|name| name.to_owned());
        let server_name = server_name.map_err(|_| TlsError::ServerName { name })?;
        Ok(Self { server_name: Some(server_name), ..self })
    }

    /// Puts TLS over any connector. [`ConnectOptions::tls`](crate::ConnectOptions::tls) does that for the transports of
    /// an address; this is for one of your own.
    pub fn connector<C: Connector>(&self, connector: C) -> TlsConnector<C> {
        let server_name = self.server_name.clone().unwrap_or_else(localhost);
        TlsConnector::new(connector, self.tls_connector(), server_name)
    }

    fn tls_connector(&self) -> tokio_rustls::TlsConnector {
        let config = versions(ClientConfig::builder_with_provider(Arc::clone(provider())));
        let config = config.dangerous().with_custom_certificate_verifier(self.trust.server_verifier());
        let mut config = match &self.identity {
            None => config.with_no_client_auth(),
            Some(identity) => config.with_client_cert_resolver(identity.resolver()),
        };
        config.alpn_protocols = vec![HTTP2.to_vec()];
        // See `ServerTls`.
        config.resumption = Resumption::disabled();
        tokio_rustls::TlsConnector::from(Arc::new(config))
    }
}

fn localhost() -> ServerName<'static> {
    ServerName::try_from("localhost").expect("a DNS name")
}
