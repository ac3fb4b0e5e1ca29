//! Each error variant maps to a kind of `io::Error`, and keeps its source out of its message.

use std::error::Error as _;
use std::io;

use futures_util::FutureExt as _;
use grpc_ipc_core::{AccessPolicy, Address, AddressError, BindError, ConnectError, Peer, Refused, UserId};

fn address() -> Address {
    Address::local("greeter").unwrap()
}

fn refused() -> Refused {
    AccessPolicy::users([]).check(&Peer::new("unix")).now_or_never().unwrap().unwrap_err()
}

fn denied() -> io::Error {
    io::Error::new(io::ErrorKind::PermissionDenied, "EACCES")
}

#[test]
fn bind_errors_have_the_kind_of_their_cause() {
    let cases = [
        (BindError::from(AddressError::Empty), io::ErrorKind::InvalidInput),
        (BindError::Unsupported { address: address(), reason: "x".into() }, io::ErrorKind::Unsupported),
        (BindError::InUse { address: address(), by: None }, io::ErrorKind::AddrInUse),
        (BindError::NotASocket { address: address(), found: "a directory" }, io::ErrorKind::AlreadyExists),
        (
            BindError::InTheWay {
                address: address(),
                path: "/x".into(),
                owner: Some(UserId::Uid(7)),
                problem: "belongs to uid=7".into(),
            },
            io::ErrorKind::AlreadyExists,
        ),
        (
            BindError::UnsafeParent { address: address(), parent: "/x".into(), problem: "x".into() },
            io::ErrorKind::PermissionDenied,
        ),
        (BindError::TooLong { address: address(), length: 200, limit: 107 }, io::ErrorKind::InvalidInput),
        (BindError::NoParent { address: address(), parent: "/x".into() }, io::ErrorKind::NotFound),
        (BindError::NoRuntimeDirectory { address: address(), reason: "x".into() }, io::ErrorKind::NotFound),
        (
            BindError::InvalidOption { address: address(), option: "x".into(), source: denied() },
            io::ErrorKind::InvalidInput,
        ),
        (BindError::from_io(&address(), "bind", denied()), io::ErrorKind::PermissionDenied),
        (
            BindError::from_io(&address(), "bind", io::ErrorKind::StorageFull.into()),
            io::ErrorKind::StorageFull,
        ),
    ];
    for (error, kind) in cases {
        assert!(!error.to_string().contains("EACCES"), "{error}");
        let text = error.to_string();
        let error = io::Error::from(error);
        assert_eq!((error.kind(), error.to_string()), (kind, text));
    }
}

#[test]
fn an_address_in_use_names_who_uses_it_where_that_is_known() {
    let message = |by| BindError::InUse { address: address(), by }.to_string();
    let other = Peer::new("unix").with_user(UserId::Uid(7)).with_pid(42);
    let own = other.clone().same_user_as(&UserId::Uid(7));
    assert_eq!(message(Some(own)), "local:greeter is already in use by unix:uid=7,pid=42");
    assert_eq!(
        message(Some(other)),
        "local:greeter is already in use by unix:uid=7,pid=42, which is not this user; the address is wrong, or \
         someone else has taken it"
    );
    assert_eq!(message(None), "local:greeter is already in use");
}

#[test]
fn connect_errors_have_the_kind_of_their_cause() {
    let refused = refused();
    let from_kind = |kind: io::ErrorKind| ConnectError::from_io(&address(), "connect", kind.into());
    let cases = [
        (ConnectError::from(AddressError::Empty), io::ErrorKind::InvalidInput),
        (ConnectError::Unsupported { address: address(), reason: "x".into() }, io::ErrorKind::Unsupported),
        (
            ConnectError::NoRuntimeDirectory { address: address(), reason: "x".into() },
            io::ErrorKind::NotFound,
        ),
        (ConnectError::TooLong { address: address(), length: 200, limit: 107 }, io::ErrorKind::InvalidInput),
        (
            ConnectError::InvalidOption { address: address(), option: "x".into(), source: denied() },
            io::ErrorKind::InvalidInput,
        ),
        (
            ConnectError::Untrusted { address: address(), refused: Box::new(refused) },
            io::ErrorKind::PermissionDenied,
        ),
        (
            ConnectError::NotASocket { address: address(), found: "a regular file" },
            io::ErrorKind::InvalidInput,
        ),
        (ConnectError::Closed { address: address(), source: denied() }, io::ErrorKind::ConnectionReset),
        (ConnectError::Rejected { address: address() }, io::ErrorKind::PermissionDenied),
        (ConnectError::TooManyConnections { address: address() }, io::ErrorKind::QuotaExceeded),
        (
            ConnectError::Tls { address: address(), reason: "x".into(), source: denied() },
            io::ErrorKind::PermissionDenied,
        ),
        (from_kind(io::ErrorKind::NotFound), io::ErrorKind::NotFound),
        (from_kind(io::ErrorKind::ConnectionRefused), io::ErrorKind::ConnectionRefused),
        (from_kind(io::ErrorKind::TimedOut), io::ErrorKind::TimedOut),
        (from_kind(io::ErrorKind::PermissionDenied), io::ErrorKind::PermissionDenied),
        (from_kind(io::ErrorKind::OutOfMemory), io::ErrorKind::OutOfMemory),
    ];
    for (error, kind) in cases {
        assert_eq!(io::Error::from(error).kind(), kind);
    }
}

#[test]
fn an_untrusted_server_is_told_by_the_source() {
    let refused = refused();
    let error = ConnectError::Untrusted { address: address(), refused: Box::new(refused) };
    assert_eq!(
        error.to_string(),
        "cannot connect to local:greeter: the server is not trusted; someone else has taken the address, or this \
         client's access policy must allow the user that runs the server"
    );
    assert_eq!(
        error.source().unwrap().to_string(),
        "peer unix:user=?,pid=? is refused: the access policy allows nobody"
    );
}

#[test]
fn a_reset_while_connecting_is_a_closed_connection() {
    let error = ConnectError::from_io(&address(), "connect", io::ErrorKind::ConnectionReset.into());
    assert!(matches!(error, ConnectError::Closed { .. }), "{error:?}");
}
