//! The status of a failed call, in words.

use std::fmt::Write as _;

use grpc_ipc::StatusExt as _;
use grpc_ipc::tonic::{Code, Status};

use crate::failure::Failure;
use crate::output::escaped;

/// The failure of a command whose call failed.
pub(crate) fn failure(status: &Status) -> Failure {
    if let Some(error) = status.call_error().and_then(|error| error.connect_error()) {
        return Failure::of_connect(error);
    }
    let mut message = format!("{} ({}): {}", name(status.code()), status.code() as i32, said(status));
    if status.call_error().is_some_and(|error| error.may_have_been_processed()) {
        _ = write!(message, "\nThe server may have processed the call.");
    }
    Failure::of_call(message, status.code())
}

/// Whether the server sent the status. Otherwise this side made it.
pub(crate) fn is_of_server(status: &Status) -> bool {
    status.call_error().is_none()
}

/// The status's message. Its lines are indented, so that none looks like one of ours.
fn said(status: &Status) -> String {
    match status.message() {
        "" => "the server gives no reason".to_owned(),
        message => message.lines().map(escaped).collect::<Vec<_>>().join("\n  "),
    }
}

/// The name of a code as gRPC's documentation writes it.
pub(crate) fn name(code: Code) -> &'static str {
    match code {
        Code::Ok => "OK",
        Code::Cancelled => "CANCELLED",
        Code::Unknown => "UNKNOWN",
        Code::InvalidArgument => "INVALID_ARGUMENT",
        Code::DeadlineExceeded => "DEADLINE_EXCEEDED",
        Code::NotFound => "NOT_FOUND",
        Code::AlreadyExists => "ALREADY_EXISTS",
        Code::PermissionDenied => "PERMISSION_DENIED",
        Code::ResourceExhausted => "RESOURCE_EXHAUSTED",
        Code::FailedPrecondition => "FAILED_PRECONDITION",
        Code::Aborted => "ABORTED",
        Code::OutOfRange => "OUT_OF_RANGE",
        Code::Unimplemented => "UNIMPLEMENTED",
        Code::Internal => "INTERNAL",
        Code::Unavailable => "UNAVAILABLE",
        Code::DataLoss => "DATA_LOSS",
        Code::Unauthenticated => "UNAUTHENTICATED",
    }
}
