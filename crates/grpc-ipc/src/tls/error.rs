use std::io;

/// Why a certificate, a key, a fingerprint or a name cannot be used for TLS.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TlsError {
    /// The PEM text has nothing of what is needed.
    #[error("{what}: no {expected} is in it; {found}")]
    Missing {
        /// What the text was given as: "the certificate chain", "the private key", "the authorities",
        /// "the trusted certificates".
        what: &'static str,
        /// The sections that would do.
        expected: &'static str,
        /// What is in it instead.
        found: String,
    },
    /// A section of the PEM text cannot be used.
    #[error("{what}, line {line}: {problem}")]
    Invalid {
        /// What the text was given as: "the certificate chain", "the private key", "the authorities",
        /// "the trusted certificates".
        what: &'static str,
        /// The line at which the section begins, the first being 1.
        line: usize,
        /// What is wrong with it.
        problem: String,
    },
    /// The private key belongs to another certificate.
    #[error("the private key is not that of the first certificate of the chain, which has to be the own one")]
    KeyMismatch,
    /// The text is no SHA-256 fingerprint.
    #[error("{text:?} is no SHA-256 fingerprint: {problem}")]
    Fingerprint {
        /// The text.
        text: String,
        /// What is wrong with it.
        problem: String,
    },
    /// The name is neither a DNS name nor an IP address.
    #[error("{name:?} is no name of a server: expected a DNS name or an IP address, as in its certificate")]
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
