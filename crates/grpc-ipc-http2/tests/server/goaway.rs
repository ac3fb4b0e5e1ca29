//! RFC 9113, 6.8: GOAWAY.

use super::{GET, request};
use crate::util::engine::Options;
use crate::util::frame::{Frame, code, data, flag, goaway, headers, kind, ping};
use crate::util::raw::RawPeer;
use crate::util::{server, server_to_shut_down};

#[test]
fn rfc9113_6_8_goaway_on_a_stream_is_a_connection_error() {
    server(async |mut peer| {
        peer.send(headers(1, &request("GET", "/wait")).end_stream()).await;
        peer.send(Frame { stream: 1, ..goaway(0, code::NO_ERROR) }).await;
        peer.connection_error(code::PROTOCOL_ERROR).await;
    });
}

#[test]
fn rfc9113_6_8_goaway_that_is_too_short_is_a_connection_error() {
    for size in [0, 4, 7] {
        server(async |mut peer| {
            peer.send(Frame::new(kind::GOAWAY, 0, 0, vec![0; size])).await;
            peer.connection_error(code::FRAME_SIZE_ERROR).await;
        });
    }
}

#[test]
fn rfc9113_6_8_requests_from_before_goaway_are_served() {
    server(async |mut peer| {
        peer.send(headers(1, &request("POST", "/echo"))).await;
        let mut frame = goaway(0, code::NO_ERROR);
        frame.payload.extend(b"debug data");
        peer.send(frame).await;
        peer.send(data(1, "body").end_stream()).await;
        let mut body: Vec<u8> = Vec::new();
        loop {
            // The server can announce its own shutdown.
            let frame = peer.next().await.expect("the response");
            if frame.stream == 1 && frame.kind == kind::DATA {
                body.extend(&frame.payload);
            }
            if frame.stream == 1 && frame.has(flag::END_STREAM) {
                break;
            }
        }
        assert_eq!(body, b"body");
    });
}

/// The next GOAWAY of a server that is shutting down: returns its last stream. PING is answered on the way, because a
/// server may use it to learn what the client has sent so far.
async fn expect_shutdown(peer: &mut RawPeer) -> u32 {
    loop {
        let frame = peer.next().await.expect("GOAWAY");
        match frame.kind {
            kind::GOAWAY => {
                assert_eq!(frame.u32(4), code::NO_ERROR);
                return frame.u32(0);
            }
            kind::PING if !frame.has(flag::ACK) => peer.send(frame.with(flag::ACK)).await,
            _ => {}
        }
    }
}

#[test]
fn rfc9113_6_8_a_server_that_shuts_down_finishes_what_it_has_taken() {
    server_to_shut_down(Options::new(), async |mut peer, mut events, shut_down| {
        peer.greet_server(&[]).await;
        peer.send(headers(1, &request("POST", "/echo"))).await;
        events.recv().await.unwrap();
        shut_down.send(()).unwrap();
        let first = expect_shutdown(&mut peer).await;
        assert!(first >= 1, "{first}");
        peer.send(data(1, "body").end_stream()).await;
        let (mut last, mut body, mut ended) = (first, Vec::<u8>::new(), false);
        while let Some(frame) = peer.next().await {
            match frame.kind {
                kind::PING if !frame.has(flag::ACK) => peer.send(frame.with(flag::ACK)).await,
                kind::GOAWAY => {
                    assert!(frame.u32(0) <= last, "RFC 9113, 6.8: the last stream never goes up");
                    assert_eq!(frame.u32(4), code::NO_ERROR);
                    last = frame.u32(0);
                }
                kind::DATA => {
                    body.extend(&frame.payload);
                    ended |= frame.has(flag::END_STREAM);
                }
                _ => {}
            }
        }
        assert!(ended, "the response is cut off");
        assert_eq!(body, b"body");
        assert_eq!(last, 1, "the last stream that was taken");
    });
}

#[test]
fn rfc9113_6_8_a_request_that_crosses_the_first_goaway_is_served_or_unprocessed() {
    server_to_shut_down(Options::new(), async |mut peer, mut events, shut_down| {
        peer.greet_server(&[]).await;
        shut_down.send(()).unwrap();
        let mut last = u32::MAX;
        peer.send_all(&[headers(1, &GET).end_stream(), ping(*b"crossing")]).await;
        let mut answered = false;
        while let Some(frame) = peer.next().await {
            match frame.kind {
                kind::PING if !frame.has(flag::ACK) => peer.send(frame.with(flag::ACK)).await,
                kind::GOAWAY => last = frame.u32(0),
                kind::RST_STREAM => assert_eq!(frame.u32(0), code::REFUSED_STREAM),
                kind::HEADERS => answered = true,
                _ => {}
            }
        }
        let seen = events.try_recv().is_ok();
        assert_eq!(seen, answered, "what the service sees is answered");
        assert!(!seen || last >= 1, "RFC 9113, 6.8: stream 1 was processed, the last one is {last}");
    });
}

/// h2 answers a ping ahead of the requests that it has begun but not yet written.
#[test]
fn rfc9113_6_8_a_request_that_follows_the_answer_to_the_first_ping_is_served() {
    server_to_shut_down(Options::new(), async |mut peer, _events, shut_down| {
        peer.greet_server(&[]).await;
        shut_down.send(()).unwrap();
        peer.expect_going_away().await;
        let ping = peer.expect("PING", |frame| frame.kind == kind::PING && !frame.has(flag::ACK)).await;
        peer.send_all(&[ping.with(flag::ACK), headers(1, &GET).end_stream()]).await;
        let (mut last, mut answered) = (u32::MAX, false);
        while let Some(frame) = peer.next().await {
            match frame.kind {
                kind::PING if !frame.has(flag::ACK) => peer.send(frame.with(flag::ACK)).await,
                kind::GOAWAY => last = frame.u32(0),
                kind::HEADERS => answered |= frame.stream == 1,
                _ => {}
            }
        }
        assert!(answered, "the request was not served");
        assert_eq!(last, 1);
    });
}

#[test]
fn rfc9113_6_8_an_idle_server_that_shuts_down_closes() {
    server_to_shut_down(Options::new(), async |mut peer, _events, shut_down| {
        peer.greet_server(&[]).await;
        shut_down.send(()).unwrap();
        expect_shutdown(&mut peer).await;
        while let Some(frame) = peer.next().await {
            if frame.kind == kind::PING && !frame.has(flag::ACK) {
                peer.send(frame.with(flag::ACK)).await;
            }
        }
    });
}
