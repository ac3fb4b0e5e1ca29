use std::error::Error;
use std::fmt::Write as _;

use grpc_ipc_core::ConnectError;
use tonic::{Code, Status};

use crate::deadline::Deadline;

/// What a call ends with that cannot be made because its channel cannot connect.
pub(crate) fn status_from_connect(error: &ConnectError) -> Status {
    let code = match error {
        ConnectError::Address(_) | ConnectError::TooLong { .. } => Code::InvalidArgument,
        ConnectError::Unsupported { .. } => Code::Unimplemented,
        ConnectError::PermissionDenied { .. } | ConnectError::Untrusted { .. } => Code::PermissionDenied,
        // Trying again may help.
        _ => Code::Unavailable,
    };
    Status::new(code, with_sources(error))
}

/// tonic's own mapping, except for our errors, which tonic hides behind "transport error", and for connections that
/// broke: gRPC calls those `UNAVAILABLE`, tonic does not know them.
pub(crate) fn status_from_transport(error: tonic::transport::Error) -> Status {
    let mut cause: Option<&(dyn Error + 'static)> = Some(&error);
    while let Some(error) = cause {
        if let Some(connect) = error.downcast_ref::<ConnectError>() {
            return status_from_connect(connect);
        }
        // tonic calls these two cancelled.
        if error.is::<tonic::TimeoutExpired>() {
            return Deadline::exceeded();
        }
        if error.downcast_ref::<hyper::Error>().is_some_and(|error| error.is_canceled() || error.is_closed())
        {
            return Status::unavailable(with_sources(error));
        }
        cause = error.source();
    }
    let text = with_sources(&error);
    match Status::from_error(Box::new(error)) {
        unknown if unknown.code() == Code::Unknown => Status::unavailable(text),
        status => status,
    }
}

/// The status of a body that broke off. A server's own status comes in the trailers, not as an error of the body.
pub(crate) fn status_from_body(status: Status) -> Status {
    match status.code() {
        Code::Unknown if status.source().is_some() => Status::unavailable(with_sources(&status)),
        _ => status,
    }
}

fn with_sources(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        // Writing to a string does not fail.
        _ = write!(text, ": {error}");
        cause = error.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use std::io;

    use grpc_ipc_core::{AccessPolicy, Address, AddressError, Peer};

    use super::*;

    #[test]
    fn a_connect_error_has_the_code_of_its_cause() {
        let address = || Address::local("greeter").unwrap();
        let from_kind = |kind: io::ErrorKind| ConnectError::from_io(&address(), "connect", kind.into());
        let refused = AccessPolicy::users([]).check(&Peer::new("unix"), None).unwrap_err();
        let cases = [
            (ConnectError::from(AddressError::Empty), Code::InvalidArgument),
            (ConnectError::TooLong { address: address(), length: 200, limit: 107 }, Code::InvalidArgument),
            (ConnectError::Unsupported { address: address(), reason: "x".into() }, Code::Unimplemented),
            (
                ConnectError::Untrusted { address: address(), refused: Box::new(refused) },
                Code::PermissionDenied,
            ),
            (from_kind(io::ErrorKind::PermissionDenied), Code::PermissionDenied),
            (from_kind(io::ErrorKind::NotFound), Code::Unavailable),
            (from_kind(io::ErrorKind::ConnectionRefused), Code::Unavailable),
            (from_kind(io::ErrorKind::TimedOut), Code::Unavailable),
            (from_kind(io::ErrorKind::OutOfMemory), Code::Unavailable),
        ];
        for (error, code) in cases {
            let status = status_from_connect(&error);
            assert_eq!(status.code(), code, "{error}");
            assert!(status.message().starts_with(&error.to_string()));
        }
    }

    #[test]
    fn a_status_tells_the_whole_cause() {
        let error = ConnectError::Io {
            address: Address::local("greeter").unwrap(),
            action: "connect",
            source: io::Error::other("the disk is on fire"),
        };
        assert_eq!(
            status_from_connect(&error).message(),
            "cannot connect to local:greeter: failed to connect: the disk is on fire"
        );
    }
}
