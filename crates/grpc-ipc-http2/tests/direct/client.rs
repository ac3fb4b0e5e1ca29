//! What a client sends.

use grpc_ipc_http2::Options;

use super::demoted_responses::{response, still_calls};
use super::scene::{Client, client, client_with, fields, message};
use super::service::{ECHO, OTHER};
use crate::util::frame::{flag, kind};
use crate::util::raw::{Message, RawPeer};

/// Takes a request.
async fn expect_request(peer: &mut RawPeer) -> (u32, Message) {
    let head = peer.expect("a request", |frame| frame.kind == kind::HEADERS).await;
    assert_eq!(head.flags, flag::END_HEADERS);
    let body = peer.expect_on(head.stream).await;
    assert_eq!((body.kind, body.flags), (kind::DATA, flag::END_STREAM));
    (head.stream, Message { fields: head.fields, body: body.payload, trailers: None })
}

fn plain(path: &str, scheme: &str) -> Vec<(String, String)> {
    let agent = concat!("grpc-rust-ipc/", env!("CARGO_PKG_VERSION"));
    [
        (":method", "POST"),
        (":scheme", scheme),
        (":authority", "localhost"),
        (":path", path),
        ("user-agent", agent),
        ("te", "trailers"),
        ("content-type", "application/grpc"),
    ]
    .map(|(name, value)| (name.into(), value.into()))
    .into()
}

async fn calls_with(peer: &mut RawPeer, client: &Client, sent: &[(&str, &str)]) -> Message {
    let (client, sent) = (client.clone(), fields(sent));
    let call = tokio::spawn(async move { client.call_with(&ECHO, &sent, None, b"message").await });
    let (stream, request) = expect_request(peer).await;
    peer.send_all(&response(stream, b"answer")).await;
    assert_eq!(call.await.unwrap().unwrap().direct(), b"answer");
    assert_eq!(request.body, message(b"message"));
    request
}

#[test]
fn a_request_has_the_fields_of_grpc() {
    for (options, scheme) in [(Options::new(), "http"), (Options::new().https(true), "https")] {
        client_with(options, &[], async |mut peer, client| {
            for _ in 0..5 {
                let request = calls_with(&mut peer, &client, &[]).await;
                assert_eq!(request.fields, plain(ECHO.path(), scheme));
            }
        });
    }
}

#[test]
fn each_method_has_its_own_path() {
    client(async |mut peer, client| {
        for _ in 0..5 {
            for method in [&ECHO, &OTHER] {
                let call = client.spawn(method, b"message").await;
                let (stream, request) = expect_request(&mut peer).await;
                assert_eq!(request.field(":path"), method.path());
                peer.send_all(&response(stream, b"answer")).await;
                call.await.unwrap().unwrap().direct();
            }
        }
    });
}

#[test]
fn metadata_comes_last_and_a_timeout_first() {
    client(async |mut peer, client| {
        for _ in 0..5 {
            let sent = [("x-first", "1"), ("grpc-timeout", "5S"), ("x-second", "2"), ("x-first", "3")];
            let request = calls_with(&mut peer, &client, &sent).await;
            let mut expected = plain(ECHO.path(), "http");
            expected.insert(4, ("grpc-timeout".into(), "5S".into()));
            let custom = [("x-first", "1"), ("x-first", "3"), ("x-second", "2")];
            expected.extend(custom.map(|(name, value)| (name.into(), value.into())));
            assert_eq!(request.fields, expected);
        }
    });
}

/// A caller can say who it is; but what the message is, the engine knows.
#[test]
fn the_protocols_own_fields_are_not_taken_from_metadata() {
    client(async |mut peer, client| {
        for _ in 0..5 {
            let sent = [
                ("user-agent", "test"),
                ("te", "deflate"),
                ("content-type", "text/plain"),
                ("content-length", "3"),
                ("grpc-encoding", "gzip"),
                ("grpc-status", "5"),
                ("grpc-message", "none"),
                ("connection", "close"),
            ];
            let request = calls_with(&mut peer, &client, &sent).await;
            assert_eq!(request.field("user-agent"), "test");
            assert_eq!(request.field("te"), "trailers");
            assert_eq!(request.field("content-type"), "application/grpc");
            assert_eq!(request.fields.len(), 7, "{:?}", request.fields);
        }
    });
}

#[test]
fn messages_of_all_sizes_are_framed() {
    client(async |mut peer, client| {
        peer.send(crate::util::frame::window_update(0, 1 << 30)).await;
        for size in [0, 1, 4096, 4097, 16_379, 16_380, 60_000] {
            let call = client.spawn(&ECHO, &vec![7; size]).await;
            let stream = peer.expect("a request", |frame| frame.kind == kind::HEADERS).await.stream;
            let mut body: Vec<u8> = Vec::new();
            loop {
                let frame = peer.expect_on(stream).await;
                body.extend(&frame.payload);
                if frame.has(flag::END_STREAM) {
                    break;
                }
            }
            assert!(body == message(&vec![7; size]), "{size}");
            peer.send_all(&response(stream, b"answer")).await;
            call.await.unwrap().unwrap().direct();
        }
        still_calls(&mut peer, &client).await;
    });
}

/// Its caller has let go of it: nobody is left who could call, and the connection ends.
#[test]
fn the_last_answer_ends_a_connection_that_nobody_uses() {
    client(async |mut peer, client| {
        let call = client.spawn(&ECHO, b"message").await;
        drop(client);
        let (stream, _) = expect_request(&mut peer).await;
        peer.send_all(&response(stream, b"answer")).await;
        assert_eq!(call.await.unwrap().unwrap().direct(), b"answer");
        peer.expect_going_away().await;
        peer.expect_end().await;
    });
}
