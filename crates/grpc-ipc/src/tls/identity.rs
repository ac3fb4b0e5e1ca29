use std::fmt;
use std::sync::Arc;

use tokio_rustls::rustls::pki_types::pem::SectionKind;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::server::ParsedCertificate;
use tokio_rustls::rustls::sign::{CertifiedKey, SingleCertAndKey};
use tokio_rustls::rustls::{Error, InconsistentKeys};

use super::pem::{Section, sections};
use super::provider::{provider, usable_keys};
use super::{Fingerprint, TlsError};

/// A certificate with its private key, by which a server or a client identifies itself. Cloning is cheap.
#[derive(Clone)]
pub struct Identity(Arc<CertifiedKey>);

const CHAIN: &str = "the certificate chain";
const KEY: &str = "the private key";

impl Identity {
    /// Reads an identity from PEM text. `chain` has this end's certificate, and then the intermediate certificates up
    /// to the authority, without the authority's own. `key` has the private key in PKCS#8 (`PRIVATE KEY`), PKCS#1 (`RSA
    /// PRIVATE KEY`) or SEC 1 (`EC PRIVATE KEY`). Both may be the same text; other sections are ignored.
    ///
    /// # Errors
    /// - [`TlsError::Missing`] or [`TlsError::Invalid`] for the text that cannot be used, with the reason and the line
    /// - [`TlsError::KeyMismatch`] if the key does not belong to the certificate
    pub fn from_pem(chain: impl AsRef<[u8]>, key: impl AsRef<[u8]>) -> Result<Self, TlsError> {
        let chain = certificates(CHAIN, chain.as_ref())?;
        check(CHAIN, &chain)?;
        let (key, line) = private_key(key.as_ref())?;
        let chain = chain.into_iter().map(|(_, certificate)| certificate).collect();
        match CertifiedKey::from_der(chain, key, provider()) {
            Ok(identity) => Ok(Self(Arc::new(identity))),
            Err(Error::InconsistentKeys(InconsistentKeys::KeyMismatch)) => Err(TlsError::KeyMismatch),
            Err(error) => {
                let problem = format!("the key cannot be used: {error}; {}", usable_keys());
                Err(TlsError::Invalid { what: KEY, line, problem })
            }
        }
    }

    /// The fingerprint of this end's certificate, by which peers can pin it.
    pub fn fingerprint(&self) -> Fingerprint {
        self.0.cert.first().map_or_else(|| Fingerprint::of(&[]), |certificate| Fingerprint::of(certificate))
    }

    /// For rustls, which asks for it in each handshake.
    pub(super) fn resolver(&self) -> Arc<SingleCertAndKey> {
        Arc::new(SingleCertAndKey::from(Arc::clone(&self.0)))
    }
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Identity({})", self.fingerprint())
    }
}

/// The certificates in a PEM text, at least one, each with its line.
pub(super) fn certificates(
    what: &'static str,
    pem: &[u8],
) -> Result<Vec<(usize, CertificateDer<'static>)>, TlsError> {
    let sections = sections(what, pem, &["CERTIFICATE"], "CERTIFICATE")?;
    Ok(sections.into_iter().map(|Section { line, der, .. }| (line, der.into())).collect())
}

/// Checks that these are certificates that TLS accepts.
pub(super) fn check(
    what: &'static str,
    certificates: &[(usize, CertificateDer<'_>)],
) -> Result<(), TlsError> {
    for (line, certificate) in certificates {
        ParsedCertificate::try_from(certificate).map_err(|error| TlsError::Invalid {
            what,
            line: *line,
            problem: format!("CERTIFICATE is not an X.509 certificate of version 3: {error}"),
        })?;
    }
    Ok(())
}

/// The first private key in a PEM text, with its line.
fn private_key(pem: &[u8]) -> Result<(PrivateKeyDer<'static>, usize), TlsError> {
    const ENCRYPTED: &str = "ENCRYPTED PRIVATE KEY";
    const WANTED: &[&str] = &["PRIVATE KEY", "RSA PRIVATE KEY", "EC PRIVATE KEY"];
    const EXPECTED: &str = "PRIVATE KEY, RSA PRIVATE KEY or EC PRIVATE KEY";
    let section = match sections(KEY, pem, WANTED, EXPECTED) {
        Ok(sections) => sections.into_iter().next(),
        Err(TlsError::Missing { what, expected, found }) => {
            let found = match found.contains(ENCRYPTED) {
                true => format!("{found}; `openssl pkey` decrypts it"),
                false => found,
            };
            return Err(TlsError::Missing { what, expected, found });
        }
        // OpenSSL's older encryption puts headers into the section, which are not base64.
        Err(TlsError::Invalid { what, line, problem }) if has(pem, "Proc-Type: 4,ENCRYPTED") => {
            let problem = format!("{problem}, because it is encrypted; `openssl pkey` decrypts it");
            return Err(TlsError::Invalid { what, line, problem });
        }
        Err(error) => return Err(error),
    };
    let Some(Section { line, kind, der }) = section else {
        return Err(TlsError::Missing { what: KEY, expected: EXPECTED, found: "it is empty".to_owned() });
    };
    let key = match kind {
        SectionKind::RsaPrivateKey => PrivateKeyDer::Pkcs1(der.into()),
        SectionKind::EcPrivateKey => PrivateKeyDer::Sec1(der.into()),
        _ => PrivateKeyDer::Pkcs8(der.into()),
    };
    Ok((key, line))
}

fn has(text: &[u8], what: &str) -> bool {
    text.windows(what.len()).any(|window| window == what.as_bytes())
}
