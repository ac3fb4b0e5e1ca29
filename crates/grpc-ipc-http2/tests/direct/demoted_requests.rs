//! Requests that take the general path because something about them is unusual, and requests that only look unusual.

use http::HeaderMap;

use super::scene::{Served, call, head, head_with, message, request, server};
use super::service::{ECHO, OTHER};
use crate::util::frame::{
    Frame, code, continuation, data, headers, headers_of, kind, ping, rst_stream, window_update,
};
use crate::util::hpack::literals;

/// These frames are one request on stream 1, in one piece. It takes the general path with this body.
#[track_caller]
fn is_demoted(frames: &[Frame], body: &[u8]) {
    server(async |mut served| {
        served.peer.send_all(frames).await;
        let (all, trailers) = served.expect_general().await.unwrap();
        assert_eq!(all, body);
        assert_eq!(trailers, None);
        assert_eq!(served.peer.expect_response(1).await.body, body);
        assert_eq!(served.handle.direct_calls(), 0);
        served.still_serves(3).await;
    });
}

/// These requests stay direct.
#[track_caller]
fn is_direct(frames: &[Frame]) {
    server(async |mut served| {
        served.peer.send_all(frames).await;
        assert_eq!(served.expect_direct().await, b"message");
        assert_eq!(served.peer.expect_response(1).await.body, message(b"message"));
        served.still_serves(3).await;
    });
}

#[test]
fn a_message_in_two_frames() {
    let whole = message(b"message");
    for at in [1, 4, 5, 6, whole.len() - 1] {
        let (first, rest) = whole.split_at(at);
        is_demoted(&[head(1, &ECHO), data(1, first), data(1, rest).end_stream()], &whole);
    }
}

#[test]
fn an_end_of_its_own() {
    let whole = message(b"message");
    is_demoted(&[head(1, &ECHO), data(1, &whole[..]), data(1, []).end_stream()], &whole);
    is_demoted(&[head(1, &ECHO), data(1, []), data(1, &whole[..]).end_stream()], &whole);
}

#[test]
fn padding() {
    let whole = message(b"message");
    for padding in [0, 1, 200] {
        is_demoted(&[head(1, &ECHO), data(1, &whole[..]).padded(padding).end_stream()], &whole);
        is_direct(&[head(1, &ECHO).padded(padding), data(1, &whole[..]).end_stream()]);
    }
}

/// A message, if the padding length were part of it.
#[test]
fn padding_that_looks_like_a_part_of_something() {
    let body = &message(b"message")[1..];
    is_demoted(&[head(1, &ECHO), data(1, body).padded(0).end_stream()], body);
    server(async |mut served| {
        for id in [1, 3, 5] {
            served.still_serves(id).await;
        }
        let block = literals(&request(&ECHO));
        assert_eq!(block[0], 0, "as a length of padding");
        let padded = headers_of(7, &block[1..]).padded(0);
        assert_eq!(padded.payload, block);
        served.peer.send_all(&[padded, data(7, message(b"message")).end_stream()]).await;
        assert!(!matches!(served.peer.outcome(7).await, crate::util::raw::Outcome::Answered(_)));
        assert_eq!(served.handle.direct_calls(), 3);
    });
}

/// A body that contains whole calls, as octets, is just a body.
#[test]
fn calls_within_a_frame_of_others() {
    server(async |mut served| {
        for id in [1, 3, 5] {
            served.still_serves(id).await;
        }
        served.expect_direct_after(2).await;
        let inner: Vec<u8> = call(9, &ECHO, b"inner").iter().flat_map(Frame::encode).collect();
        let frame = data(7, [&inner[..], &inner[..]].concat()).end_stream().encode();
        let (first, rest) = frame.split_at(9);
        served.peer.send(head(7, &OTHER)).await;
        served.peer.send_octets(first).await;
        while served.handle.running() == 0 {
            tokio::task::yield_now().await;
        }
        served.peer.send_octets(rest).await;
        assert_eq!(served.expect_general().await.unwrap().0, [&inner[..], &inner[..]].concat());
        served.peer.expect_response(7).await;
        assert_eq!(served.handle.direct_calls(), 3);
        // Between the frames of a header block, no other frame may come.
        let unfinished = head(9, &OTHER).unfinished();
        served.peer.send_all(&[&[unfinished][..], &call(11, &ECHO, b"message")].concat()).await;
        // Before other frames come.
        for _ in 0..5 {
            tokio::task::yield_now().await;
        }
        served.peer.connection_error(code::PROTOCOL_ERROR).await;
        assert_eq!(served.handle.direct_calls(), 3);
    });
}

#[test]
fn headers_in_several_frames_or_with_a_priority_are_only_slower() {
    let block = literals(&request(&ECHO));
    let (first, rest) = block.split_at(10);
    let end = data(1, message(b"message")).end_stream();
    is_direct(&[headers_of(1, first).unfinished(), continuation(1, rest), end.clone()]);
    is_direct(&[head(1, &ECHO).prioritized(0, 15), end]);
}

#[test]
fn a_message_that_is_not_as_long_as_it_says() {
    for payload in [&b"\0\0\0\0\x03ab"[..], b"\0\0\0\0\x01ab", b"\0\0\0\0", b"", b"\0\xff\xff\xff\xffab"] {
        is_demoted(&[head(1, &ECHO), data(1, payload).end_stream()], payload);
    }
}

#[test]
fn two_messages() {
    let two = [message(b"one"), message(b"two")].concat();
    is_demoted(&[head(1, &ECHO), data(1, &two[..]).end_stream()], &two);
}

#[test]
fn a_message_that_says_that_it_is_compressed() {
    for flag in [1, 2, 255] {
        let mut payload = message(b"message");
        payload[0] = flag;
        is_demoted(&[head(1, &ECHO), data(1, &payload[..]).end_stream()], &payload);
    }
}

#[test]
fn no_message() {
    is_demoted(&[head(1, &ECHO).end_stream()], b"");
}

#[test]
fn fields_that_are_not_those_of_a_plain_call() {
    let end = data(1, message(b"message")).end_stream();
    let other = |name: &str, value: &'static str| {
        let fields = request(&ECHO).map(|field| if field.0 == name { (field.0, value) } else { field });
        headers(1, &fields)
    };
    for head in [
        head(1, &OTHER),
        other(":method", "PUT"),
        other(":path", "/test.Test/Echo?query"),
        other("content-type", "application/grpc-web"),
        other("content-type", "text/plain"),
        head_with(1, &ECHO, &[("grpc-encoding", "gzip")]),
    ] {
        is_demoted(&[head, end.clone()], &message(b"message"));
    }
    let agent = [("user-agent", "h2load"), ("grpc-accept-encoding", "gzip"), ("grpc-encoding", "identity")];
    for head in [
        other(":authority", "/run/test.sock"),
        other("content-type", "application/grpc+proto"),
        head_with(1, &ECHO, &agent),
        head_with(1, &ECHO, &[("grpc-timeout", "10S"), ("x-id", "1")]),
        head_with(1, &ECHO, &[("content-length", "12")]),
    ] {
        is_direct(&[head, end.clone()]);
    }
}

#[test]
fn trailers() {
    server(async |mut served| {
        let trailers = headers(1, &[("x-trailer", "yes")]).end_stream();
        served.peer.send_all(&[head(1, &ECHO), data(1, message(b"message")), trailers]).await;
        let (all, trailers) = served.expect_general().await.unwrap();
        assert_eq!(all, message(b"message"));
        assert_eq!(trailers.unwrap()["x-trailer"], "yes");
        served.peer.expect_response(1).await;
        // Also without a message.
        let trailers = headers(3, &[("x-trailer", "yes")]).end_stream();
        served.peer.send_all(&[head(3, &ECHO), trailers]).await;
        let (all, trailers) = served.expect_general().await.unwrap();
        assert!(all.is_empty() && trailers.is_some_and(|trailers: HeaderMap| trailers.len() == 1));
        served.peer.expect_response(3).await;
        served.still_serves(5).await;
    });
}

/// A request that has been read takes the general path at once, so that a streaming handler can begin.
#[test]
fn a_message_that_comes_after_its_head() {
    server(async |mut served| {
        served.peer.send(head(1, &ECHO)).await;
        served.peer.still_answers().await;
        assert_eq!(served.handle.running(), 1, "its handler is called");
        served.peer.send(data(1, message(b"message")).end_stream()).await;
        assert_eq!(served.expect_general().await.unwrap().0, message(b"message"));
        served.peer.expect_response(1).await;
        served.still_serves(3).await;
    });
}

#[test]
fn a_message_that_is_cut_by_the_end_of_what_is_read() {
    for cut in [1, 8, 9, 10, 14, 15, 20] {
        server(async |mut served| {
            let octets: Vec<u8> = call(1, &ECHO, b"message").iter().flat_map(Frame::encode).collect();
            let cut = head(1, &ECHO).encode().len() + cut;
            served.peer.send_octets(&octets[..cut]).await;
            while served.handle.running() == 0 {
                tokio::task::yield_now().await;
            }
            served.peer.send_octets(&octets[cut..]).await;
            assert_eq!(served.expect_general().await.unwrap().0, message(b"message"));
            assert_eq!(served.peer.expect_response(1).await.body, message(b"message"));
            served.still_serves(3).await;
        });
    }
}

/// Like clients with many requests, which send all heads first (h2load does).
#[test]
fn requests_that_are_mixed_are_direct() {
    server(async |mut served| {
        for round in 0..5 {
            let ids = (0..3).map(|call| 2 * (3 * round + call) + 1);
            let ends = ids.clone().rev().map(|id| data(id, message(&[id as u8])).end_stream());
            let frames: Vec<Frame> =
                ids.clone().map(|id| head_with(id, &ECHO, &[("content-length", "6")])).collect();
            let frames = [frames, ends.collect()].concat();
            served.peer.send_all(&frames).await;
            for id in ids.rev() {
                assert_eq!(served.peer.expect_response(id).await.body, message(&[id as u8]));
            }
        }
        assert_eq!(served.handle.direct_calls(), 15);
    });
}

/// Frames of other streams do not end the read.
#[test]
fn other_frames_between_are_passed_by() {
    server(async |mut served| {
        let frames = [
            head(1, &ECHO),
            ping(*b"between!"),
            window_update(0, 10),
            head(3, &OTHER),
            data(1, message(b"message")).end_stream(),
            data(3, message(b"other")).end_stream(),
        ];
        served.peer.send_all(&frames).await;
        served.peer.expect("the answer to a PING", |frame| frame.kind == kind::PING).await;
        assert_eq!(served.expect_direct().await, b"message");
        assert_eq!(served.expect_general().await.unwrap().0, message(b"other"));
        served.peer.expect_response(1).await;
    });
}

/// Requests on the general path, among direct ones, have their handlers called in order.
#[test]
fn demoted_requests_keep_their_order() {
    server(async |mut served| {
        let frames = [
            head(1, &ECHO),
            head(3, &OTHER),
            head(5, &ECHO),
            data(3, message(b"3")).end_stream(),
            head(7, &OTHER).end_stream(),
            rst_stream(3, code::CANCEL),
        ];
        served.peer.send_all(&frames).await;
        served.peer.still_answers().await;
        served
            .peer
            .send_all(&[data(5, message(b"5")).end_stream(), data(1, message(b"1")).end_stream()])
            .await;
        for id in [5, 1] {
            served.peer.expect_response(id).await;
        }
        served.still_serves(9).await;
    });
}

#[test]
fn demoted_requests_are_called_in_their_order() {
    server(async |mut served| {
        // The second one is demoted first.
        let parts = |id: u32| {
            let whole = message(&[id as u8]);
            [data(id, &whole[..3]), data(id, &whole[3..]).end_stream()]
        };
        let frames = [&[head(1, &ECHO), head(3, &ECHO)][..], &parts(3), &parts(1)].concat();
        served.peer.send_all(&frames).await;
        for id in [1, 3] {
            assert_eq!(served.expect_general().await.unwrap().0, message(&[id]));
        }
    });
}

async fn is_malformed(served: &mut Served, frames: &[Frame]) {
    let stream = frames[0].stream;
    served.peer.send_all(frames).await;
    served.peer.expect_reset(stream, code::PROTOCOL_ERROR).await;
}

#[test]
fn a_content_length_has_to_be_that_of_the_data() {
    server(async |mut served| {
        for (round, length) in ["0", "7", "11", "13", "18446744073709551615"].into_iter().enumerate() {
            // Also once the head is known.
            for again in 0..4 {
                let id = (8 * round + 2 * again + 1) as u32;
                let head = head_with(id, &ECHO, &[("content-length", length)]);
                is_malformed(&mut served, &[head, data(id, message(b"message")).end_stream()]).await;
            }
        }
        assert_eq!((served.handle.direct_calls(), served.handle.running()), (0, 0));
        served.still_serves(101).await;
        // The handlers of those on the general path may have been called, but none of their bodies was complete.
        while let Ok(seen) = served.seen.try_recv() {
            assert!(!matches!(seen, super::service::Seen::General(Ok(_))), "{seen:?}");
        }
    });
}
