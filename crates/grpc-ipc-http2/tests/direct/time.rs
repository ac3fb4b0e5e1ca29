//! Deadlines.

use std::time::Duration;

use grpc_ipc_http2::direct::Begun;
use grpc_ipc_http2::{Error, Options};
use http::HeaderMap;
use tokio::time::{Instant, sleep};

use super::demoted_responses::{OK, still_calls};
use super::scene::{Answered, answer, both, client, fields, head_with, message, server, server_with};
use super::service::{ECHO, LATER, LATER_SIZE, SIZE, Seen};
use crate::util::frame::{code, data, flag, headers, kind, rst_stream, setting, window_update};

const SECOND: Duration = Duration::from_secs(1);

#[test]
fn a_call_whose_deadline_passes_is_cancelled() {
    client(async |mut peer, client| {
        // Nothing has come, or only a part of the response.
        for parts in 0..3 {
            let begun = client.begin(&ECHO, &HeaderMap::new(), Some(5 * SECOND), b"message").await;
            let Begun::Call(call) = begun else { panic!("{begun:?}") };
            let start = Instant::now();
            let call = tokio::spawn(answer(call));
            let stream = peer.expect("a request", |frame| frame.kind == kind::HEADERS).await.stream;
            let response = [headers(stream, &OK), data(stream, message(b"answer"))];
            peer.send_all(&response[..parts]).await;
            let error = match call.await.unwrap() {
                Err(error) | Ok(Answered::General { body: Err(error), .. }) => error,
                other => panic!("{other:?}"),
            };
            assert!(matches!(error, Error::DeadlineExceeded), "{error:?}");
            assert!((5 * SECOND..6 * SECOND).contains(&start.elapsed()), "{:?}", start.elapsed());
            peer.expect_reset(stream, code::CANCEL).await;
            still_calls(&mut peer, &client).await;
        }
        assert!(client.0.has_room());
    });
}

#[test]
fn deadlines_are_kept_in_any_order() {
    client(async |mut peer, client| {
        let start = Instant::now();
        let mut calls = Vec::new();
        for seconds in [30, 10, 20, 40] {
            let timeout = Some(seconds * SECOND);
            let Begun::Call(call) = client.begin(&ECHO, &HeaderMap::new(), timeout, b"message").await else {
                panic!("the call has to go elsewhere");
            };
            calls.push((seconds, tokio::spawn(answer(call))));
        }
        calls.sort_by_key(|call| call.0);
        for (seconds, call) in calls {
            let error = call.await.unwrap().unwrap_err();
            assert!(matches!(error, Error::DeadlineExceeded), "{error:?}");
            let passed = start.elapsed();
            assert!((seconds * SECOND..(seconds + 1) * SECOND).contains(&passed), "{seconds}: {passed:?}");
        }
        // A call that was answered has no deadline left.
        let begun = client.begin(&ECHO, &HeaderMap::new(), Some(5 * SECOND), b"message").await;
        let Begun::Call(call) = begun else { panic!("{begun:?}") };
        let call = tokio::spawn(answer(call));
        let mut stream = 0;
        while stream != 9 {
            stream = peer.expect("a request", |frame| frame.kind == kind::HEADERS).await.stream;
        }
        peer.send_all(&super::demoted_responses::response(stream, b"answer")).await;
        assert_eq!(call.await.unwrap().unwrap().direct(), b"answer");
        sleep(60 * SECOND).await;
        still_calls(&mut peer, &client).await;
    });
}

/// A server whose timer fires first cancels the call.
#[test]
fn a_call_that_the_server_cancels_at_the_deadline_has_failed_because_of_that() {
    client(async |mut peer, client| {
        let begun = client.begin(&ECHO, &HeaderMap::new(), Some(5 * SECOND), b"message").await;
        let Begun::Call(mut call) = begun else { panic!("{begun:?}") };
        let stream = peer.expect("a request", |frame| frame.kind == kind::HEADERS).await.stream;
        peer.send(rst_stream(stream, code::CANCEL)).await;
        sleep(6 * SECOND).await;
        let error = std::future::poll_fn(|cx| call.poll(cx, |_, _| ())).await.unwrap_err();
        assert!(matches!(error, Error::DeadlineExceeded), "{error:?}");
    });
}

#[test]
fn a_handler_is_dropped_at_the_deadline() {
    server(async |mut served| {
        for round in 0..5 {
            let stream = 2 * round + 1;
            let start = Instant::now();
            let head = head_with(stream, &LATER, &[("grpc-timeout", "5S")]);
            served.peer.send_all(&[head, data(stream, message(b"message")).end_stream()]).await;
            served.expect_direct().await;
            let Some(Seen::Waits(_answer)) = served.seen.recv().await else { panic!("no handler") };
            assert!(matches!(served.seen.recv().await, Some(Seen::Dropped)));
            assert!((5 * SECOND..6 * SECOND).contains(&start.elapsed()), "{:?}", start.elapsed());
            let response = served.peer.expect_response(stream).await;
            assert_eq!(response.field("grpc-status"), "4");
            served.handle.finished().await;
        }
        served.still_serves(101).await;
    });
}

/// If the message comes late, the deadline counts from the head.
#[test]
fn a_deadline_counts_from_the_head_of_a_request() {
    server(async |mut served| {
        served.peer.send(head_with(1, &LATER, &[("grpc-timeout", "5S")])).await;
        let start = Instant::now();
        let response = served.peer.expect_response(1).await;
        assert_eq!(response.field("grpc-status"), "4");
        assert!((5 * SECOND..6 * SECOND).contains(&start.elapsed()), "{:?}", start.elapsed());
        assert_eq!(served.handle.direct_calls(), 0);
    });
}

/// An answer that is ready at once, or in time, counts.
#[test]
fn a_handler_that_is_ready_is_in_time() {
    server(async |mut served| {
        for round in 0..5 {
            let stream = 2 * round + 1;
            let head = head_with(stream, &ECHO, &[("grpc-timeout", "0n")]);
            served.peer.send_all(&[head, data(stream, message(b"message")).end_stream()]).await;
            let response = served.peer.expect_response(stream).await;
            assert_eq!(response.body, message(b"message"));
        }
        assert_eq!(served.handle.direct_calls(), 5);
    });
    both(async |client, _, mut seen| {
        let metadata = fields(&[("grpc-timeout", "5S")]);
        let begun = client.begin(&LATER, &metadata, Some(5 * SECOND), b"message").await;
        let Begun::Call(call) = begun else { panic!("{begun:?}") };
        let call = tokio::spawn(answer(call));
        let Some(Seen::Direct(..)) = seen.recv().await else { panic!("no call") };
        let Some(Seen::Waits(told)) = seen.recv().await else { panic!("no handler") };
        sleep(4 * SECOND).await;
        told.send(()).unwrap();
        assert_eq!(call.await.unwrap().unwrap().direct(), b"message");
        sleep(4 * SECOND).await;
        assert_eq!(client.call(&ECHO, b"more").await.unwrap().direct(), b"more");
    });
}

/// As on the general path: the call is cancelled if flow control still blocks the answer.
#[test]
fn an_answer_that_the_client_does_not_let_through_ends_with_its_deadline() {
    // At once, from a separate task, and from one that has waited for some time.
    for (method, waits) in [(&SIZE, None), (&LATER_SIZE, Some(0)), (&LATER_SIZE, Some(4))] {
        for takes in [true, false] {
            server_with(Options::new(), &[(setting::INITIAL_WINDOW_SIZE, 0)], async |mut served| {
                let start = Instant::now();
                let head = head_with(1, method, &[("grpc-timeout", "5S")]);
                served.peer.send_all(&[head, data(1, message(b"100")).end_stream()]).await;
                served.expect_direct().await;
                if let Some(seconds) = waits {
                    let Some(Seen::Waits(told)) = served.seen.recv().await else { panic!("no handler") };
                    sleep(seconds * SECOND).await;
                    told.send(()).unwrap();
                }
                served.peer.expect_on(1).await;
                if takes {
                    served.peer.send(window_update(1, 1000)).await;
                    let answer = served.peer.expect_on(1).await;
                    assert_eq!(answer.payload, message(&[b'x'; 100]));
                    assert!(served.peer.expect_on(1).await.has(flag::END_STREAM));
                    sleep(60 * SECOND).await;
                    served.peer.expect_silence_on(1).await;
                } else {
                    served.peer.expect_reset(1, code::CANCEL).await;
                    let passed = start.elapsed();
                    assert!((5 * SECOND..6 * SECOND).contains(&passed), "{passed:?}");
                }
                served.handle.finished().await;
            });
        }
    }
}
