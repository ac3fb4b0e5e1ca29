use std::io;

/// The reason why a certificate, a key, a fingerprint or a name cannot be used for TLS.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TlsError {
    /// The PEM text lacks the required section.
    #[error("{what}: found no {expected}; {found}")]
    Missing {
        /// The role of the text: "the certificate chain", "the private key", "the authorities", or "the trusted
        /// certificates".
        what: &'static str,
        /// The kinds of sections that are accepted.
        expected: &'static str,
        /// The content of the text instead.
        found: String,
    },
    /// A section of the PEM text is invalid.
    #[error("{what}, line {line}: {problem}")]
    Invalid {
        /// The role of the text: "the certificate chain", "the private key", "the authorities", or "the trusted
        /// certificates".
        what: &'static str,
        /// The line at which the section begins, counted from 1.
        line: usize,
        /// The reason.
        problem: String,
    },
    /// The private key belongs to another certificate.
    #[error(
        "the private key does not belong to the first certificate of the chain; put this end's own certificate first"
    )]
    KeyMismatch,
    /// The text is not a SHA-256 fingerprint.
    #[error("{text:?} is not a SHA-256 fingerprint: {problem}")]
    Fingerprint {
        /// The text.
        text: String,
        /// The reason.
        problem: String,
    },
    /// The name is neither a DNS name nor an IP address.
    #[error("{name:?} is not a server name; give a DNS name or an IP address from the server's certificate")]
    ServerName {
        /// The name.
        name: String,
    },
}

impl From<TlsError> for io::Error {
    fn from(error: TlsError) -> Self {
        Self::new(io::ErrorKind::InvalidInput, error)
    }
}
