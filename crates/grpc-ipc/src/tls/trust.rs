use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

use tokio_rustls::rustls::RootCertStore;
use tokio_rustls::rustls::client::WebPkiServerVerifier;
use tokio_rustls::rustls::client::danger::ServerCertVerifier;
use tokio_rustls::rustls::server::WebPkiClientVerifier;
use tokio_rustls::rustls::server::danger::ClientCertVerifier;

use super::identity::{certificates, check};
use super::pinned::Pinned;
use super::provider::provider;
use super::{Fingerprint, TlsError};

/// The certificates to trust: those that an authority has signed, or individual ones. Cloning is cheap.
///
/// Only the authorities named here are trusted, not those that the system or a browser trusts.
#[derive(Clone, Debug)]
pub struct Trust(Kind);

#[derive(Clone)]
enum Kind {
    Authorities(Arc<RootCertStore>),
    Pinned(Arc<Pinned>),
}

impl Trust {
    /// Trusts certificates that one of the authorities (CAs) in the PEM text has signed. A certificate must be valid
    /// now, and made for its end of the connection, if it states a purpose (`serverAuth` or `clientAuth`). A server's
    /// certificate must also have the [name](super::ClientTls::server_name) that the client expects. Revocation is not
    /// checked.
    ///
    /// A self-signed certificate that is marked as an authority, such as `openssl req -x509` makes, is not accepted as
    /// a server's or client's own. Trust it with [`certificates`](Self::certificates) instead.
    ///
    /// # Errors
    /// [`TlsError::Missing`] or [`TlsError::Invalid`], with the reason and the line.
    pub fn authorities(pem: impl AsRef<[u8]>) -> Result<Self, TlsError> {
        const WHAT: &str = "the authorities";
        let mut roots = RootCertStore::empty();
        for (line, certificate) in certificates(WHAT, pem.as_ref())? {
            roots.add(certificate).map_err(|error| TlsError::Invalid {
                what: WHAT,
                line,
                problem: format!("CERTIFICATE cannot be used as an authority: {error}"),
            })?;
        }
        Ok(Self(Kind::Authorities(Arc::new(roots))))
    }

    /// Trusts exactly the certificates in the PEM text, but not certificates that they have signed. The rules are those
    /// of [`fingerprints`](Self::fingerprints).
    ///
    /// # Errors
    /// [`TlsError::Missing`] or [`TlsError::Invalid`], with the reason and the line.
    pub fn certificates(pem: impl AsRef<[u8]>) -> Result<Self, TlsError> {
        const WHAT: &str = "the trusted certificates";
        let trusted = certificates(WHAT, pem.as_ref())?;
        check(WHAT, &trusted)?;
        Ok(Self::fingerprints(trusted.iter().map(|(_, certificate)| Fingerprint::of(certificate))))
    }

    /// Trusts exactly the certificates with these fingerprints, regardless of signature and name, and even after they
    /// have expired. The other end still has to prove that it has the private key.
    pub fn fingerprints(fingerprints: impl IntoIterator<Item = Fingerprint>) -> Self {
        let fingerprints: BTreeSet<_> = fingerprints.into_iter().collect();
        Self(Kind::Pinned(Arc::new(Pinned::new(fingerprints))))
    }

    /// Verifies the certificates of servers.
    pub(super) fn server_verifier(&self) -> Arc<dyn ServerCertVerifier> {
        match &self.0 {
            Kind::Pinned(pinned) => Arc::clone(pinned) as _,
            Kind::Authorities(roots) => {
                let verifier =
                    WebPkiServerVerifier::builder_with_provider(Arc::clone(roots), Arc::clone(provider()));
                verifier.build().expect("there is an authority, and no list of revoked certificates")
            }
        }
    }

    /// Verifies the certificates of clients. `required`: whether they must present one.
    pub(super) fn client_verifier(&self, required: bool) -> Arc<dyn ClientCertVerifier> {
        match &self.0 {
            Kind::Pinned(pinned) => Arc::new(pinned.for_clients(required)),
            Kind::Authorities(roots) => {
                let verifier =
                    WebPkiClientVerifier::builder_with_provider(Arc::clone(roots), Arc::clone(provider()));
                let verifier = if required { verifier } else { verifier.allow_unauthenticated() };
                verifier.build().expect("there is an authority, and no list of revoked certificates")
            }
        }
    }
}

impl fmt::Debug for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Authorities(roots) => write!(f, "{} authorities", roots.len()),
            Self::Pinned(pinned) => pinned.fmt(f),
        }
    }
}
