//! The table of the documentation matches the code.

use std::collections::BTreeMap;
use std::io;

use futures_util::FutureExt as _;
use grpc_ipc_core::{AccessPolicy, Address, AddressError, Peer};
use grpc_ipc_http2::{Reason, Side};

use super::*;
use crate::Http2Error;
use crate::status::{deadline_exceeded, status_from_connect, status_from_http2, status_of_unsent};

/// The columns: code, processed, channel retries, caller may retry.
type Row = [String; 4];

fn table() -> BTreeMap<String, Row> {
    let rows = include_str!("../../docs/errors.md").lines().filter(|line| line.starts_with("| [`"));
    let row = |line: &str| {
        let mut cells =
            line.trim_matches('|').split('|').map(|cell| cell.trim().replace(['[', ']', '`'], ""));
        (cells.next().unwrap(), std::array::from_fn(|_| cells.next().unwrap()))
    };
    rows.map(row).collect()
}

fn row_of(status: &Status) -> Row {
    let error = status.call_error().expect("a source");
    let processed = status.may_have_been_processed();
    let channel = match &error.cause {
        Cause::Connect(error) if error.is_transient() => "waiting calls",
        Cause::Http2(error) if error.is_unprocessed() => "yes",
        _ => "no",
    };
    let caller = match (error.is_transient(), processed) {
        (true, false) => "yes",
        (true, true) => "if idempotent",
        (false, _) => "no",
    };
    let processed = if processed { "maybe" } else { "no" };
    [format!("{:?}", status.code()), processed.into(), channel.into(), caller.into()]
}

fn connect_errors() -> Vec<(&'static str, ConnectError)> {
    let address = || Address::local("greeter").unwrap();
    let from_kind = |kind: io::ErrorKind| ConnectError::from_io(&address(), "connect", kind.into());
    let reset = || io::ErrorKind::ConnectionReset.into();
    let refused = AccessPolicy::users([]).check(&Peer::new("unix")).now_or_never().unwrap().unwrap_err();
    let io = |source| ConnectError::Io { address: address(), action: "connect", source };
    let option = "x".to_owned();
    vec![
        ("NotFound", from_kind(io::ErrorKind::NotFound)),
        ("Refused", from_kind(io::ErrorKind::ConnectionRefused)),
        ("TimedOut", from_kind(io::ErrorKind::TimedOut)),
        ("Closed", ConnectError::Closed { address: address(), source: reset() }),
        ("TooManyConnections", ConnectError::TooManyConnections { address: address() }),
        ("NoRuntimeDirectory", ConnectError::NoRuntimeDirectory { address: address(), reason: "x".into() }),
        ("Io, an error of the operating system", io(io::Error::from_raw_os_error(24))),
        ("Io, the peer does not speak HTTP/2", io(io::Error::other(Http2Error::NotHttp2("it speaks TLS")))),
        ("Ended", ConnectError::Ended { address: address() }),
        ("Tls", ConnectError::Tls { address: address(), reason: "x".into(), source: reset() }),
        ("NotASocket", ConnectError::NotASocket { address: address(), found: "a regular file" }),
        ("NoRuntime", ConnectError::NoRuntime { address: address() }),
        ("Untrusted", ConnectError::untrusted(&address(), refused)),
        ("Rejected", ConnectError::Rejected { address: address() }),
        ("PermissionDenied", from_kind(io::ErrorKind::PermissionDenied)),
        ("Address", AddressError::Empty.into()),
        ("TooLong", ConnectError::TooLong { address: address(), length: 200, limit: 107 }),
        ("InvalidOption", ConnectError::InvalidOption { address: address(), option, source: reset() }),
        ("Unsupported", ConnectError::Unsupported { address: address(), reason: "x".into() }),
    ]
}

fn http2_errors() -> Vec<(&'static str, Http2Error)> {
    let reset = |reason| Http2Error::Reset { by: Side::Peer, reason };
    let goaway = |by| Http2Error::GoAway { by, reason: Reason::INTERNAL_ERROR, detail: String::new() };
    vec![
        ("Unprocessed", Http2Error::Unprocessed),
        ("Reset by the server, REFUSED_STREAM", reset(Reason::REFUSED_STREAM)),
        ("Closed", Http2Error::Closed),
        ("Io", io::Error::from(io::ErrorKind::BrokenPipe).into()),
        ("KeepAlive", Http2Error::KeepAlive),
        ("GoAway by the server", goaway(Side::Peer)),
        ("GoAway by the channel", goaway(Side::Local)),
        ("Malformed", Http2Error::Malformed("x")),
        ("TooLarge", Http2Error::TooLarge),
        ("Reset by the server, CANCEL", reset(Reason::CANCEL)),
        ("Reset by the server, ENHANCE_YOUR_CALM", reset(Reason::ENHANCE_YOUR_CALM)),
        ("Reset by the server, INADEQUATE_SECURITY", reset(Reason::INADEQUATE_SECURITY)),
        ("Reset by the server, any other reason", reset(Reason::from(77))),
        ("Body, after a part of the request", body()),
        ("Unsendable", Http2Error::Unsendable("x")),
        ("DeadlineExceeded, after that", Http2Error::DeadlineExceeded),
    ]
}

fn body() -> Http2Error {
    Http2Error::Body(Arc::new(io::Error::other("the file is gone")))
}

#[test]
fn the_table_of_the_documentation_is_true() {
    let mut code = BTreeMap::new();
    for (name, error) in connect_errors() {
        code.insert(format!("ConnectError::{name}"), row_of(&status_from_connect(&Arc::new(error))));
    }
    for (name, error) in http2_errors() {
        code.insert(format!("Http2Error::{name}"), row_of(&status_from_http2(&error)));
    }
    let unsent = [
        ("Body, before any of the request", status_of_unsent(&body())),
        ("DeadlineExceeded, before the call is sent", deadline_exceeded()),
    ];
    for (name, status) in unsent {
        code.insert(format!("Http2Error::{name}"), row_of(&status));
    }
    let documented = table();
    for (error, row) in &code {
        assert_eq!(documented.get(error), Some(row), "{error}");
    }
    assert_eq!(documented.len(), code.len(), "rows without an error");
}

#[derive(Debug, thiserror::Error)]
#[error("the layer has failed")]
struct OfALayer(#[source] Status);

#[test]
fn a_status_leads_to_its_cause() {
    let status = status_from_connect(&Arc::new(ConnectError::Rejected {
        address: Address::local("greeter").unwrap(),
    }));
    // As tonic does with the error of a layer.
    let wrapped = Status::from_error(Box::new(OfALayer(status)));
    assert_eq!(wrapped.code(), Code::PermissionDenied);
    assert!(matches!(
        wrapped.call_error().and_then(CallError::connect_error),
        Some(ConnectError::Rejected { .. })
    ));
    assert!(!wrapped.may_have_been_processed());

    let status = status_from_http2(&Http2Error::Closed);
    let error = status.call_error().unwrap();
    assert!(matches!(error.http2_error(), Some(Http2Error::Closed)));
    assert_eq!(error.source().unwrap().to_string(), "the connection was closed");
    assert_eq!(error.to_string(), "the call may have been processed");
    assert!(Status::unavailable("of the server").may_have_been_processed());
}

/// A body that fails with a status keeps it.
#[test]
fn the_status_of_a_body_is_kept() {
    let own = Status::aborted("the caller's");
    let status = status_from_http2(&Http2Error::Body(Arc::new(own)));
    assert_eq!((status.code(), status.message()), (Code::Aborted, "the caller's"));
    assert!(status.may_have_been_processed());
}
