use std::sync::Arc;

use grpc_ipc_core::Connector;
use tokio_rustls::rustls::ClientConfig;
use tokio_rustls::rustls::client::Resumption;
use tokio_rustls::rustls::pki_types::ServerName;

use super::provider::provider;
use super::{HTTP2, Identity, TlsConnector, TlsError, Trust, versions};

/// TLS for a connector: the servers it trusts, and the certificate it presents.
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
    /// A client that trusts the servers that `trust` covers, expects the name `localhost` in their certificates, and
    /// presents no certificate.
    pub fn new(trust: Trust) -> Self {
        Self { trust, identity: None, server_name: None }
    }

    /// The certificate to present to a server that asks for one. Default: none.
    pub fn identity(self, identity: Identity) -> Self {
        Self { identity: Some(identity), ..self }
    }

    /// The DNS name or the IP address that the server's certificate must have among its alternative names
    /// (`subjectAltName`). The client also sends a DNS name to the server (SNI). [`Trust::fingerprints`] and
    /// [`Trust::certificates`] ignore names. Default: `localhost`.
    ///
    /// # Errors
    /// [`TlsError::ServerName`] if it is neither a DNS name nor an IP address.
    pub fn server_name(self, name: impl Into<String>) -> Result<Self, TlsError> {
        let name = name.into();
        let server_name = ServerName::try_from(name.as_str()).map(|name| name.to_owned());
        let server_name = server_name.map_err(|_| TlsError::ServerName { name })?;
        Ok(Self { server_name: Some(server_name), ..self })
    }

    /// Puts TLS over a connector of your own. For the transports of an address, use
    /// [`ConnectOptions::tls`](crate::ConnectOptions::tls).
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
        // As in `ServerTls`.
        config.resumption = Resumption::disabled();
        tokio_rustls::TlsConnector::from(Arc::new(config))
    }
}

fn localhost() -> ServerName<'static> {
    ServerName::try_from("localhost").expect("a DNS name")
}
