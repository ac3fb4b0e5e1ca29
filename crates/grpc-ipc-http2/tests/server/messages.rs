//! RFC 9113, 8.1: requests that are malformed as messages.

use super::{GET, POST, and, request};
use crate::util::frame::{Frame, code, data, headers};
use crate::util::raw::Outcome;
use crate::util::service::{Event, STILL_SERVES};
use crate::util::{server, server_and_service};

/// A malformed request on stream 1: an error of the stream, or a response of the server itself (8.1.1). It comes at
/// once, so that the server knows this before the service sees any of it.
fn malformed(frames: &[Frame]) {
    let accepted = [
        Outcome::Reset(code::PROTOCOL_ERROR),
        Outcome::ConnectionError(code::PROTOCOL_ERROR),
        Outcome::Answered(400),
    ];
    server_and_service(async |mut peer, mut events| {
        peer.send_all(frames).await;
        if !matches!(peer.expect_outcome(1, &accepted).await, Outcome::ConnectionError(_)) {
            peer.still_serves().await;
        }
        drop(peer);
        while let Some(event) = events.recv().await {
            let Event::Request(request) = event else { continue };
            assert_eq!(request.uri.path(), STILL_SERVES, "the service has seen it");
        }
    });
}

fn with_length(length: &str) -> Frame {
    headers(1, &and(&POST, &[("content-length", length)]))
}

#[test]
fn rfc9113_8_1_second_headers_without_end_stream_are_malformed() {
    malformed(&[headers(1, &POST), data(1, "x"), headers(1, &[("x-trailer", "early")])]);
}

#[test]
fn rfc9113_8_1_a_second_request_on_a_stream_is_malformed() {
    malformed(&[headers(1, &POST), headers(1, &POST)]);
}

#[test]
fn rfc9113_8_1_1_a_content_length_above_that_of_one_data_frame_is_malformed() {
    malformed(&[with_length("5"), data(1, "four").end_stream()]);
}

#[test]
fn rfc9113_8_1_1_a_content_length_below_that_of_one_data_frame_is_malformed() {
    malformed(&[with_length("1"), data(1, "four").end_stream()]);
}

#[test]
fn rfc9113_8_1_1_a_content_length_below_that_of_an_open_request_is_malformed() {
    malformed(&[with_length("1"), data(1, "four")]);
}

#[test]
fn rfc9113_8_1_1_a_content_length_other_than_that_of_several_data_frames_is_malformed() {
    for length in ["3", "5", "9"] {
        malformed(&[with_length(length), data(1, "four"), data(1, "four").end_stream()]);
    }
}

#[test]
fn rfc9113_8_1_1_a_content_length_without_any_data_is_malformed() {
    malformed(&[with_length("1").end_stream()]);
}

#[test]
fn rfc9113_8_1_1_a_content_length_that_trailers_cut_short_is_malformed() {
    malformed(&[with_length("5"), data(1, "four"), headers(1, &[("x-trailer", "1")]).end_stream()]);
}

/// Also if the service has read the whole body by then, in a task that outlives the call.
#[test]
fn rfc9113_8_1_1_the_end_of_a_malformed_request_is_not_accepted() {
    let ends = [data(1, "").end_stream(), headers(1, &[("x-trailer", "1")]).end_stream()];
    for end in ends {
        server_and_service(async |mut peer, mut events| {
            let fields = and(&request("POST", "/detached"), &[("content-length", "5")]);
            peer.send_all(&[headers(1, &fields), data(1, "four")]).await;
            let Some(Event::Request(_)) = events.recv().await else { panic!("no request") };
            peer.send(end.clone()).await;
            peer.expect_reset(1, code::PROTOCOL_ERROR).await;
            let event = events.recv().await;
            assert!(matches!(event, Some(Event::Body(Err(_)))), "{event:?}");
        });
    }
}

#[test]
fn rfc9113_8_1_1_a_content_length_that_is_no_number_is_malformed() {
    for length in ["four", "-4", "+4", "", "4 4", "4,4", "99999999999999999999"] {
        super::fields::malformed(with_length(length));
    }
}

#[test]
fn rfc9113_8_1_1_content_lengths_that_differ_are_malformed() {
    let fields = and(&POST, &[("content-length", "4"), ("content-length", "5")]);
    super::fields::malformed(headers(1, &fields));
}

#[test]
fn rfc9113_8_1_1_a_content_length_that_holds_is_served() {
    server(async |mut peer| {
        let fields = and(&request("POST", "/echo"), &[("content-length", "8")]);
        // Padding is not content.
        peer.send_all(&[headers(1, &fields), data(1, "four").padded(7), data(1, "four").end_stream()]).await;
        assert_eq!(peer.expect_response(1).await.body, b"fourfour");
        let fields = and(&GET, &[("content-length", "0")]);
        peer.send(headers(3, &fields).end_stream()).await;
        peer.expect_response(3).await;
    });
}

#[test]
fn rfc9113_8_1_1_a_content_length_that_holds_with_trailers_is_served() {
    server(async |mut peer| {
        let fields = and(&request("POST", "/echo"), &[("content-length", "4")]);
        let trailers = headers(1, &[("x-trailer", "1")]).end_stream();
        peer.send_all(&[headers(1, &fields), data(1, "four"), trailers]).await;
        assert_eq!(peer.expect_response(1).await.body, b"four");
    });
}

#[test]
fn rfc9113_8_1_head_is_answered_without_a_body() {
    server(async |mut peer| {
        peer.send(headers(1, &request("HEAD", "/echo")).end_stream()).await;
        assert!(peer.expect_response(1).await.body.is_empty());
    });
}

#[test]
fn rfc9113_8_1_trailers_of_a_response_end_the_stream() {
    server(async |mut peer| {
        peer.send(headers(1, &request("GET", "/trailers")).end_stream()).await;
        let response = peer.expect_response(1).await;
        assert_eq!(response.trailers.unwrap(), [("x-trailer".to_owned(), "yes".to_owned())]);
        assert_eq!(response.body, b"hello");
    });
}
