//! Services, encoders and decoders that panic or misbehave: their call fails, and others continue.

use std::future::poll_fn;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::task::Poll;

use grpc_ipc_http2::direct::{Begun, Head, Message, Method, Reply, Service};
use grpc_ipc_http2::{Error, Options, Reason, Side, server};
use http::HeaderMap;
use tokio::io::duplex;

use super::demoted_responses::{response, still_calls};
use super::scene::{Answered, both, client, message};
use super::service::{ECHO, LATER, LATER_PANIC, PANIC, PANIC_ENCODING, SILENT, Seen, TestService};
use crate::util::frame::kind;
use crate::util::raw::RawPeer;

#[track_caller]
fn panics(method: &'static Method, message: &'static [u8], expected: &'static str) {
    fails(method, message, |outcome| {
        let Answered::General { head, .. } = outcome.unwrap() else { panic!("a direct answer") };
        assert_eq!(head.headers()["grpc-status"], "2");
        assert_eq!(head.headers()["grpc-message"], expected);
    });
}

#[track_caller]
fn fails(method: &'static Method, message: &'static [u8], check: impl Fn(Result<Answered, Error>)) {
    both(async |client, handle, mut seen| {
        for _ in 0..5 {
            // In the same read as others.
            let before = client.spawn(&ECHO, b"before").await;
            let call = client.spawn(method, message).await;
            let behind = client.spawn(&ECHO, b"behind").await;
            while method.path() == LATER_PANIC.path() {
                if let Some(Seen::Waits(answer)) = seen.recv().await {
                    answer.send(()).unwrap();
                    break;
                }
            }
            check(call.await.unwrap());
            assert_eq!(before.await.unwrap().unwrap().direct(), b"before");
            assert_eq!(behind.await.unwrap().unwrap().direct(), b"behind");
            handle.finished().await;
        }
    });
}

#[test]
fn a_handler_panics() {
    panics(&PANIC, b"message", "the handler of /test.Test/Panic panicked");
}

#[test]
fn a_handler_panics_in_a_task_of_its_own() {
    panics(&LATER_PANIC, b"message", "the handler of /test.Test/LaterPanic panicked");
}

#[test]
fn a_handler_drops_its_reply() {
    fails(&SILENT, b"message", |outcome| {
        let error = outcome.unwrap_err();
        let expected = Reason::INTERNAL_ERROR;
        assert!(matches!(error, Error::Reset { by: Side::Peer, reason } if reason == expected), "{error:?}");
    });
}

#[test]
fn the_encoder_of_an_answer_panics() {
    let expected = "the handler of /test.Test/PanicEncoding panicked";
    panics(&PANIC_ENCODING, b"a part of a message", expected);
    // A message that is not encoded in place.
    panics(&PANIC_ENCODING, &[7; 10_000], expected);
}

/// The part of a message that an encoder has appended before it panics is not sent.
#[test]
fn the_encoder_of_a_request_panics() {
    client(async |mut peer, client| {
        for round in 0..5 {
            for size in [100, 10_000] {
                let begin = poll_fn(|cx| {
                    let begin = || {
                        let encode = |out: &mut Vec<u8>| {
                            out.extend_from_slice(&[7; 50]);
                            panic!("an encoder panics");
                        };
                        client.0.begin(&ECHO, &HeaderMap::new(), None, size, encode, cx)
                    };
                    Poll::Ready(catch_unwind(AssertUnwindSafe(begin)).is_err())
                });
                assert!(begin.await, "{round}");
            }
            still_calls(&mut peer, &client).await;
        }
        assert_eq!(client.0.direct_calls(), 5);
        assert!(client.0.has_room());
    });
}

#[test]
fn a_decoder_panics() {
    client(async |mut peer, client| {
        for _ in 0..5 {
            let Begun::Call(mut call) = client.begin(&ECHO, &HeaderMap::new(), None, b"message").await else {
                panic!("the call has to go elsewhere");
            };
            let stream = peer.expect("a request", |frame| frame.kind == kind::HEADERS).await.stream;
            peer.send_all(&response(stream, b"answer")).await;
            let poll = poll_fn(|cx| {
                let poll = || call.poll(cx, |_, _| -> () { panic!("a decoder panics") });
                match catch_unwind(AssertUnwindSafe(poll)) {
                    Ok(Poll::Pending) => Poll::Pending,
                    Ok(Poll::Ready(answer)) => panic!("{answer:?}"),
                    Err(_) => Poll::Ready(()),
                }
            });
            poll.await;
            drop(call);
            still_calls(&mut peer, &client).await;
        }
        assert!(client.0.has_room());
    });
}

/// A call that was answered must not be polled again.
#[test]
fn a_call_is_polled_after_it_was_answered() {
    both(async |client, _, _| {
        let Begun::Call(mut call) = client.begin(&ECHO, &HeaderMap::new(), None, b"message").await else {
            panic!("the call has to go elsewhere");
        };
        poll_fn(|cx| call.poll(cx, |_, _| ())).await.unwrap();
        assert!(poll_fn(|cx| call.poll(cx, |_, _| ())).await.is_err());
        // It is not cancelled either.
        drop(call);
        assert_eq!(client.call(&ECHO, b"more").await.unwrap().direct(), b"more");
    });
}

/// A handler is told to answer after the caller has gone.
#[test]
fn an_answer_to_a_call_that_was_cancelled() {
    super::scene::server(async |mut served| {
        for round in 0..5 {
            let stream = 4 * round + 1;
            served.peer.send_all(&super::scene::call(stream, &LATER, b"message")).await;
            served.expect_direct().await;
            let Some(Seen::Waits(answer)) = served.seen.recv().await else { panic!("no handler") };
            // Both before the handler runs.
            served.peer.send(crate::util::frame::rst_stream(stream, crate::util::frame::code::CANCEL)).await;
            answer.send(()).unwrap();
            served.handle.finished().await;
            served.peer.send_all(&super::scene::call(stream + 2, &ECHO, b"message")).await;
            loop {
                let frame = served.peer.next().await.unwrap();
                if frame.kind == kind::DATA && frame.stream == stream + 2 {
                    assert_eq!(frame.payload, message(b"message"));
                    break;
                }
            }
            while !matches!(served.seen.recv().await, Some(Seen::Direct(..))) {}
        }
    });
}

/// The service panics while a connection receives. The connection continues, and the requests take the general path.
#[test]
fn a_service_panics_when_it_is_asked_for_a_method() {
    struct Panics;

    impl Service for Panics {
        fn route(&self, _: &str) -> Option<u32> {
            panic!("a service panics");
        }

        fn call(&mut self, _: &mut Arc<Head>, _: Message<'_>, _: Reply<'_>) {
            panic!("it knows no method");
        }
    }

    super::scene::run(async || {
        let (ours, theirs) = duplex(10_000);
        let (service, _seen) = TestService::new();
        let connection = server::Connection::new(theirs, service, Options::new()).direct(Box::new(Panics));
        let handle = connection.handle();
        tokio::spawn(connection);
        let mut peer = RawPeer::new(ours);
        peer.greet_server(&[]).await;
        // The route of a request that has come before is looked up elsewhere.
        for round in 0..5 {
            let stream = 2 * round + 1;
            peer.send_all(&super::scene::call(stream, &ECHO, b"message")).await;
            let response = peer.expect_response(stream).await;
            assert_eq!(response.field("x-way"), "general");
            assert_eq!(response.body, message(b"message"));
        }
        assert_eq!(handle.direct_calls(), 0);
    });
}
