//! Requests of gRPC clients over local sockets. No RFC requires support for them, but every client needs it.

use super::{and, request};
use crate::util::engine::Options;
use crate::util::frame::{code, data, flag, headers, rst_stream, setting};
use crate::util::raw::Outcome;
use crate::util::service::{Event, LONG_STATUS};
use crate::util::{server, server_and_service, server_with};

/// A request with this `:authority` is served.
fn authority(value: &str) {
    server(async |mut peer| {
        let fields = [(":method", "POST"), (":scheme", "http"), (":path", "/echo"), (":authority", value)];
        peer.send_all(&[headers(1, &fields), data(1, "body").end_stream()]).await;
        assert_eq!(peer.expect_response(1).await.body, b"body");
    });
}

#[test]
fn grpc_authority_is_a_name() {
    authority("localhost");
    authority("localhost:443");
}

#[test]
fn grpc_authority_is_the_percent_encoded_path_of_a_socket() {
    authority("%2Frun%2Fx.sock");
}

#[test]
fn grpc_authority_is_the_path_of_a_socket() {
    authority("/run/x.sock");
    authority("unix:/run/x.sock");
    authority("run/x.sock");
}

#[test]
fn grpc_authority_is_empty() {
    authority("");
}

#[test]
fn grpc_authority_is_of_any_shape() {
    for value in ["unix:", "@abstract", "a@b", "[::1]:80", "a b", "\\\\.\\pipe\\x", "http://x/", ":", "?#"] {
        authority(value);
    }
}

#[test]
fn grpc_authority_is_absent() {
    server(async |mut peer| {
        peer.send(headers(1, &request("GET", "/")[..3]).end_stream()).await;
        peer.expect_response(1).await;
    });
}

#[test]
fn grpc_a_call_with_all_its_fields_is_served() {
    let fields = [
        (":method", "POST"),
        (":scheme", "http"),
        (":path", "/greet.Greeter/SayHello"),
        (":authority", "localhost"),
        ("content-type", "application/grpc"),
        ("te", "trailers"),
        ("user-agent", "grpc-c++/1.0"),
        ("grpc-accept-encoding", "identity, deflate, gzip"),
        ("grpc-timeout", "1S"),
        ("x-bin", "AAECAw"),
    ];
    server_and_service(async |mut peer, mut events| {
        peer.send_all(&[headers(1, &fields), data(1, *b"\0\0\0\0\x01x").end_stream()]).await;
        peer.expect_response(1).await;
        let Some(Event::Request(request)) = events.recv().await else { panic!("no request") };
        assert_eq!(request.uri.path(), "/greet.Greeter/SayHello");
        assert_eq!(request.headers["grpc-timeout"], "1S");
        let Some(Event::Body(Ok((body, None)))) = events.recv().await else { panic!("no body") };
        assert_eq!(body, b"\0\0\0\0\x01x".as_slice());
    });
}

#[test]
fn grpc_requests_that_are_reset_at_once_do_not_pile_up() {
    // CVE-2023-44487, "rapid reset": the server continues, or sends ENHANCE_YOUR_CALM. It must not run out of memory.
    server_with(Options::new().max_concurrent_streams(10), &[], async |mut peer| {
        for stream in (1..20_000).step_by(2) {
            peer.send_all(&[headers(stream, &request("POST", "/wait")), rst_stream(stream, code::CANCEL)])
                .await;
        }
        let accepted = [Outcome::Ignored, Outcome::ConnectionError(code::ENHANCE_YOUR_CALM)];
        peer.expect_outcome(0, &accepted).await;
    });
}

#[test]
fn grpc_the_settings_of_a_server_are_those_of_its_options() {
    let options = Options::new().max_concurrent_streams(7).max_frame_size(20_000).max_header_list_size(9000);
    server_with(options.initial_stream_window(70_000), &[], async |mut peer| {
        assert_eq!(peer.setting(setting::MAX_CONCURRENT_STREAMS, 0), 7);
        assert_eq!(peer.setting(setting::MAX_FRAME_SIZE, 0), 20_000);
        assert_eq!(peer.setting(setting::MAX_HEADER_LIST_SIZE, 0), 9000);
        assert_eq!(peer.setting(setting::INITIAL_WINDOW_SIZE, 0), 70_000);
        peer.still_serves().await;
    });
}

/// A timeout of zero is not in the grammar, but some clients send the rest of a deadline.
#[test]
fn grpc_a_handler_that_is_ready_at_once_answers_however_short_the_timeout() {
    for (in_place, timeout) in [(true, "0S"), (false, "0S"), (true, "0n"), (false, "0n"), (false, "1n")] {
        server_with(Options::new().poll_in_place(in_place), &[], async |mut peer| {
            let fields = and(&request("POST", "/echo"), &[("grpc-timeout", timeout)]);
            peer.send_all(&[headers(1, &fields), data(1, "body").end_stream()]).await;
            assert_eq!(peer.expect_response(1).await.body, b"body");
        });
    }
}

#[test]
fn grpc_a_handler_that_is_not_ready_ends_with_its_deadline() {
    for timeout in ["0S", "0n", "1n", "1m"] {
        server_and_service(async |mut peer, mut events| {
            let fields = and(&request("POST", "/wait"), &[("grpc-timeout", timeout)]);
            peer.send(headers(1, &fields).end_stream()).await;
            let head = peer.expect_on(1).await;
            assert!(head.has(flag::END_STREAM));
            assert!(head.fields.contains(&("grpc-status".to_owned(), "4".to_owned())), "{:?}", head.fields);
            while !matches!(events.recv().await, Some(Event::Dropped)) {}
        });
    }
}

/// "When the server detects the client's deadline has expired [...] the server should locally cancel the RPC and send
/// RST_STREAM with CANCEL error code": if flow control still blocks a part of the response.
#[test]
fn grpc_an_answer_that_the_client_does_not_read_ends_with_its_deadline() {
    server(async |mut peer| {
        let fields = and(&request("POST", "/large"), &[("grpc-timeout", "1m")]);
        peer.send(headers(1, &fields).end_stream()).await;
        peer.expect_reset(1, code::CANCEL).await;
        peer.still_answers().await;
    });
}

#[test]
fn grpc_a_short_answer_that_the_client_does_not_let_through_ends_with_its_deadline() {
    server_with(Options::new(), &[(setting::INITIAL_WINDOW_SIZE, 0)], async |mut peer| {
        let fields = and(&request("GET", "/"), &[("grpc-timeout", "1m")]);
        peer.send(headers(1, &fields).end_stream()).await;
        peer.expect_reset(1, code::CANCEL).await;
        peer.still_answers().await;
    });
}

/// The fields of the status [`LONG_STATUS`], for a client that accepts `size` bytes of metadata.
fn long_status(path: &str, size: u32) -> Vec<(String, String)> {
    let mut fields = Vec::new();
    server_with(Options::new(), &[(setting::MAX_HEADER_LIST_SIZE, size)], async |mut peer| {
        peer.send(headers(1, &request("POST", path)).end_stream()).await;
        let message = peer.expect_response(1).await;
        fields = message.trailers.unwrap_or(message.fields);
        fields.retain(|(name, _)| name != ":status" && name != "content-type");
    });
    fields
}

#[test]
fn grpc_a_status_that_is_too_long_keeps_its_code_and_what_fits_of_its_text() {
    for path in ["/status", "/status-in-trailers"] {
        let all = long_status(path, 400);
        assert_eq!(all.len(), LONG_STATUS.len(), "{all:?}");
        for size in (146..400).step_by(3) {
            let fields = long_status(path, size);
            assert_eq!(fields[0], ("grpc-status".to_owned(), "5".to_owned()), "{path}, {size} bytes");
            for (name, value) in &fields[1..] {
                assert!(
                    all.iter().any(|(n, v)| n == name && v.starts_with(value.as_str())),
                    "{name}: {value}"
                );
            }
        }
        // Without its metadata, the message fits here.
        assert_eq!(long_status(path, 300)[1].1, LONG_STATUS[1].1);
    }
    // No character is split.
    assert_eq!(long_status("/status", 214)[1].1, "there is no such thing");
}
