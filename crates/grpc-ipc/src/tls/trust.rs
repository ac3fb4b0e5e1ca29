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

/// Whose certificates are trusted: those that an authority has signed, or certain ones. Cloning is cheap.
///
/// No authority is trusted that is not named here, not even those that the system or a browser trusts.
#[derive(Clone, Debug)]
pub struct Trust(Kind);

#[derive(Clone)]
enum Kind {
    Authorities(Arc<RootCertStore>),
    Pinned(Arc<Pinned>),
}

impl Trust {
    /// Trusts what any of the authorities (CAs) has signed whose certificates are in the PEM text, as long as it is
    /// valid, and made for this end of a connection: `serverAuth` or `clientAuth`, if it says. A server's certificate
    /// must also have the name that the client asks for. Revocation is not looked at.
    ///
    /// A certificate that has signed itself and says that it is an authority's (as `openssl req -x509` makes them) is
    /// not trusted as a server's or client's own; trust it as one of the [`certificates`](Self::certificates).
    ///
    /// # Errors
    /// [`TlsError::Missing`] and [`TlsError::Invalid`] say what is wrong, and where.
    pub fn authorities(pem: impl AsRef<[u8]>) -> Result<Self, TlsError> {
        const WHAT: &str = "the authorities";
        let mut roots = RootCertStore::empty();
        for (line, certificate) in certificates(WHAT, pem.as_ref())? {
            roots.add(certificate).map_err(|error| TlsError::Invalid {
                what: WHAT,
                line,
                problem: format!("CERTIFICATE cannot be an authority's: {error}"),
            })?;
        }
        Ok(Self(Kind::Authorities(Arc::new(roots))))
    }

    /// Trusts exactly the certificates in the PEM text, as [`fingerprints`](Self::fingerprints) does with those that have
    /// theirs: each stands for itself, and none of them for what it has signed.
    ///
    /// # Errors
    /// [`TlsError::Missing`] and [`TlsError::Invalid`] say what is wrong, and where.
    pub fn certificates(pem: impl AsRef<[u8]>) -> Result<Self, TlsError> {
        const WHAT: &str = "the trusted certificates";
        let trusted = certificates(WHAT, pem.as_ref())?;
        check(WHAT, &trusted)?;
        Ok(Self::fingerprints(trusted.iter().map(|(_, certificate)| Fingerprint::of(certificate))))
    }

    /// Trusts exactly the certificates with these fingerprints, whoever has signed them, whatever their names, and also
    /// after they have expired. That the other end has the private key of its certificate is checked all the same.
    pub fn fingerprints(fingerprints: impl IntoIterator<Item = Fingerprint>) -> Self {
        let fingerprints: BTreeSet<_> = fingerprints.into_iter().collect();
        Self(Kind::Pinned(Arc::new(Pinned::new(fingerprints))))
    }

    /// Judges the certificates of servers.
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

    /// Judges the certificates of clients; whether they must show one.
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
