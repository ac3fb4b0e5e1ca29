//! What clients of gRPC over local sockets send, which no RFC asks for and every one of them needs.

use super::request;
use crate::util::engine::Options;
use crate::util::frame::{code, data, headers, rst_stream, setting};
use crate::util::raw::Outcome;
use crate::util::service::Event;
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
    // CVE-2023-44487, "rapid reset": the server goes on, or asks the client to calm down; it must not take the memory.
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
