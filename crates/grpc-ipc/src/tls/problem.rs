//! Explains TLS errors to the people who have to fix the cause.

use std::fmt;
use std::io;

use tokio_rustls::rustls::{AlertDescription, CertificateError, Error, InvalidMessage, PeerMisbehaved};

use super::pinned::NotPinned;

/// The other end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    Client,
    Server,
}

impl fmt::Display for End {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Client => "the client",
            Self::Server => "the server",
        })
    }
}

/// Explains `error` of a connection to `other`.
pub(super) fn explain(error: &io::Error, other: End) -> String {
    let cause = error.get_ref().and_then(|cause| cause.downcast_ref::<Error>());
    match cause {
        Some(cause) => explain_tls(cause, other),
        None if error.kind() == io::ErrorKind::UnexpectedEof => {
            format!("{other} closed the connection without close_notify; it may have been cut off")
        }
        None => error.to_string(),
    }
}

fn explain_tls(error: &Error, other: End) -> String {
    match error {
        Error::InvalidMessage(InvalidMessage::InvalidContentType) => {
            format!("{other} does not speak TLS; does it use HTTP/2 without TLS?")
        }
        Error::InvalidCertificate(error) => format!("the certificate of {other}: {}", certificate(error)),
        Error::NoCertificatesPresented => format!("{other} presented no certificate"),
        Error::NoApplicationProtocol => format!("{other} does not offer HTTP/2 (`h2` in ALPN)"),
        Error::PeerIncompatible(what) => {
            format!("{other} has no version or algorithm in common with this end: {what:?}")
        }
        Error::PeerMisbehaved(PeerMisbehaved::ServerNameMustContainOneHostName) => format!(
            "{other} sent a server name (SNI) that is not a DNS name, as gRPC's C-core does with the path of a socket; set \
             its option `grpc.ssl_target_name_override` to a name such as `localhost`"
        ),
        Error::AlertReceived(alert) => format!("{other} reports {alert:?}: {}", alert_text(*alert)),
        other => other.to_string(),
    }
}

fn certificate(error: &CertificateError) -> String {
    match error {
        CertificateError::UnknownIssuer => "no authority that is trusted here has signed it".to_owned(),
        CertificateError::Other(cause) => match cause.0.downcast_ref::<NotPinned>() {
            Some(not_pinned) => not_pinned.to_string(),
            None if cause.to_string().contains("CaUsedAsEndEntity") => {
                "it is marked as an authority (CA:TRUE); trust it with `Trust::certificates` instead"
                    .to_owned()
            }
            None => cause.to_string(),
        },
        other => other.to_string(),
    }
}

/// The other end's reasons ([RFC 8446, section 6.2](https://www.rfc-editor.org/rfc/rfc8446#section-6.2)).
fn alert_text(alert: AlertDescription) -> &'static str {
    match alert {
        AlertDescription::CertificateRequired => "this end must present a certificate",
        AlertDescription::UnknownCA => "it does not trust the authority of this end's certificate",
        AlertDescription::BadCertificate
        | AlertDescription::UnsupportedCertificate
        | AlertDescription::CertificateUnknown
        | AlertDescription::AccessDenied => "it does not accept this end's certificate",
        AlertDescription::CertificateExpired => "this end's certificate has expired",
        AlertDescription::CertificateRevoked => "this end's certificate has been revoked",
        AlertDescription::NoApplicationProtocol => "it does not speak HTTP/2 here",
        AlertDescription::UnrecognisedName => "it does not have the name that this end asked for",
        AlertDescription::ProtocolVersion => "it speaks neither TLS 1.2 nor TLS 1.3",
        AlertDescription::HandshakeFailure => "it has no algorithm in common with this end",
        AlertDescription::DecodeError | AlertDescription::UnexpectedMessage => {
            "it does not understand the data that this end sent"
        }
        _ => "it ended the connection",
    }
}
