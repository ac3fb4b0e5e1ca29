//! RFC 9113, 8: responses.

use http_body_util::BodyExt as _;

use super::{OK, call, expect_request, get, still_calls};
use crate::util::client;
use crate::util::engine::code_of;
use crate::util::frame::{Frame, code, data, headers};
use crate::util::raw::Outcome;
use crate::util::service::TestBody;

/// A malformed response on stream 1. The client must not accept it (8.1.1). It comes at once, so that the client knows
/// this before the caller sees any of it.
fn malformed(frames: &[Frame]) {
    malformed_as(frames, &[]);
}

/// A malformed response that ends the stream. A closed stream needs no RST_STREAM, but the call fails.
fn malformed_to_its_end(frames: &[Frame]) {
    malformed_as(frames, &[Outcome::Ignored]);
}

fn malformed_as(frames: &[Frame], more: &[Outcome]) {
    let accepted = [Outcome::Reset(code::PROTOCOL_ERROR), Outcome::ConnectionError(code::PROTOCOL_ERROR)];
    let accepted = [&accepted, more].concat();
    client(async |mut peer, client| {
        let request = http::Request::get("http://localhost/").body(TestBody::default()).unwrap();
        let head = tokio::spawn({
            let client = client.clone();
            async move { client.send(request).await }
        });
        expect_request(&mut peer, 1).await;
        peer.send_all(frames).await;
        if !matches!(peer.expect_outcome(1, &accepted).await, Outcome::ConnectionError(_)) {
            still_calls(&mut peer, &client).await;
        }
        let error = head.await.unwrap().expect_err("the head of a malformed response");
        assert_eq!(code_of(&error), Some(code::PROTOCOL_ERROR), "{error:?}");
    });
}

fn malformed_field(name: &str, value: &str) {
    malformed(&[headers(1, &[OK[0], (name, value)])]);
    malformed_to_its_end(&[headers(1, &[OK[0], (name, value)]).end_stream()]);
}

#[test]
fn rfc9113_8_3_2_a_response_without_status_is_malformed() {
    malformed(&[headers(1, &[("x-field", "value")])]);
    malformed(&[headers(1, &[])]);
    malformed_to_its_end(&[headers(1, &[("x-field", "value")]).end_stream()]);
}

#[test]
fn rfc9113_8_3_2_a_status_that_is_none_is_malformed() {
    for status in ["", "20", "2000", "abc", "2 0", "099", "-12"] {
        malformed(&[headers(1, &[(":status", status)])]);
    }
}

#[test]
fn rfc9113_8_3_a_repeated_status_is_malformed() {
    malformed(&[headers(1, &[OK[0], OK[0]])]);
}

#[test]
fn rfc9113_8_3_a_pseudo_field_of_requests_is_malformed() {
    for pseudo in [(":method", "GET"), (":path", "/"), (":scheme", "http"), (":authority", "localhost")] {
        malformed(&[headers(1, &[OK[0], pseudo])]);
    }
}

#[test]
fn rfc9113_8_3_an_unknown_pseudo_field_is_malformed() {
    malformed_field(":unknown", "x");
}

#[test]
fn rfc9113_8_3_a_pseudo_field_after_a_regular_field_is_malformed() {
    malformed(&[headers(1, &[("x-field", "value"), OK[0]])]);
}

#[test]
fn rfc9113_8_2_uppercase_in_a_name_is_malformed() {
    malformed_field("X-Upper", "x");
}

#[test]
fn rfc9113_8_2_1_characters_that_no_field_has_are_malformed() {
    for (name, value) in [("x a", "x"), ("x:y", "x"), ("x-nul", "\0"), ("x-crlf", "a\r\nb")] {
        malformed_field(name, value);
    }
}

#[test]
fn rfc9113_8_2_1_white_space_around_the_status_is_malformed() {
    malformed(&[headers(1, &[(":status", " 200")])]);
    malformed(&[headers(1, &[(":status", "200 ")])]);
}

#[test]
fn rfc9113_8_2_2_connection_specific_fields_are_malformed() {
    malformed_field("connection", "close");
    malformed_field("transfer-encoding", "chunked");
    malformed_field("keep-alive", "timeout=5");
    malformed_field("upgrade", "h2c");
}

#[test]
fn rfc9113_8_1_data_before_headers_is_malformed() {
    malformed(&[data(1, "x")]);
}

#[test]
fn rfc9113_8_1_second_headers_without_end_stream_are_malformed() {
    malformed(&[headers(1, &OK), headers(1, &OK)]);
    malformed(&[headers(1, &OK), data(1, "x"), headers(1, &[("x-trailer", "early")])]);
}

#[test]
fn rfc9113_8_1_pseudo_fields_in_trailers_are_malformed() {
    malformed_to_its_end(&[headers(1, &OK), data(1, "x"), headers(1, &OK).end_stream()]);
    malformed_to_its_end(&[headers(1, &OK), headers(1, &[(":path", "/")]).end_stream()]);
}

#[test]
fn rfc9113_8_1_an_interim_response_with_end_stream_is_malformed() {
    malformed_to_its_end(&[headers(1, &[(":status", "100")]).end_stream()]);
    malformed_to_its_end(&[headers(1, &[(":status", "103")]).end_stream()]);
}

#[test]
fn rfc9113_8_1_data_after_an_interim_response_is_malformed() {
    malformed(&[headers(1, &[(":status", "103")]), data(1, "x")]);
}

#[test]
fn rfc9113_8_1_interim_responses_are_passed_over() {
    client(async |mut peer, client| {
        let call = get(&client);
        expect_request(&mut peer, 1).await;
        for status in ["100", "103", "199"] {
            peer.send(headers(1, &[(":status", status), ("x-interim", "yes")])).await;
        }
        peer.send_all(&[headers(1, &OK), data(1, "final").end_stream()]).await;
        let answer = call.await.unwrap().unwrap();
        assert_eq!(answer.head.status(), 200);
        assert_eq!(answer.body, b"final");
        assert!(answer.head.headers().is_empty());
    });
}

#[test]
fn rfc9113_8_1_1_a_content_length_other_than_that_of_the_data_is_malformed() {
    let length = |length| headers(1, &[OK[0], ("content-length", length)]);
    malformed(&[length("3"), data(1, "four")]);
    malformed_to_its_end(&[length("3"), data(1, "four").end_stream()]);
    malformed_to_its_end(&[length("5"), data(1, "four").end_stream()]);
    malformed_to_its_end(&[length("9"), data(1, "four"), data(1, "four").end_stream()]);
    malformed_to_its_end(&[length("5"), data(1, "four"), headers(1, &[("x-trailer", "1")]).end_stream()]);
    malformed_to_its_end(&[length("1").end_stream()]);
}

/// Also if the caller has read the whole body by then.
#[test]
fn rfc9113_8_1_1_trailers_of_a_malformed_response_are_not_accepted() {
    client(async |mut peer, client| {
        let request = http::Request::get("http://localhost/").body(TestBody::default()).unwrap();
        let response = tokio::spawn(async move { client.send(request).await });
        expect_request(&mut peer, 1).await;
        peer.send_all(&[headers(1, &[OK[0], ("content-length", "5")]), data(1, "four")]).await;
        let mut body = response.await.unwrap().unwrap().into_body();
        assert_eq!(body.frame().await.unwrap().unwrap().into_data().unwrap(), "four");
        peer.send(headers(1, &[("grpc-status", "0")]).end_stream()).await;
        let error = body.frame().await.unwrap().expect_err("trailers, or more");
        assert_eq!(code_of(&error), Some(code::PROTOCOL_ERROR), "{error:?}");
        assert!(body.frame().await.is_none());
    });
}

#[test]
fn rfc9113_8_1_1_a_content_length_that_holds_is_accepted() {
    client(async |mut peer, client| {
        let call = get(&client);
        expect_request(&mut peer, 1).await;
        let head = headers(1, &[OK[0], ("content-length", "8")]);
        peer.send_all(&[head, data(1, "four").padded(3), data(1, "four").end_stream()]).await;
        assert_eq!(call.await.unwrap().unwrap().body, b"fourfour");
    });
}

#[test]
fn rfc9113_8_1_1_a_response_of_status_204_or_304_may_have_a_content_length() {
    for status in ["204", "304"] {
        client(async |mut peer, client| {
            let call = get(&client);
            expect_request(&mut peer, 1).await;
            peer.send(headers(1, &[(":status", status), ("content-length", "8")]).end_stream()).await;
            assert!(call.await.unwrap().unwrap().body.is_empty());
        });
    }
}

#[test]
fn rfc9113_8_1_1_a_response_to_head_may_have_a_content_length() {
    client(async |mut peer, client| {
        let head = http::Request::head("http://localhost/").body(TestBody::default()).unwrap();
        let call = call(&client, head);
        expect_request(&mut peer, 1).await;
        peer.send(headers(1, &[OK[0], ("content-length", "8")]).end_stream()).await;
        assert!(call.await.unwrap().unwrap().body.is_empty());
    });
}

#[test]
fn rfc9113_8_1_trailers_arrive() {
    client(async |mut peer, client| {
        let call = get(&client);
        expect_request(&mut peer, 1).await;
        let trailers = headers(1, &[("grpc-status", "0"), ("grpc-message", "")]).end_stream();
        peer.send_all(&[headers(1, &OK), data(1, "body"), trailers]).await;
        let answer = call.await.unwrap().unwrap();
        assert_eq!(answer.body, b"body");
        assert_eq!(answer.trailers.unwrap()["grpc-status"], "0");
    });
}

#[test]
fn rfc9113_8_1_trailers_arrive_without_data() {
    client(async |mut peer, client| {
        let call = get(&client);
        expect_request(&mut peer, 1).await;
        peer.send_all(&[headers(1, &OK), headers(1, &[("grpc-status", "5")]).end_stream()]).await;
        assert_eq!(call.await.unwrap().unwrap().trailers.unwrap()["grpc-status"], "5");
    });
}

#[test]
fn rfc9113_8_1_a_response_of_headers_only_arrives() {
    client(async |mut peer, client| {
        let call = get(&client);
        expect_request(&mut peer, 1).await;
        peer.send(headers(1, &[OK[0], ("grpc-status", "12")]).end_stream()).await;
        let answer = call.await.unwrap().unwrap();
        assert_eq!(answer.head.headers()["grpc-status"], "12");
        assert!(answer.body.is_empty() && answer.trailers.is_none());
    });
}
