//! Responses that take the general path because something about them is unusual, and responses that only look unusual.

use grpc_ipc_http2::direct::Begun;
use grpc_ipc_http2::{Error, Reason, Side};
use http::HeaderMap;

use super::scene::{Answered, Client, client, fields, message};
use super::service::ECHO;
use crate::util::frame::{Frame, code, data, headers, kind, rst_stream};
use crate::util::raw::RawPeer;

pub(super) const OK: [(&str, &str); 2] = [(":status", "200"), ("content-type", "application/grpc")];
pub(super) const DONE: [(&str, &str); 1] = [("grpc-status", "0")];

/// A whole response.
pub(super) fn response(stream: u32, payload: &[u8]) -> [Frame; 3] {
    [headers(stream, &OK), data(stream, message(payload)), headers(stream, &DONE).end_stream()]
}

/// Takes a request, answers with the frames from `answer`, and returns how the call ends.
pub(super) async fn answered(
    peer: &mut RawPeer,
    client: &Client,
    answer: impl Fn(u32) -> Vec<Frame>,
) -> Result<Answered, Error> {
    let call = client.spawn(&ECHO, b"message").await;
    let stream = peer.expect("a request", |frame| frame.kind == kind::HEADERS).await.stream;
    assert_eq!(peer.expect_on(stream).await.payload, message(b"message"));
    peer.send_all(&answer(stream)).await;
    call.await.unwrap()
}

/// A call stays direct.
pub(super) async fn still_calls(peer: &mut RawPeer, client: &Client) {
    let answered = answered(peer, client, |stream| response(stream, b"still").into()).await;
    assert_eq!(answered.unwrap().direct(), b"still");
}

/// These frames are one response, in one piece. It takes the general path with this body.
#[track_caller]
fn is_demoted(answer: impl Fn(u32) -> Vec<Frame>, expected: &[u8]) {
    client(async |mut peer, client| {
        for _ in 0..5 {
            let answered = answered(&mut peer, &client, &answer).await.unwrap();
            assert_eq!(answered.general(), expected);
        }
        still_calls(&mut peer, &client).await;
        assert_eq!(client.0.direct_calls(), 1);
    });
}

/// These responses stay direct, with this metadata.
#[track_caller]
fn is_direct(answer: impl Fn(u32) -> Vec<Frame>, metadata: &[(&str, &str)]) {
    client(async |mut peer, client| {
        for _ in 0..5 {
            let answered = answered(&mut peer, &client, &answer).await.unwrap();
            let Answered::Direct(answer, came) = answered else { panic!("{answered:?}") };
            assert_eq!((&answer[..], came), (&b"answer"[..], fields(metadata)));
        }
        assert_eq!(client.0.direct_calls(), 5);
    });
}

fn done(stream: u32) -> Frame {
    headers(stream, &DONE).end_stream()
}

#[test]
fn a_message_in_two_frames() {
    let whole = message(b"answer");
    for at in [1, 5, 6] {
        let (first, rest) = whole.split_at(at);
        is_demoted(|id| vec![headers(id, &OK), data(id, first), data(id, rest), done(id)], &whole);
    }
    is_demoted(|id| vec![headers(id, &OK), data(id, []), data(id, &whole[..]), done(id)], &whole);
    is_demoted(|id| vec![headers(id, &OK), data(id, &whole[..]), data(id, []), done(id)], &whole);
}

#[test]
fn padding() {
    let whole = message(b"answer");
    is_demoted(|id| vec![headers(id, &OK), data(id, &whole[..]).padded(3), done(id)], &whole);
    is_direct(|id| vec![headers(id, &OK).padded(3), data(id, &whole[..]), done(id)], &[]);
}

#[test]
fn messages_that_are_not_one() {
    let whole = message(b"answer");
    let two = [message(b"one"), message(b"two")].concat();
    for body in [&two[..], b"\0\0\0\0\x03ab", b"\x01\0\0\0\x02ab"] {
        is_demoted(|id| vec![headers(id, &OK), data(id, body), done(id)], body);
    }
    is_demoted(|id| vec![headers(id, &OK), done(id)], b"");
    let twice = [&whole[..], &whole[..]].concat();
    is_demoted(|id| vec![headers(id, &OK), data(id, &whole[..]), data(id, &whole[..]), done(id)], &twice);
}

#[test]
fn an_end_that_is_not_a_status() {
    let whole = message(b"answer");
    is_demoted(|id| vec![headers(id, &OK), data(id, &whole[..]).end_stream()], &whole);
    let other = [("x-status", "0")];
    is_demoted(|id| vec![headers(id, &OK), data(id, &whole[..]), headers(id, &other).end_stream()], &whole);
    let twice = [("grpc-status", "0"), ("grpc-status", "5")];
    is_demoted(|id| vec![headers(id, &OK), data(id, &whole[..]), headers(id, &twice).end_stream()], &whole);
}

#[test]
fn an_error() {
    let whole = message(b"answer");
    let failed = [("grpc-status", "5"), ("grpc-message", "none")];
    is_demoted(|id| vec![headers(id, &OK), data(id, &whole[..]), headers(id, &failed).end_stream()], &whole);
    is_demoted(|id| vec![headers(id, OK.iter().chain(&failed)).end_stream()], b"");
}

#[test]
fn heads_that_are_not_plain() {
    let whole = message(b"answer");
    let length = [OK[0], OK[1], ("content-length", "11")];
    let encoded = [OK[0], OK[1], ("grpc-encoding", "gzip")];
    let status = [OK[0], OK[1], ("grpc-status", "0")];
    for fields in [
        &[(":status", "500")][..],
        &[(":status", "500"), OK[1]],
        &[(":status", "200")],
        &[(":status", "200"), ("content-type", "text/html")],
        &length,
        &encoded,
        &status,
    ] {
        is_demoted(|id| vec![headers(id, fields), data(id, &whole[..]), done(id)], &whole);
    }
    let plain = [OK[0], OK[1], ("grpc-accept-encoding", "gzip"), ("grpc-encoding", "identity")];
    is_direct(|id| vec![headers(id, &plain), data(id, &whole[..]), done(id)], &[]);
}

#[test]
fn interim_responses() {
    let whole = message(b"answer");
    let interim = [(":status", "103")];
    is_demoted(|id| vec![headers(id, &interim), headers(id, &OK), data(id, &whole[..]), done(id)], &whole);
}

#[test]
fn metadata_is_that_of_the_head_and_the_trailers() {
    let whole = message(b"answer");
    let head = [OK[0], OK[1], ("x-both", "head"), ("x-head", "1"), ("x-head", "2"), ("date", "now")];
    let trailers = [DONE[0], ("grpc-message", ""), ("x-both", "trailers"), ("x-trailers", "3")];
    let merged =
        [("x-head", "1"), ("x-head", "2"), ("date", "now"), ("x-both", "trailers"), ("x-trailers", "3")];
    is_direct(
        |id| vec![headers(id, &head), data(id, &whole[..]), headers(id, &trailers).end_stream()],
        &merged,
    );
    is_direct(
        |id| vec![headers(id, &head), data(id, &whole[..]), done(id)],
        &[("x-both", "head"), ("x-head", "1"), ("x-head", "2"), ("date", "now")],
    );
    is_direct(
        |id| vec![headers(id, &OK), data(id, &whole[..]), headers(id, &trailers).end_stream()],
        &[("x-both", "trailers"), ("x-trailers", "3")],
    );
}

/// A caller is not woken for a part of a response, and gets it however it was split.
#[test]
fn a_response_that_comes_in_pieces_is_direct() {
    client(async |mut peer, client| {
        let octets = |id| response(id, b"answer").iter().flat_map(Frame::encode).collect::<Vec<u8>>();
        for cut in 1..octets(1).len() {
            let call = client.spawn(&ECHO, b"message").await;
            let stream = peer.expect("a request", |frame| frame.kind == kind::HEADERS).await.stream;
            let octets = octets(stream);
            peer.send_octets(&octets[..cut]).await;
            for _ in 0..5 {
                tokio::task::yield_now().await;
            }
            assert!(!call.is_finished());
            peer.send_octets(&octets[cut..]).await;
            assert_eq!(call.await.unwrap().unwrap().message(), b"answer", "{cut}");
        }
        still_calls(&mut peer, &client).await;
    });
}

/// The general path gets what had come before a reset.
#[test]
fn a_reset_in_a_response() {
    client(async |mut peer, client| {
        let parts = |id| [headers(id, &OK), data(id, message(b"answer"))];
        for count in 0..=2 {
            let reset = |id| [&parts(id)[..count], &[rst_stream(id, code::INTERNAL_ERROR)]].concat();
            let outcome = answered(&mut peer, &client, reset).await;
            let error = match (outcome, count) {
                (Err(error), 0) => error,
                (Ok(Answered::General { body: Err(error), .. }), _) => error,
                (other, _) => panic!("{other:?}"),
            };
            let expected = Reason::INTERNAL_ERROR;
            assert!(
                matches!(error, Error::Reset { by: Side::Peer, reason } if reason == expected),
                "{error:?}"
            );
        }
        still_calls(&mut peer, &client).await;
    });
}

#[test]
fn a_call_that_the_server_refuses_can_be_made_again() {
    client(async |mut peer, client| {
        let refused = answered(&mut peer, &client, |id| vec![rst_stream(id, code::REFUSED_STREAM)]).await;
        assert!(refused.unwrap_err().is_unprocessed());
        still_calls(&mut peer, &client).await;
    });
}

#[test]
fn a_malformed_response_fails_the_call() {
    client(async |mut peer, client| {
        let wrong: [fn(u32) -> Vec<Frame>; 4] = [
            |id| vec![data(id, message(b"answer"))],
            |id| vec![headers(id, &OK), data(id, message(b"answer")), headers(id, &OK)],
            |id| vec![headers(id, &OK), headers(id, &DONE)],
            |id| vec![headers(id, &[OK[0], ("content-length", "3")]), data(id, message(b"answer"))],
        ];
        for frames in wrong {
            let outcome = answered(&mut peer, &client, frames).await;
            let error = match outcome {
                Err(error) | Ok(Answered::General { body: Err(error), .. }) => error,
                other => panic!("{other:?}"),
            };
            assert!(matches!(error, Error::Malformed(_)), "{error:?}");
            peer.expect("RST_STREAM", |frame| frame.kind == kind::RST_STREAM).await;
        }
        still_calls(&mut peer, &client).await;
    });
}

/// A server that answers before it has read everything ends the call.
#[test]
fn a_response_before_the_end_of_the_request() {
    super::scene::client_with(
        grpc_ipc_http2::Options::new(),
        &[(crate::util::frame::setting::INITIAL_WINDOW_SIZE, 10)],
        async |mut peer, client| {
            let Begun::Call(call) = client.begin(&ECHO, &HeaderMap::new(), None, &[7; 100]).await else {
                panic!("the call has to go elsewhere");
            };
            let call = tokio::spawn(super::scene::answer(call));
            let stream = peer.expect("a request", |frame| frame.kind == kind::HEADERS).await.stream;
            peer.send_all(&response(stream, b"early")).await;
            assert_eq!(call.await.unwrap().unwrap().message(), b"early");
            peer.expect_reset(stream, code::NO_ERROR).await;
        },
    );
}

/// Frames after the end of a response break the rules, and do not reach the caller.
#[test]
fn a_response_that_goes_on_after_its_end() {
    client(async |mut peer, client| {
        for _ in 0..3 {
            still_calls(&mut peer, &client).await;
        }
        let more: [fn(u32) -> Frame; 2] =
            [|id| data(id, message(b"more")), |id| headers(id, &DONE).end_stream()];
        for more in more {
            let call = client.spawn(&ECHO, b"message").await;
            let stream = peer.expect("a request", |frame| frame.kind == kind::HEADERS).await.stream;
            peer.send_all(&[&response(stream, b"answer")[..], &[more(stream)]].concat()).await;
            peer.expect_reset(stream, code::STREAM_CLOSED).await;
            _ = call.await.unwrap();
        }
        still_calls(&mut peer, &client).await;
    });
}
