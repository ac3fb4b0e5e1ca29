//! A server's output.

use super::scene::{call, head_with, message, server, server_with};
use super::service::{ECHO, FAIL, SIZE};
use crate::util::frame::{code, data, flag, kind, rst_stream, setting, window_update};
use grpc_ipc_http2::Options;

fn fields(fields: &[(&str, &str)]) -> Vec<(String, String)> {
    fields.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect()
}

#[test]
fn a_response_has_the_fields_of_grpc() {
    server(async |mut served| {
        for round in 0..5 {
            let stream = 2 * round + 1;
            served.peer.send_all(&call(stream, &ECHO, b"message")).await;
            let head = served.peer.expect_on(stream).await;
            assert_eq!((head.kind, head.flags), (kind::HEADERS, flag::END_HEADERS));
            assert_eq!(head.fields, fields(&[(":status", "200"), ("content-type", "application/grpc")]));
            let body = served.peer.expect_on(stream).await;
            assert_eq!((body.kind, body.flags, body.payload), (kind::DATA, 0, message(b"message")));
            let end = served.peer.expect_on(stream).await;
            assert_eq!((end.kind, end.flags), (kind::HEADERS, flag::END_HEADERS | flag::END_STREAM));
            assert_eq!(end.fields, fields(&[("grpc-status", "0")]));
        }
    });
}

#[test]
fn metadata_comes_before_the_message() {
    server(async |mut served| {
        for round in 0..5 {
            let stream = 2 * round + 1;
            let sent = [("x-first", "1"), ("x-second", "2"), ("x-first", "3"), ("grpc-status", "5")];
            let head = head_with(stream, &ECHO, &sent);
            served.peer.send_all(&[head, data(stream, message(b"message")).end_stream()]).await;
            let response = served.peer.expect_response(stream).await;
            let expected = [
                (":status", "200"),
                ("content-type", "application/grpc"),
                ("x-first", "1"),
                ("x-first", "3"),
                ("x-second", "2"),
            ];
            assert_eq!(response.fields, fields(&expected));
            assert_eq!(response.trailers, Some(fields(&[("grpc-status", "0")])));
        }
        assert_eq!(served.handle.direct_calls(), 5);
    });
}

#[test]
fn an_error_is_trailers_alone() {
    server(async |mut served| {
        for round in 0..5 {
            let stream = 2 * round + 1;
            served.peer.send_all(&call(stream, &FAIL, b"message")).await;
            let head = served.peer.expect_on(stream).await;
            assert_eq!((head.kind, head.flags), (kind::HEADERS, flag::END_HEADERS | flag::END_STREAM));
            let expected = [(":status", "200"), ("content-type", "application/grpc"), ("grpc-status", "5")];
            assert_eq!(head.fields, fields(&expected));
        }
        assert_eq!(served.handle.direct_calls(), 5);
    });
}

#[test]
fn a_response_waits_for_the_windows() {
    server_with(Options::new(), &[(setting::INITIAL_WINDOW_SIZE, 0)], async |mut served| {
        for round in 0..5 {
            let stream = 2 * round + 1;
            served.peer.send_all(&call(stream, &ECHO, b"message")).await;
            let head = served.peer.expect_on(stream).await;
            assert_eq!((head.kind, head.flags), (kind::HEADERS, flag::END_HEADERS));
            served.peer.expect_silence_on(stream).await;
            served.peer.send(window_update(stream, 5)).await;
            assert_eq!(served.peer.expect_on(stream).await.payload, message(b"message")[..5]);
            served.peer.send(window_update(stream, 100)).await;
            assert_eq!(served.peer.expect_on(stream).await.payload, message(b"message")[5..]);
            assert!(served.peer.expect_on(stream).await.has(flag::END_STREAM));
        }
        served.handle.finished().await;
        // A call that its client has cancelled.
        served.peer.send_all(&call(101, &ECHO, b"message")).await;
        served.peer.expect_on(101).await;
        served.peer.send(rst_stream(101, code::CANCEL)).await;
        served.peer.expect_silence_on(101).await;
        served.handle.finished().await;
    });
}

#[test]
fn responses_of_all_sizes_are_framed() {
    server(async |mut served| {
        let open = crate::util::frame::settings(&[(setting::INITIAL_WINDOW_SIZE, 1 << 24)]);
        served.peer.send_all(&[open, window_update(0, 1 << 30)]).await;
        for (round, size) in
            [0, 1, 4091, 4096, 4097, 16_379, 16_380, 100_000, 5 << 20].into_iter().enumerate()
        {
            for again in 0..5 {
                let stream = (10 * round + 2 * again + 1) as u32;
                served.peer.send_all(&call(stream, &SIZE, size.to_string().as_bytes())).await;
                let response = served.peer.expect_response(stream).await;
                assert!(response.body == message(&vec![b'x'; size]), "{size}");
            }
        }
        assert_eq!(served.handle.direct_calls(), 45);
    });
}

/// The path of an unknown block is looked up each time, that of a known one once.
#[test]
fn routes_are_resolved_once() {
    server(async |mut served| {
        for round in 0..100 {
            served.still_serves(2 * round + 1).await;
        }
        let routed = served.service.routed.lock().unwrap().len();
        assert!(routed <= 4, "{routed} times");
        assert_eq!(served.handle.direct_calls(), 100);
    });
}

#[test]
fn handlers_run_in_tasks_of_their_own_if_they_have_to() {
    for in_place in [true, false] {
        super::scene::run(async || {
            let (ours, theirs) = tokio::io::duplex(10_000);
            let (service, _seen) = super::service::TestService::new();
            let asked = Asked::default();
            let options = Options::new().poll_in_place(in_place);
            let connection = grpc_ipc_http2::server::Connection::new(theirs, service, options);
            tokio::spawn(connection.direct(Box::new(asked.clone())));
            let mut peer = crate::util::raw::RawPeer::new(ours);
            peer.greet_server(&[]).await;
            peer.send_all(&call(1, &ECHO, b"message")).await;
            assert_eq!(peer.expect_response(1).await.body, message(b""));
            assert_eq!(*asked.0.lock().unwrap(), [in_place, false]);
        });
    }
}

/// Records whether handlers may be polled in place, now and later.
#[derive(Clone, Default)]
struct Asked(std::sync::Arc<std::sync::Mutex<Vec<bool>>>);

impl grpc_ipc_http2::direct::Service for Asked {
    fn route(&self, _: &str) -> Option<u32> {
        Some(0)
    }

    fn call(
        &mut self,
        _: &mut std::sync::Arc<grpc_ipc_http2::direct::Head>,
        _: grpc_ipc_http2::direct::Message<'_>,
        reply: grpc_ipc_http2::direct::Reply<'_>,
    ) {
        self.0.lock().unwrap().push(reply.waker().is_some());
        let asked = self.clone();
        reply.later(async {}, move |(), reply| {
            asked.0.lock().unwrap().push(reply.waker().is_some());
            reply.message(None, 0, |_: &mut Vec<u8>| {});
        });
    }
}
