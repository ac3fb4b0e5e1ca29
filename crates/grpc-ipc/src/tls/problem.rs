//! What has failed, in words for whoever has to put it right.

use std::fmt;
use std::io;

use tokio_rustls::rustls::{AlertDescription, CertificateError, Error, InvalidMessage, PeerMisbehaved};

use super::pinned::NotPinned;

/// Who is at the other end.
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

/// What `error`, of a connection to `other`, means.
pub(super) fn explain(error: &io::Error, other: End) -> String {
    let cause = error.get_ref().and_then(|cause| cause.downcast_ref::<Error>());
    match cause {
        Some(cause) => explain_tls(cause, other),
        None if error.kind() == io::ErrorKind::UnexpectedEof => {
            format!("{other} has closed the connection without close_notify, as if it was cut short")
        }
        None => error.to_string(),
    }
}

fn explain_tls(error: &Error, other: End) -> String {
    match error {
        Error::InvalidMessage(InvalidMessage::InvalidContentType) => {
            format!("{other} does not speak TLS, but something else; HTTP/2 without TLS?")
        }
        Error::InvalidCertificate(error) => format!("the certificate of {other}: {}", certificate(error)),
        Error::NoCertificatesPresented => format!("{other} has shown no certificate"),
        Error::NoApplicationProtocol => format!("{other} does not offer HTTP/2 (`h2`, by ALPN)"),
        Error::PeerIncompatible(what) => {
            format!("{other} has no version or algorithm in common with this end: {what:?}")
        }
        Error::PeerMisbehaved(PeerMisbehaved::ServerNameMustContainOneHostName) => format!(
            "{other} calls this server by what is no DNS name (SNI), as gRPC's C-core does with the path of a socket; its \
             option `grpc.ssl_target_name_override` gives it a name, such as `localhost`"
        ),
        Error::AlertReceived(alert) => format!("{other} says {alert:?}: {}", alert_text(*alert)),
        other => other.to_string(),
    }
}

fn certificate(error: &CertificateError) -> String {
    match error {
        CertificateError::UnknownIssuer => "it is not signed by an authority that is trusted here".to_owned(),
        CertificateError::Other(cause) => match cause.0.downcast_ref::<NotPinned>() {
            Some(not_pinned) => not_pinned.to_string(),
            None if cause.to_string().contains("CaUsedAsEndEntity") => {
                "it is that of an authority (CA:TRUE), which can be trusted only as a certain one (`Trust::certificates`)"
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
        AlertDescription::CertificateRequired => "this end must show a certificate",
        AlertDescription::UnknownCA => "it does not trust the authority of this end's certificate",
        AlertDescription::BadCertificate
        | AlertDescription::UnsupportedCertificate
        | AlertDescription::CertificateUnknown
        | AlertDescription::AccessDenied => "it does not take this end's certificate",
        AlertDescription::CertificateExpired => "this end's certificate has expired",
        AlertDescription::CertificateRevoked => "this end's certificate is revoked",
        AlertDescription::NoApplicationProtocol => "it does not speak HTTP/2 here",
        AlertDescription::UnrecognisedName => "it does not have the name that it was called by",
        AlertDescription::ProtocolVersion => "it speaks neither TLS 1.2 nor TLS 1.3",
        AlertDescription::HandshakeFailure => "it has no algorithm in common with this end",
        AlertDescription::DecodeError | AlertDescription::UnexpectedMessage => {
            "it does not understand what this end has sent"
        }
        _ => "it has given up the connection",
    }
}
