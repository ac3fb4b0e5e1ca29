//! RFC 9113, 5.1.1 and 8: the client's requests.

use http::Request;

use super::{OK, call, expect_request, get, post};
use crate::util::engine::Options;
use crate::util::frame::{code, flag, headers, kind};
use crate::util::service::TestBody;
use crate::util::{client, client_without_preface};

#[test]
fn rfc9113_5_1_1_streams_are_odd_and_rise() {
    client(async |mut peer, client| {
        for stream in [1, 3, 5] {
            let call = get(&client);
            expect_request(&mut peer, stream).await;
            peer.send(headers(stream, &OK).end_stream()).await;
            call.await.unwrap().unwrap();
        }
    });
}

#[test]
fn rfc9113_5_1_1_streams_of_concurrent_calls_rise_on_the_wire() {
    client(async |mut peer, client| {
        let calls: Vec<_> = (0..50).map(|_| post(&client, "body")).collect();
        for stream in (1..100).step_by(2) {
            expect_request(&mut peer, stream).await;
        }
        for stream in (1..100).step_by(2) {
            peer.send(headers(stream, &OK).end_stream()).await;
        }
        for call in calls {
            call.await.unwrap().unwrap();
        }
    });
}

#[test]
fn rfc9113_8_3_1_a_request_has_its_pseudo_fields() {
    client(async |mut peer, client| {
        let request = Request::post("http://localhost/greet.Greeter/SayHello?a=b")
            .header("te", "trailers")
            .header("x-field", "value")
            .body(TestBody::from("body").trailers([("x-trailer", "yes")]))
            .unwrap();
        let _call = call(&client, request);
        let request = peer.expect_message(1).await;
        assert_eq!(request.field(":method"), "POST");
        assert_eq!(request.field(":scheme"), "http");
        assert_eq!(request.field(":path"), "/greet.Greeter/SayHello?a=b");
        assert_eq!(request.field(":authority"), "localhost");
        assert_eq!(request.field("te"), "trailers");
        assert_eq!(request.field("x-field"), "value");
        assert_eq!(request.body, b"body");
        assert_eq!(request.trailers.unwrap(), [("x-trailer".to_owned(), "yes".to_owned())]);
    });
}

#[test]
fn a_uri_without_a_scheme_has_that_of_the_connection() {
    for (options, scheme) in [(Options::new(), "http"), (Options::new().https(true), "https")] {
        client_without_preface(options, async |mut peer, client| {
            peer.greet_client(&[]).await;
            let _call = call(&client, Request::get("/x").body(TestBody::default()).unwrap());
            assert_eq!(peer.expect_message(1).await.field(":scheme"), scheme);
            let _call = get(&client);
            assert_eq!(peer.expect_message(3).await.field(":scheme"), "http");
        });
    }
}

#[test]
fn rfc9113_8_1_a_request_without_a_body_ends_with_its_headers() {
    client(async |mut peer, client| {
        let _call = get(&client);
        let frame = peer.expect("a request", |frame| frame.kind == kind::HEADERS).await;
        assert!(frame.has(flag::END_STREAM));
    });
}

#[test]
fn rfc9113_8_1_a_request_can_have_a_body_that_is_only_trailers() {
    client(async |mut peer, client| {
        let body = TestBody::default().trailers([("x-trailer", "yes")]);
        let _call = post(&client, body);
        let request = peer.expect_message(1).await;
        assert!(request.body.is_empty());
        assert!(request.trailers.is_some());
    });
}

#[test]
fn rfc9113_4_3_a_large_request_goes_into_continuations() {
    client(async |mut peer, client| {
        let long = "x".repeat(10_000);
        let request = Request::get("http://localhost/").header("x-a", &long).header("x-b", &long);
        let _call = call(&client, request.header("x-c", &long).body(TestBody::default()).unwrap());
        // The peer checks the length of each frame, and that CONTINUATION follows at once.
        let request = peer.expect_message(1).await;
        assert_eq!(request.field("x-c"), long);
    });
}

#[test]
fn rfc9113_4_3_the_clients_dynamic_table_stays_in_step() {
    client(async |mut peer, client| {
        for (stream, value) in (1..200).step_by(2).zip(0..) {
            let value = format!("{value}-{}", "y".repeat(value % 7 * 100));
            let request =
                Request::get("http://localhost/").header("x-value", &value).header("x-same", "same");
            let call = call(&client, request.body(TestBody::default()).unwrap());
            let request = peer.expect_message(stream).await;
            assert_eq!(request.field("x-value"), value);
            assert_eq!(request.field("x-same"), "same");
            peer.send(headers(stream, &OK).end_stream()).await;
            call.await.unwrap().unwrap();
        }
    });
}

#[test]
fn rfc9113_8_3_1_the_authority_goes_out_as_it_is() {
    for authority in ["localhost", "localhost:50051", "[::1]:80"] {
        client(async |mut peer, client| {
            let request = Request::get(format!("http://{authority}/")).body(TestBody::default()).unwrap();
            let _call = call(&client, request);
            assert_eq!(peer.expect_message(1).await.field(":authority"), authority);
        });
    }
}

#[test]
fn rfc9113_6_4_a_call_that_is_given_up_is_reset() {
    client(async |mut peer, client| {
        let call = post(&client, vec![0; 200_000]);
        expect_request(&mut peer, 1).await;
        call.abort();
        peer.expect_reset(1, code::CANCEL).await;
        super::still_calls(&mut peer, &client).await;
    });
}

/// "In scenarios where the Request stream needs to be closed but no data remains to be sent implementations MUST send an
/// empty DATA frame with this flag set" (gRPC over HTTP/2): servers of grpc-go and grpc-java wait for it.
#[test]
fn grpc_a_post_without_a_body_ends_with_an_empty_data_frame() {
    client(async |mut peer, client| {
        for stream in [1, 3] {
            let _call = post(&client, "");
            let head = peer.expect_on(stream).await;
            assert!(head.kind == kind::HEADERS && !head.has(flag::END_STREAM), "{head:?}");
            let end = peer.expect_on(stream).await;
            assert!(end.kind == kind::DATA && end.has(flag::END_STREAM), "{end:?}");
            assert!(end.payload.is_empty());
        }
    });
}

/// "implementations should send Timeout immediately after the reserved headers and they should send the Call-Definition
/// headers before sending Custom-Metadata".
#[test]
fn grpc_the_fields_of_a_call_come_in_their_order() {
    client(async |mut peer, client| {
        let request = Request::post("http://localhost/x.X/Y")
            .header("x-custom", "1")
            .header("content-type", "application/grpc")
            .header("x-bin", "AAAA")
            .header("te", "trailers")
            .header("grpc-timeout", "1H");
        let _call = call(&client, request.body(TestBody::default()).unwrap());
        let request = peer.expect_message(1).await;
        let names: Vec<_> = request.fields.iter().map(|(name, _)| name.as_str()).collect();
        let reserved = [":method", ":scheme", ":authority", ":path"];
        let definition = ["grpc-timeout", "user-agent", "content-type", "te"];
        assert_eq!(names, [&reserved[..], &definition, &["x-custom", "x-bin"]].concat());
    });
}
