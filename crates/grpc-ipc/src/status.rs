use std::error;
use std::fmt::Write as _;
use std::sync::Arc;

use grpc_ipc_core::ConnectError;
use grpc_ipc_http2::{Error, Reason, Side};
use tonic::{Code, Status};

use crate::CallError;
use tower::load_shed::error::Overloaded;
use tower::timeout::error::Elapsed;

use crate::services::BoxError;

/// The status of a call that failed because its channel cannot connect.
pub(crate) fn status_from_connect(error: &Arc<ConnectError>) -> Status {
    let status = Status::new(code_of_connect(error), with_sources(&**error));
    CallError::connect(Arc::clone(error)).of(status)
}

pub(crate) fn code_of_connect(error: &ConnectError) -> Code {
    match error {
        ConnectError::Address(_) | ConnectError::TooLong { .. } | ConnectError::InvalidOption { .. } => {
            Code::InvalidArgument
        }
        ConnectError::Unsupported { .. } => Code::Unimplemented,
        ConnectError::NoRuntime { .. } => Code::FailedPrecondition,
        ConnectError::PermissionDenied { .. }
        | ConnectError::Untrusted { .. }
        | ConnectError::Rejected { .. } => Code::PermissionDenied,
        // A retry may help.
        _ => Code::Unavailable,
    }
}

/// The status of a call that was sent.
pub(crate) fn status_from_http2(error: &Error) -> Status {
    CallError::sent(error.clone()).of(status_of(error))
}

/// The status of a call that was not sent.
pub(crate) fn status_of_unsent(error: &Error) -> Status {
    CallError::unsent(error.clone()).of(status_of(error))
}

/// The status of a call that no server has processed, with the reason.
pub(crate) fn status_from_http2_because(error: &Error, cause: Option<&Error>) -> Status {
    let status = status_of(error);
    let status = match cause {
        Some(cause) => Status::new(status.code(), format!("{}: {}", status.message(), with_sources(cause))),
        None => status,
    };
    CallError::sent(error.clone()).of(status)
}

/// The status that a handler gets when its request breaks off.
pub(crate) fn status_of_request(error: &Error) -> Status {
    // tonic treats this code as the end of a request.
    let mut status = status_of(error);
    if status.code() == Code::Cancelled {
        status = Status::aborted(status.message());
    }
    status.set_source(Arc::new(error.clone()));
    status
}

fn status_of(error: &Error) -> Status {
    match error {
        Error::Body(cause) if cause.is::<Status>() => {
            cause.downcast_ref().map_or_else(|| Status::new(Code::Cancelled, ""), Status::clone)
        }
        Error::DeadlineExceeded => Status::deadline_exceeded("the deadline of the call has passed"),
        error => Status::new(code_of_http2(error), with_sources(error)),
    }
}

/// The gRPC code for an HTTP/2 failure ([gRPC over HTTP/2,
/// errors](https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md#errors)).
pub(crate) fn code_of_http2(error: &Error) -> Code {
    match error {
        Error::Body(cause) => cause.downcast_ref().map_or(Code::Cancelled, Status::code),
        // The answer ended before the request, or nobody reads it anymore.
        Error::Reset { by: Side::Local, reason: Reason::NO_ERROR } => Code::Cancelled,
        Error::Reset { reason, .. } => code_of(*reason),
        Error::GoAway { by: Side::Local, .. } | Error::Malformed(_) => Code::Internal,
        Error::DeadlineExceeded => Code::DeadlineExceeded,
        Error::Forbidden => Code::PermissionDenied,
        Error::Unsendable(_) | Error::TooLarge => Code::ResourceExhausted,
        // A retry may help.
        _ => Code::Unavailable,
    }
}

fn code_of(reason: Reason) -> Code {
    match reason {
        Reason::REFUSED_STREAM => Code::Unavailable,
        Reason::CANCEL => Code::Cancelled,
        Reason::ENHANCE_YOUR_CALM => Code::ResourceExhausted,
        Reason::INADEQUATE_SECURITY => Code::PermissionDenied,
        _ => Code::Internal,
    }
}

/// The status of a call that fails in a layer of the server. tonic maps the errors of its own layers, but maps load
/// shedding only with its feature `server`.
pub(crate) fn status_from_service(error: BoxError) -> Status {
    Status::try_from_error(error).unwrap_or_else(|error| {
        let code = match std::iter::successors(Some(&*error as &dyn error::Error), |error| error.source())
            .find_map(code_from_tower)
        {
            Some(code) => code,
            None => Code::Unknown,
        };
        let mut status = Status::new(code, error.to_string());
        status.set_source(error.into());
        status
    })
}

fn code_from_tower(error: &(dyn error::Error + 'static)) -> Option<Code> {
    if error.is::<Elapsed>() {
        Some(Code::DeadlineExceeded)
    } else if error.is::<Overloaded>() {
        Some(Code::ResourceExhausted)
    } else {
        None
    }
}

/// The status of a call whose deadline passes before it is sent.
pub(crate) fn deadline_exceeded() -> Status {
    status_of_unsent(&Error::DeadlineExceeded)
}

fn with_sources(error: &dyn error::Error) -> String {
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

    use futures_util::FutureExt as _;
    use grpc_ipc_core::{AccessPolicy, Address, AddressError, Peer};

    use super::*;

    #[test]
    fn a_connect_error_has_the_code_of_its_cause() {
        let address = || Address::local("greeter").unwrap();
        let from_kind = |kind: io::ErrorKind| ConnectError::from_io(&address(), "connect", kind.into());
        let refused = AccessPolicy::users([]).check(&Peer::new("unix")).now_or_never().unwrap().unwrap_err();
        let cases = [
            (ConnectError::from(AddressError::Empty), Code::InvalidArgument),
            (ConnectError::TooLong { address: address(), length: 200, limit: 107 }, Code::InvalidArgument),
            (
                ConnectError::InvalidOption {
                    address: address(),
                    option: "x".into(),
                    source: io::ErrorKind::NotFound.into(),
                },
                Code::InvalidArgument,
            ),
            (ConnectError::Unsupported { address: address(), reason: "x".into() }, Code::Unimplemented),
            (
                ConnectError::Untrusted { address: address(), refused: Box::new(refused) },
                Code::PermissionDenied,
            ),
            (from_kind(io::ErrorKind::PermissionDenied), Code::PermissionDenied),
            (ConnectError::Rejected { address: address() }, Code::PermissionDenied),
            (ConnectError::TooManyConnections { address: address() }, Code::Unavailable),
            (from_kind(io::ErrorKind::NotFound), Code::Unavailable),
            (from_kind(io::ErrorKind::ConnectionRefused), Code::Unavailable),
            (from_kind(io::ErrorKind::TimedOut), Code::Unavailable),
            (from_kind(io::ErrorKind::OutOfMemory), Code::Unavailable),
        ];
        for (error, code) in cases {
            let error = Arc::new(error);
            let status = status_from_connect(&error);
            assert_eq!(status.code(), code, "{error}");
            assert!(status.message().starts_with(&error.to_string()));
        }
    }

    /// The table in gRPC's document, row by row.
    #[test]
    fn a_reset_has_the_code_of_its_reason() {
        let internal = [
            Reason::NO_ERROR,
            Reason::PROTOCOL_ERROR,
            Reason::INTERNAL_ERROR,
            Reason::FLOW_CONTROL_ERROR,
            Reason::SETTINGS_TIMEOUT,
            Reason::STREAM_CLOSED,
            Reason::FRAME_SIZE_ERROR,
            Reason::COMPRESSION_ERROR,
            Reason::CONNECT_ERROR,
            Reason::from(77),
        ];
        let others = [
            (Reason::REFUSED_STREAM, Code::Unavailable),
            (Reason::CANCEL, Code::Cancelled),
            (Reason::ENHANCE_YOUR_CALM, Code::ResourceExhausted),
            (Reason::INADEQUATE_SECURITY, Code::PermissionDenied),
        ];
        for (reason, code) in internal.map(|reason| (reason, Code::Internal)).into_iter().chain(others) {
            let status = status_from_http2(&Error::Reset { by: Side::Peer, reason });
            assert_eq!(status.code(), code, "{reason}");
        }
        let unavailable = [
            Error::Closed,
            Error::ClosedAtOnce,
            Error::Unprocessed,
            Error::KeepAlive,
            Error::HandshakeTimeout,
            Error::TooManyConnections,
        ];
        for broken in unavailable {
            assert_eq!(status_from_http2(&broken).code(), Code::Unavailable, "{broken}");
        }
        assert_eq!(status_from_http2(&Error::Forbidden).code(), Code::PermissionDenied);
        let own = Status::aborted("the caller's");
        let body = Error::Body(std::sync::Arc::new(own));
        assert_eq!(status_from_http2(&body).code(), Code::Aborted);
    }

    #[test]
    fn a_status_tells_the_whole_cause() {
        let error = Arc::new(ConnectError::Io {
            address: Address::local("greeter").unwrap(),
            action: "connect",
            source: io::Error::other("the disk is on fire"),
        });
        assert_eq!(
            status_from_connect(&error).message(),
            "cannot connect to local:greeter: failed to connect: the disk is on fire"
        );
    }
}
