//! The limits of a connection apply to direct calls.

use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use grpc_ipc_http2::direct::Begun;
use grpc_ipc_http2::{Error, Options, Reason};
use http::HeaderMap;
use tokio::time::sleep;

use super::demoted_responses::{answered, response, still_calls};
use super::scene::{
    Served, answer, call, client, client_with, head, head_with, message, request, server, server_with,
};
use super::service::{ECHO, LATER, LATER_SIZE, OTHER, SIZE, Seen};
use crate::util::frame::{
    Frame, code, data, flag, goaway, headers, headers_of, kind, ping, rst_stream, setting, settings,
    window_update,
};
use crate::util::hpack::literals;
use crate::util::raw::Outcome;

/// No stream has a window.
const SHUT: [(u16, u32); 1] = [(setting::INITIAL_WINDOW_SIZE, 0)];
const MAX: usize = 1 << 20;
const PIECE: usize = 100_000;
/// The number of answers that are kept. The last one exceeds the limit.
const KEPT: usize = MAX / PIECE + 1;
const CALLS: u32 = 50;

fn ids(count: u32) -> impl Iterator<Item = u32> {
    (0..count).map(|index| 2 * index + 1)
}

/// Requests more than is kept for a client. None of it can be sent.
async fn ask_for_much(served: &mut Served) {
    let frames: Vec<Frame> = ids(CALLS).flat_map(|id| call(id, &SIZE, b"100000")).collect();
    served.peer.send_all(&frames).await;
    served.peer.still_answers().await;
    for _ in 0..KEPT {
        served.expect_direct().await;
    }
    assert!(served.seen.try_recv().is_err(), "more handlers are called");
    assert_eq!(served.handle.running(), CALLS as usize - KEPT);
}

async fn expect_whole(served: &mut Served, count: usize) {
    for _ in 0..count {
        let is_end = |frame: &Frame| frame.kind == kind::HEADERS && frame.has(flag::END_STREAM);
        let end = served.peer.expect("trailers", is_end).await;
        assert!(end.fields.contains(&("grpc-status".into(), "0".into())), "{end:?}");
    }
}

#[test]
fn handlers_are_not_called_while_much_is_kept_for_the_client() {
    server_with(Options::new().max_unsent(MAX), &SHUT, async |mut served| {
        ask_for_much(&mut served).await;
        // The client takes what it requested.
        let open = ids(CALLS).map(|id| window_update(id, 1 << 20));
        served.peer.send_all(&[window_update(0, 1 << 30)]).await;
        served.peer.send_all(&open.collect::<Vec<_>>()).await;
        expect_whole(&mut served, CALLS as usize).await;
        assert_eq!(served.handle.direct_calls(), CALLS.into());
        served.handle.finished().await;
    });
}

#[test]
fn calls_of_a_client_that_takes_nothing_are_refused() {
    server_with(Options::new().max_unsent(MAX), &SHUT, async |mut served| {
        ask_for_much(&mut served).await;
        for _ in 0..CALLS as usize - KEPT {
            let is_refusal = |frame: &Frame| {
                frame.kind == kind::HEADERS && frame.fields.contains(&("grpc-status".into(), "8".into()))
            };
            served.peer.expect("a refusal", is_refusal).await;
        }
        assert!(served.seen.try_recv().is_err(), "more handlers are called");
        served.handle.finished().await;
    });
}

/// Waiting requests are dropped when their client cancels them, or the connection ends.
#[test]
fn calls_that_wait_are_dropped() {
    server_with(Options::new().max_unsent(MAX), &SHUT, async |mut served| {
        ask_for_much(&mut served).await;
        let resets = ids(CALLS).map(|id| rst_stream(id, code::CANCEL));
        served.peer.send_all(&resets.collect::<Vec<_>>()).await;
        served.handle.finished().await;
        assert!(served.seen.try_recv().is_err(), "more handlers are called");
        ask_for_more(&mut served).await;
    });
    server_with(Options::new().max_unsent(MAX), &SHUT, async |mut served| {
        ask_for_much(&mut served).await;
        served.handle.close();
        served.handle.finished().await;
        _ = served.connection.await;
        assert!(served.seen.try_recv().is_err(), "more handlers are called");
    });
}

async fn ask_for_more(served: &mut Served) {
    served.peer.send_all(&call(1001, &ECHO, b"")).await;
    served.expect_direct().await;
    served.peer.send(window_update(1001, 100)).await;
    served.peer.expect_response(1001).await;
}

/// The answers of handlers that were called earlier are not encoded.
#[test]
fn answers_are_not_encoded_while_much_is_kept_for_the_client() {
    for takes in [true, false] {
        server_with(Options::new().max_unsent(MAX), &SHUT, async |mut served| {
            let frames: Vec<Frame> = ids(CALLS).flat_map(|id| call(id, &LATER_SIZE, b"100000")).collect();
            served.peer.send_all(&frames).await;
            for _ in 0..CALLS {
                served.expect_direct().await;
                let Some(Seen::Waits(answer)) = served.seen.recv().await else { panic!("no handler") };
                answer.send(()).unwrap();
            }
            sleep(Duration::from_secs(1)).await;
            assert_eq!(served.service.encoded.load(Relaxed), KEPT * PIECE);
            assert_eq!(served.handle.running(), CALLS as usize - KEPT);
            if takes {
                let open = ids(CALLS).map(|id| window_update(id, 1 << 20));
                served.peer.send_all(&[window_update(0, 1 << 30)]).await;
                served.peer.send_all(&open.collect::<Vec<_>>()).await;
                expect_whole(&mut served, CALLS as usize).await;
            }
            served.handle.finished().await;
            let encoded = if takes { CALLS as usize } else { KEPT };
            assert_eq!(served.service.encoded.load(Relaxed), encoded * PIECE);
        });
    }
}

#[test]
fn streams_beyond_the_limit_are_refused() {
    server_with(Options::new().max_concurrent_streams(2), &[], async |mut served| {
        for round in 0..5 {
            // Also those that are complete in the same read.
            let first = 8 * round + 1;
            let calls = (0..4).map(|call| first + 2 * call).flat_map(|id| call(id, &ECHO, b"message"));
            served.peer.send_all(&calls.collect::<Vec<_>>()).await;
            served.peer.expect_reset(first + 4, code::REFUSED_STREAM).await;
            served.peer.expect_reset(first + 6, code::REFUSED_STREAM).await;
            served.peer.expect_response(first).await;
            served.peer.expect_response(first + 2).await;
        }
        served.still_serves(101).await;
    });
}

/// Handlers that continue after a reset count, too.
#[test]
fn handlers_that_outlive_their_streams_are_bounded() {
    const LIMIT: u32 = 3;
    server_with(Options::new().max_concurrent_streams(LIMIT), &[], async |mut served| {
        let mut frames = Vec::new();
        for id in ids(10 * LIMIT) {
            frames.extend(call(id, &LATER, b"message"));
            frames.push(rst_stream(id, code::CANCEL));
        }
        // Requests that are reset in the same read are not passed on.
        served.peer.send_all(&frames).await;
        served.peer.still_answers().await;
        assert_eq!((served.handle.direct_calls(), served.handle.running()), (0, 0));
        served.still_serves(101).await;
    });
}

const BURST: u32 = 20;

#[test]
fn resets_before_a_handler_was_called_are_counted() {
    // The message may have come or not.
    for complete in [true, false] {
        server_with(Options::new().max_resets(BURST, 0), &[], async |mut served| {
            let count = 40 * BURST;
            let frames = ids(count).flat_map(|id| {
                let [head, data] = call(id, &ECHO, b"message");
                let reset = rst_stream(id, code::CANCEL);
                if complete { vec![head, data, reset] } else { vec![head, reset] }
            });
            served.peer.send_all(&frames.collect::<Vec<_>>()).await;
            served.peer.expect_goaway(&[code::ENHANCE_YOUR_CALM]).await;
            assert_eq!((served.handle.direct_calls(), served.handle.running()), (0, 0));
        });
    }
}

/// Any number of calls, with any frames that calls consist of.
#[test]
fn calls_in_good_faith_go_on() {
    server_with(Options::new().max_resets(10, 0).max_control_frames(20, 0), &[], async |mut served| {
        for round in 0..200 {
            let first = 40 * round + 1;
            let calls = (0..20).map(|call| first + 2 * call).flat_map(|id| {
                let [head, data] = call(id, &ECHO, &[7; 1000]);
                [head, data, window_update(0, 1000), window_update(id, 10)]
            });
            served.peer.send_all(&calls.collect::<Vec<_>>()).await;
            for id in (0..20).map(|call| first + 2 * call) {
                served.peer.expect_response(id).await;
            }
        }
    });
}

/// The windows are given back: both ends pass many times their size.
#[test]
fn windows_are_given_back() {
    server(async |mut served| {
        for id in ids(2000) {
            let [head, data] = call(id, &ECHO, &[7; 16_000]);
            served.peer.wait_for_window(0, data.payload.len()).await;
            served.peer.send_all(&[head, data, window_update(0, 16_005)]).await;
            assert_eq!(served.peer.expect_response(id).await.body.len(), 16_005);
        }
        assert!(served.handle.direct_calls() > 1900, "{}", served.handle.direct_calls());
    });
    client(async |mut peer, client| {
        for _ in 0..2000 {
            let call = client.spawn(&ECHO, &[7; 1000]).await;
            let stream = peer.expect("a request", |frame| frame.kind == kind::HEADERS).await.stream;
            peer.wait_for_window(0, 16_005).await;
            let [head, data, end] = response(stream, &[7; 16_000]);
            peer.send_all(&[head, data, end, window_update(0, 1005)]).await;
            assert_eq!(call.await.unwrap().unwrap().direct().len(), 16_000);
        }
    });
}

/// A peer that sends again on a stream that it has ended.
#[test]
fn a_request_that_goes_on_after_its_end() {
    let more: [fn() -> Frame; 4] = [
        || data(1, message(b"message")).end_stream(),
        || data(1, []),
        || head(1, &ECHO),
        || headers(1, &[("x", "y")]).end_stream(),
    ];
    for more in more {
        server(async |mut served| {
            served.peer.send_all(&[&call(1, &ECHO, b"message")[..], &[more()]].concat()).await;
            served.peer.expect_outcome(1, &[Outcome::Reset(code::STREAM_CLOSED)]).await;
            assert_eq!((served.handle.direct_calls(), served.handle.running()), (0, 0));
            served.still_serves(3).await;
        });
        // After the answer: the first time, and when the sent blocks are known.
        for before in [0, 5] {
            server(async |mut served| {
                for id in (3..).step_by(2).take(before) {
                    served.still_serves(id).await;
                }
                let id = 2 * before as u32 + 3;
                served.peer.send_all(&call(id, &ECHO, b"message")).await;
                served.peer.expect_response(id).await;
                served.peer.send(Frame { stream: id, ..more() }).await;
                let outcome = served.peer.outcome(id).await;
                let accepted =
                    [Outcome::Reset(code::STREAM_CLOSED), Outcome::ConnectionError(code::STREAM_CLOSED)];
                assert!(accepted.contains(&outcome), "{outcome:?}");
            });
        }
    }
}

#[test]
fn streams_that_a_client_cannot_open() {
    for wrong in [2, 1, 14] {
        server(async |mut served| {
            served.still_serves(1).await;
            served.still_serves(3).await;
            for id in [5, 7, 9, 11] {
                served.still_serves(id).await;
            }
            served.peer.send_all(&call(wrong, &ECHO, b"message")).await;
            assert!(matches!(served.peer.outcome(wrong).await, Outcome::ConnectionError(_)));
            assert_eq!(served.handle.direct_calls(), 6);
        });
    }
}

#[test]
fn a_connection_that_goes_away_takes_no_more_calls() {
    server(async |mut served| {
        for id in ids(5) {
            served.still_serves(id).await;
        }
        served.handle.graceful_shutdown();
        served.peer.expect_going_away().await;
        // Until the client knows.
        served.peer.send_all(&call(11, &LATER, b"message")).await;
        served.expect_direct_after(5).await;
        let Some(Seen::Waits(told)) = served.seen.recv().await else { panic!("no handler") };
        let ping = served.peer.expect("a PING", |frame| frame.kind == kind::PING).await;
        served.peer.send(ping.with(flag::ACK)).await;
        let frame = served.peer.expect_going_away().await;
        assert_eq!(frame.u32(0), 11);
        served.peer.send_all(&call(13, &ECHO, b"message")).await;
        served.peer.expect_silence_on(13).await;
        assert_eq!(served.handle.direct_calls(), 6);
        told.send(()).unwrap();
        served.peer.expect_response(11).await;
        served.peer.expect_end().await;
    });
}

#[test]
fn a_client_whose_server_goes_away_calls_elsewhere() {
    client(async |mut peer, client| {
        still_calls(&mut peer, &client).await;
        let calls = [client.spawn(&ECHO, b"1").await, client.spawn(&ECHO, b"2").await];
        peer.expect("a request", |frame| frame.kind == kind::HEADERS && frame.stream == 5).await;
        peer.send_all(&[&[goaway(3, code::NO_ERROR)][..], &response(3, b"answer")].concat()).await;
        let [first, second] = calls;
        assert_eq!(first.await.unwrap().unwrap().direct(), b"answer");
        assert!(matches!(second.await.unwrap(), Err(Error::Unprocessed)));
        for size in [1, 10_000] {
            let begun = client.begin(&ECHO, &HeaderMap::new(), None, &vec![7; size]).await;
            assert!(matches!(begun, Begun::Elsewhere), "{begun:?}");
        }
    });
}

#[test]
fn metadata_that_the_client_does_not_take() {
    server(async |mut served| {
        for id in ids(5) {
            served.still_serves(id).await;
        }
        // The minimum size of a response exceeds this.
        served.peer.send(settings(&[(setting::MAX_HEADER_LIST_SIZE, 90)])).await;
        served.peer.send_all(&call(11, &ECHO, b"message")).await;
        served.peer.expect_reset(11, code::INTERNAL_ERROR).await;
        served.handle.finished().await;
        // Enough for that, but not for the metadata.
        served.peer.send(settings(&[(setting::MAX_HEADER_LIST_SIZE, 250)])).await;
        let large = "x".repeat(200);
        let head = head_with(13, &ECHO, &[("x-large", &large)]);
        served.peer.send_all(&[head, data(13, message(b"message")).end_stream()]).await;
        let response = served.peer.expect_response(13).await;
        assert_eq!((response.field("grpc-status"), &response.body[..]), ("8", &b""[..]));
        // Nor is an earlier block sent again.
        let head = |id| head_with(id, &ECHO, &[("x-same", "value"), ("x-other", "value")]);
        for id in (15..25).step_by(2) {
            served.peer.send_all(&[head(id), data(id, message(b"message")).end_stream()]).await;
            assert_eq!(served.peer.expect_response(id).await.field("x-same"), "value");
        }
        served.peer.send(settings(&[(setting::MAX_HEADER_LIST_SIZE, 150)])).await;
        served.peer.send_all(&[head(25), data(25, message(b"message")).end_stream()]).await;
        let response = served.peer.expect_response(25).await;
        assert_eq!((response.field("grpc-status"), &response.body[..]), ("8", &b""[..]));
        served.still_serves(27).await;
    });
}

#[test]
fn metadata_that_the_server_does_not_take() {
    client(async |mut peer, client| {
        let same = super::scene::fields(&[("x-same", "value")]);
        for _ in 0..5 {
            still_calls(&mut peer, &client).await;
            let Begun::Call(call) = client.begin(&ECHO, &same, None, b"message").await else {
                panic!("the call has to go elsewhere");
            };
            let call = tokio::spawn(answer(call));
            let stream = peer.expect("a request", |frame| frame.kind == kind::HEADERS).await.stream;
            peer.send_all(&response(stream, b"answer")).await;
            call.await.unwrap().unwrap().direct();
        }
        peer.send(settings(&[(setting::MAX_HEADER_LIST_SIZE, 200)])).await;
        peer.still_answers().await;
        for metadata in [HeaderMap::new(), same] {
            for size in [10, 10_000] {
                let begun = client.begin(&ECHO, &metadata, None, &vec![7; size]).await;
                assert!(matches!(begun, Begun::Failed(Error::Unsendable(_))), "{begun:?}");
            }
        }
        peer.send(settings(&[(setting::MAX_HEADER_LIST_SIZE, 1 << 20)])).await;
        peer.still_answers().await;
        still_calls(&mut peer, &client).await;
    });
}

/// The compression tables change while the same blocks are sent repeatedly.
#[test]
fn a_peer_that_changes_its_table() {
    server(async |mut served| {
        let mut ids = ids(1000);
        for size in [0, 4096, 100, 0, 4096] {
            for id in ids.by_ref().take(5) {
                served.still_serves(id).await;
            }
            served.peer.send(settings(&[(setting::HEADER_TABLE_SIZE, size)])).await;
            for id in ids.by_ref().take(5) {
                let head = head_with(id, &ECHO, &[("x-id", "value")]);
                served.peer.send_all(&[head, data(id, message(b"message")).end_stream()]).await;
                assert_eq!(served.peer.expect_response(id).await.field("x-id"), "value");
            }
        }
    });
    client(async |mut peer, client| {
        for size in [0, 4096, 100, 0, 4096] {
            for _ in 0..5 {
                still_calls(&mut peer, &client).await;
            }
            peer.send(settings(&[(setting::HEADER_TABLE_SIZE, size)])).await;
            peer.still_answers().await;
        }
    });
}

/// Nothing is sent on a connection that is not established, or that the server has closed.
#[test]
fn a_connection_that_is_not_there() {
    super::scene::run(async || {
        let (ours, theirs) = tokio::io::duplex(1000);
        let (send, connection) = grpc_ipc_http2::client::handshake(theirs, &Options::new());
        tokio::spawn(connection);
        let client = super::scene::Client(send);
        let begun = client.begin(&ECHO, &HeaderMap::new(), None, b"message").await;
        assert!(matches!(begun, Begun::Elsewhere), "{begun:?}");
        drop(ours);
        while client.0.failure().is_none() {
            tokio::task::yield_now().await;
        }
        let begun = client.begin(&ECHO, &HeaderMap::new(), None, b"message").await;
        assert!(matches!(begun, Begun::Elsewhere), "{begun:?}");
    });
}

/// The end of a connection ends its calls, with the server's reason.
#[test]
fn a_connection_that_ends() {
    client(async |mut peer, client| {
        let calls = [client.spawn(&ECHO, b"1").await, client.spawn(&ECHO, b"2").await];
        peer.expect("a request", |frame| frame.kind == kind::HEADERS && frame.stream == 3).await;
        peer.send(goaway(3, code::ENHANCE_YOUR_CALM)).await;
        peer.close().await;
        for call in calls {
            let error = call.await.unwrap().unwrap_err();
            let expected = Reason::ENHANCE_YOUR_CALM;
            assert!(matches!(&error, Error::GoAway { reason, .. } if *reason == expected), "{error:?}");
        }
    });
}

/// A DATA frame beyond the window of a stream is not handled directly.
#[test]
fn a_server_that_sends_more_than_the_window() {
    client_with(Options::new().initial_stream_window(65_535), &[], async |mut peer, client| {
        let outcome = answered(&mut peer, &client, |id| {
            let [head, piece, _] = response(id, &[7; 16_000]);
            [vec![head], vec![piece; 9]].concat()
        });
        let error = match outcome.await {
            Err(error) | Ok(super::scene::Answered::General { body: Err(error), .. }) => error,
            other => panic!("{other:?}"),
        };
        assert!(matches!(error, Error::Reset { reason: Reason::FLOW_CONTROL_ERROR, .. }), "{error:?}");
    });
}

/// Calls and other streams share the window of the connection, and their order.
#[test]
fn a_window_of_the_connection_that_is_used_up() {
    server(async |mut served| {
        for id in ids(5) {
            served.still_serves(id).await;
        }
        let open = [settings(&[(setting::INITIAL_WINDOW_SIZE, 1 << 20)]), window_update(0, 5 * 10)];
        served.peer.send_all(&open).await;
        served.peer.send_all(&call(11, &SIZE, b"70000")).await;
        served.peer.send_all(&call(13, &ECHO, b"message")).await;
        served.peer.send_all(&[head(15, &OTHER), data(15, message(b"other")).end_stream()]).await;
        served.peer.send(ping(*b"nothing!")).await;
        let mut sent = 0;
        loop {
            let frame = served.peer.next().await.unwrap();
            match frame.kind {
                kind::DATA => {
                    assert_eq!(frame.stream, 11);
                    sent += frame.payload.len();
                }
                kind::PING => break,
                _ => {}
            }
        }
        assert!(sent < 70_005, "{sent}");
        served.peer.send(window_update(0, 1 << 20)).await;
        let mut ends = Vec::new();
        while ends.len() < 3 {
            let frame = served.peer.next().await.unwrap();
            if frame.has(flag::END_STREAM) && frame.kind == kind::HEADERS {
                ends.push(frame.stream);
            }
        }
        assert_eq!(ends, [11, 13, 15]);
    });
}

/// A call whose request waits for a window is cancelled before it is sent.
#[test]
fn a_request_that_waits_for_a_window() {
    client_with(Options::new(), &SHUT, async |mut peer, client| {
        for size in [10, 10_000] {
            let Begun::Call(waits) = client.begin(&ECHO, &HeaderMap::new(), None, &vec![7; size]).await
            else {
                panic!("the call has to go elsewhere");
            };
            let stream = peer.expect("a request", |frame| frame.kind == kind::HEADERS).await.stream;
            peer.expect_silence_on(stream).await;
            peer.send(window_update(stream, 3)).await;
            assert_eq!(peer.expect_on(stream).await.payload.len(), 3);
            drop(waits);
            peer.expect_reset(stream, code::CANCEL).await;
            let Begun::Call(goes) = client.begin(&ECHO, &HeaderMap::new(), None, &vec![7; size]).await else {
                panic!("the call has to go elsewhere");
            };
            let goes = tokio::spawn(answer(goes));
            let stream = peer.expect("a request", |frame| frame.kind == kind::HEADERS).await.stream;
            peer.send(window_update(stream, 100_000)).await;
            let request = peer.expect_on(stream).await;
            assert_eq!(request.payload, message(&vec![7; size]));
            assert!(request.has(flag::END_STREAM));
            peer.send_all(&response(stream, b"answer")).await;
            assert_eq!(goes.await.unwrap().unwrap().direct(), b"answer");
        }
    });
}

/// Every use of the connection's window counts for direct calls, to the octet.
#[test]
fn calls_keep_to_the_window_of_the_connection() {
    const WINDOW: usize = 65_535;
    const ANSWER: usize = 4000 + 5;
    server(async |mut served| {
        let mut left = WINDOW;
        for id in ids(100) {
            if left < ANSWER {
                served.peer.send_all(&call(id, &SIZE, b"4000")).await;
                let whole = served.peer.expect_on(id).await;
                assert_eq!(whole.kind, kind::HEADERS);
                assert_eq!(served.peer.expect_on(id).await.payload.len(), left);
                served.peer.expect_silence_on(id).await;
                served.peer.send(window_update(0, 100_000)).await;
                assert_eq!(served.peer.expect_on(id).await.payload.len(), ANSWER - left);
                return;
            }
            served.peer.send_all(&call(id, &SIZE, b"4000")).await;
            assert_eq!(served.peer.expect_response(id).await.body.len(), ANSWER);
            left -= ANSWER;
        }
    });
    client(async |mut peer, client| {
        let mut left = WINDOW;
        while left >= ANSWER {
            let call = client.spawn(&ECHO, &[7; 4000]).await;
            let stream = peer.expect("a request", |frame| frame.kind == kind::HEADERS).await.stream;
            assert_eq!(peer.expect_on(stream).await.payload.len(), ANSWER);
            peer.send_all(&response(stream, b"answer")).await;
            call.await.unwrap().unwrap().direct();
            left -= ANSWER;
        }
        let _call = client.spawn(&ECHO, &[7; 4000]).await;
        let stream = peer.expect("a request", |frame| frame.kind == kind::HEADERS).await.stream;
        assert_eq!(peer.expect_on(stream).await.payload.len(), left);
        peer.expect_silence_on(stream).await;
        peer.send(window_update(0, 100_000)).await;
        assert_eq!(peer.expect_on(stream).await.payload.len(), ANSWER - left);
    });
}

/// Answered calls offset calls that are cancelled early.
#[test]
fn calls_give_back_what_resets_cost() {
    server_with(Options::new().max_resets(1, 0), &[], async |mut served| {
        for round in 0..200 {
            let (reset, id) = (4 * round + 1, 4 * round + 3);
            let frames = [&call(reset, &ECHO, b"message")[..], &[rst_stream(reset, code::CANCEL)]].concat();
            served.peer.send_all(&frames).await;
            served.still_serves(id).await;
        }
    });
}

/// A block that refers to the table has another meaning after the table has changed.
#[test]
fn a_block_that_comes_again_in_another_table() {
    server(async |mut served| {
        let add = |value: u8| vec![0x40, 4, b'x', b'-', b'i', b'd', 1, value];
        let plain = literals(&request(&ECHO));
        let mut ids = ids(100);
        for value in [b'1', b'2', b'3'] {
            let first = ids.next().unwrap();
            let frames = [
                headers_of(first, [&plain[..], &add(value)].concat()),
                data(first, message(b"message")).end_stream(),
            ];
            served.peer.send_all(&frames).await;
            served.peer.expect_response(first).await;
            for id in ids.by_ref().take(5) {
                // The newest entry of the table.
                let head = headers_of(id, [&plain[..], &[0x80 | 62]].concat());
                served.peer.send_all(&[head, data(id, message(b"message")).end_stream()]).await;
                let response = served.peer.expect_response(id).await;
                assert_eq!(response.field("x-id").as_bytes(), [value]);
            }
        }
        assert_eq!(served.handle.direct_calls(), 18);
    });
}

/// A client that continues has not left an unfinished frame.
#[test]
fn frames_that_each_read_cuts_are_no_frame_that_does_not_end() {
    let options = Options::new().header_timeout(Duration::from_secs(10));
    server_with(options, &[], async |mut served| {
        for id in ids(5) {
            served.still_serves(id).await;
        }
        let calls = ids(30).skip(5).map(|id| (id, call(id, &ECHO, b"message")));
        let calls: Vec<(u32, Vec<u8>)> =
            calls.map(|(id, call)| (id, call.iter().flat_map(Frame::encode).collect())).collect();
        let mut begun = 0;
        for two in calls.windows(2) {
            let [(id, octets), (_, next)] = two else { panic!("{two:?}") };
            served.peer.send_octets(&[&octets[begun..], &next[..12]].concat()).await;
            begun = 12;
            assert_eq!(served.peer.expect_response(*id).await.body, message(b"message"));
            sleep(Duration::from_secs(1)).await;
        }
        assert_eq!(served.handle.direct_calls(), 29);
    });
}

/// A peer may reset each stream, even one that has ended, because it may not know.
#[test]
fn streams_that_are_reset_once_they_are_over() {
    const CALLS: u32 = 200;
    let resets = || ids(CALLS).map(|id| rst_stream(id, code::NO_ERROR)).collect::<Vec<_>>();
    let options = Options::new().max_control_frames(20, 0);
    server_with(options.clone(), &[], async |mut served| {
        for id in ids(CALLS) {
            served.still_serves(id).await;
        }
        served.peer.send_all(&resets()).await;
        served.still_serves(2 * CALLS + 1).await;
    });
    client_with(options, &[], async |mut peer, client| {
        for _ in 0..CALLS {
            still_calls(&mut peer, &client).await;
        }
        peer.send_all(&resets()).await;
        still_calls(&mut peer, &client).await;
    });
}
