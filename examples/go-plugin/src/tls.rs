//! go-plugin's automatic mutual TLS: each end creates a certificate, and trusts only the other's.

use anyhow::Context as _;
use grpc_ipc::tls::{ClientTls, Identity, ServerTls, Trust};
use rcgen::{BasicConstraints, CertificateParams, ExtendedKeyUsagePurpose, IsCa, KeyPair, KeyUsagePurpose};

/// A certificate of this process.
pub struct Certificate {
    pub pem: String,
    identity: Identity,
}

impl Certificate {
    pub fn create() -> anyhow::Result<Self> {
        let key = KeyPair::generate()?;
        let mut parameters = CertificateParams::new(["localhost".to_owned()])?;
        // Go's verifier needs a certificate that may sign itself.
        parameters.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        parameters.key_usages = vec![KeyUsagePurpose::DigitalSignature, KeyUsagePurpose::KeyCertSign];
        parameters.extended_key_usages =
            vec![ExtendedKeyUsagePurpose::ClientAuth, ExtendedKeyUsagePurpose::ServerAuth];
        let pem = parameters.self_signed(&key)?.pem();
        let identity = Identity::from_pem(&pem, key.serialize_pem())?;
        Ok(Self { pem, identity })
    }

    /// TLS with the end that has this certificate.
    pub fn with(self, other: &str) -> anyhow::Result<Tls> {
        let trust = Trust::certificates(other).context("the other end's certificate")?;
        Ok(Tls { identity: self.identity, trust })
    }
}

/// Both ends of a connection: a plug-in is the server of its host, and may be its client.
#[derive(Clone)]
pub struct Tls {
    identity: Identity,
    trust: Trust,
}

impl Tls {
    pub fn client(&self) -> ClientTls {
        ClientTls::new(self.trust.clone()).identity(self.identity.clone())
    }

    pub fn server(&self) -> ServerTls {
        ServerTls::new(self.identity.clone()).require_client(self.trust.clone())
    }
}

/// Chooses a provider of cryptography that supports go-plugin's certificates. Call it first in `main`.
pub fn install_provider() {
    #[cfg(target_os = "linux")]
    {
        _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    }
}
