//! Utilities for the tests of the server and of the client.

pub(crate) mod engine;
pub(crate) mod frame;
pub(crate) mod hpack;
pub(crate) mod raw;
pub(crate) mod service;
pub(crate) mod unary;

use std::panic::Location;

use engine::{Client, Options};
use raw::RawPeer;
use service::{Event, TestService};
use tokio::io::duplex;
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::sync::oneshot;

/// How much either end can write before it has to wait, in octets: more than any test writes.
const BUFFER: usize = 4 << 20;
/// The server under test has a service for direct calls.
const SERVES_DIRECTLY: bool = matches!(env!("CARGO_CRATE_NAME").as_bytes(), b"rfc9113_direct");

/// Runs a test against a server: prefaces and settings have been exchanged.
#[track_caller]
pub(crate) fn server(test: impl AsyncFnOnce(RawPeer)) {
    server_with(Options::new(), &[], test);
}

/// The same with options of the server and settings of the client.
#[track_caller]
pub(crate) fn server_with(options: Options, settings: &[(u16, u32)], test: impl AsyncFnOnce(RawPeer)) {
    server_without_preface(options, async |mut peer, _| {
        peer.greet_server(settings).await;
        test(peer).await;
    });
}

/// The same, with access to what the service sees.
#[track_caller]
pub(crate) fn server_and_service(test: impl AsyncFnOnce(RawPeer, UnboundedReceiver<Event>)) {
    server_without_preface(Options::new(), async |mut peer, events| {
        peer.greet_server(&[]).await;
        test(peer, events).await;
    });
}

/// Runs a test against a server that has not been sent anything. The server ends when the test drops the peer.
#[track_caller]
pub(crate) fn server_without_preface(
    options: Options,
    test: impl AsyncFnOnce(RawPeer, UnboundedReceiver<Event>),
) {
    server_to_shut_down(options, async |peer, events, _shut_down| test(peer, events).await);
}

/// The same, with a handle that shuts the server down gracefully.
#[track_caller]
pub(crate) fn server_to_shut_down(
    options: Options,
    test: impl AsyncFnOnce(RawPeer, UnboundedReceiver<Event>, oneshot::Sender<()>),
) {
    grpc_ipc_conformance::run(&Location::caller().to_string(), async || {
        let (ours, theirs) = duplex(BUFFER);
        let (service, events) = TestService::new();
        let (shut_down, told) = oneshot::channel();
        let server = engine::serve(theirs, service, options, SERVES_DIRECTLY, told);
        let peer = RawPeer::new(ours);
        test(if SERVES_DIRECTLY { peer.unary() } else { peer }, events, shut_down).await;
        server.await.unwrap();
    });
}

/// Runs a test against a client: prefaces and settings have been exchanged.
#[track_caller]
pub(crate) fn client(test: impl AsyncFnOnce(RawPeer, Client)) {
    client_with(Options::new(), &[], test);
}

/// The same with options of the client and settings of the server.
#[track_caller]
pub(crate) fn client_with(
    options: Options,
    settings: &[(u16, u32)],
    test: impl AsyncFnOnce(RawPeer, Client),
) {
    client_without_preface(options, async |mut peer, client| {
        peer.greet_client(settings).await;
        test(peer, client).await;
    });
}

/// Runs a test against a client that has not been sent anything. The client ends when the test drops the peer.
#[track_caller]
pub(crate) fn client_without_preface(options: Options, test: impl AsyncFnOnce(RawPeer, Client)) {
    grpc_ipc_conformance::run(&Location::caller().to_string(), async || {
        let (ours, theirs) = duplex(BUFFER);
        let (client, driver) = engine::connect(theirs, options).await;
        test(RawPeer::new(ours), client).await;
        driver.await.unwrap();
    });
}
