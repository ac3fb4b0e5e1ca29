//! A client's output.

use std::future::poll_fn;
use std::task::Poll;

use grpc_ipc_http2::Options;
use grpc_ipc_http2::direct::Begun;
use http::HeaderMap;
use tokio::io::duplex;

use super::demoted_responses::{response, still_calls};
use super::scene::{Client, answer, client, client_with, fields, message, run};
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

/// A caller can set its user agent, but the engine sets the fields that describe the message.
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

/// The caller has dropped the last handle, so the connection ends.
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

/// The encoded message is longer than announced, and than a frame can be.
#[test]
fn a_length_that_is_wrong_breaks_no_frame() {
    client(async |mut peer, client| {
        peer.send(crate::util::frame::window_update(0, 1 << 30)).await;
        for _ in 0..5 {
            still_calls(&mut peer, &client).await;
            let begun = poll_fn(|cx| {
                let encode = |out: &mut Vec<u8>| out.resize(out.len() + 30_000, 7);
                Poll::Ready(client.0.begin(&ECHO, &HeaderMap::new(), None, 3, encode, cx))
            });
            let Begun::Call(call) = begun.await else { panic!("the call has to go elsewhere") };
            let call = tokio::spawn(answer(call));
            let stream = peer.expect("a request", |frame| frame.kind == kind::HEADERS).await.stream;
            let mut body: Vec<u8> = Vec::new();
            loop {
                let frame = peer.expect_on(stream).await;
                assert_eq!(frame.kind, kind::DATA);
                body.extend(&frame.payload);
                if frame.has(flag::END_STREAM) {
                    break;
                }
            }
            assert!(body == message(&[7; 30_000]));
            peer.send_all(&response(stream, b"answer")).await;
            assert_eq!(call.await.unwrap().unwrap().direct(), b"answer");
        }
    });
}

/// Secret values are sent in a form that no intermediary may index, even after they were sent in another form.
#[test]
fn a_secret_is_never_indexed() {
    // `x-secret` and `value`, Huffman-encoded.
    const NAME: [u8; 7] = [0x86, 0xf2, 0xb2, 0x0a, 0x4b, 0x0a, 0x9f];
    const VALUE: [u8; 5] = [0x84, 0xee, 0x3a, 0x2d, 0x2f];
    client(async |mut peer, client| {
        for sensitive in [false, true, false, true] {
            for _ in 0..5 {
                let mut metadata = fields(&[("x-secret", "value")]);
                metadata.get_mut("x-secret").unwrap().set_sensitive(sensitive);
                let Begun::Call(call) = client.begin(&ECHO, &metadata, None, b"message").await else {
                    panic!("the call has to go elsewhere");
                };
                let call = tokio::spawn(answer(call));
                let head = peer.expect("a request", |frame| frame.kind == kind::HEADERS).await;
                // The field is the last one. It is a literal, with its name or the index of that, unless it is an index
                // itself.
                let before_value = head.payload.strip_suffix(&VALUE);
                let is_never = before_value.is_some_and(|before| match before.strip_suffix(&NAME) {
                    Some(before) => before.last() == Some(&0x10),
                    None => before.ends_with(&[0x1f, before[before.len() - 1]]),
                });
                assert_eq!(is_never, sensitive, "{:x?}", head.payload);
                peer.send_all(&response(head.stream, b"answer")).await;
                call.await.unwrap().unwrap().direct();
            }
        }
    });
}

/// A call can be made again if none of it was written when the connection ended.
#[test]
fn a_call_that_was_not_written_is_unprocessed() {
    run(async || {
        let (ours, theirs) = duplex(1000);
        let (send, connection) = grpc_ipc_http2::client::handshake(theirs, &Options::new());
        tokio::spawn(connection);
        let client = Client(send);
        let mut peer = RawPeer::new(ours);
        peer.greet_client(&[]).await;
        let calls = [client.spawn(&ECHO, &[7; 2000]).await, client.spawn(&ECHO, b"message").await];
        drop(peer);
        let [first, second] = calls;
        assert!(!first.await.unwrap().unwrap_err().is_unprocessed());
        assert!(second.await.unwrap().unwrap_err().is_unprocessed());
    });
}
