//! RFC 9113, 6.1: DATA.

use super::{POST, request};
use crate::util::engine::Options;
use crate::util::frame::{Frame, code, data, flag, headers, kind, rst_stream};
use crate::util::service::Event;
use crate::util::{server, server_with, server_without_preface};

#[test]
fn rfc9113_6_1_data_on_stream_0_is_a_connection_error() {
    server(async |mut peer| {
        peer.send(data(0, "x")).await;
        peer.connection_error(code::PROTOCOL_ERROR).await;
    });
}

#[test]
fn rfc9113_6_1_padding_is_no_part_of_the_data() {
    server(async |mut peer| {
        peer.send_all(&[headers(1, &request("POST", "/echo")), data(1, "he").padded(0)]).await;
        peer.send_all(&[data(1, "llo").padded(255), data(1, "").padded(3).end_stream()]).await;
        assert_eq!(peer.expect_response(1).await.body, b"hello");
    });
}

#[test]
fn rfc9113_6_1_padding_as_long_as_the_payload_is_a_connection_error() {
    server(async |mut peer| {
        let frame = Frame::new(kind::DATA, flag::PADDED, 1, [5, 0, 0, 0, 0]);
        peer.send_all(&[headers(1, &POST), frame]).await;
        peer.connection_error(code::PROTOCOL_ERROR).await;
    });
}

#[test]
fn rfc9113_6_1_padding_longer_than_the_payload_is_a_connection_error() {
    server(async |mut peer| {
        let frame = Frame::new(kind::DATA, flag::PADDED, 1, [255, 0, 0, 0, 0]);
        peer.send_all(&[headers(1, &POST), frame]).await;
        peer.connection_error(code::PROTOCOL_ERROR).await;
    });
}

/// Small windows, which are used up quickly.
fn small_windows() -> Options {
    Options::new().initial_stream_window(65_535)
}

#[test]
fn rfc9113_6_1_padding_counts_against_the_windows_and_returns_to_them() {
    server_with(small_windows(), &[], async |mut peer| {
        peer.send(headers(1, &request("POST", "/wait"))).await;
        // The padding alone is more than three windows.
        for _ in 0..1000 {
            peer.send_within_windows(data(1, [0; 1000]).padded(255)).await;
        }
        peer.still_serves().await;
    });
}

#[test]
fn rfc9113_6_1_data_that_nobody_reads_returns_to_the_connections_window_after_a_reset() {
    server_without_preface(small_windows(), async |mut peer, mut events| {
        peer.greet_server(&[]).await;
        for stream in (1..20).step_by(2) {
            peer.send(headers(stream, &request("POST", "/unread"))).await;
            let Some(Event::Request(_)) = events.recv().await else { panic!("no request") };
            for _ in 0..3 {
                peer.send_within_windows(data(stream, [0; 10_000])).await;
            }
            peer.send(rst_stream(stream, code::CANCEL)).await;
            let Some(Event::Dropped) = events.recv().await else { panic!("the handler goes on") };
        }
        peer.still_serves().await;
    });
}

#[test]
fn rfc9113_6_1_data_returns_to_the_connections_window_when_the_reset_comes_at_once() {
    server_with(small_windows(), &[], async |mut peer| {
        for stream in (1..40).step_by(2) {
            peer.wait_for_window(0, 10_000).await;
            let request = headers(stream, &request("POST", "/unread"));
            peer.send_all(&[request, data(stream, [0; 10_000]), rst_stream(stream, code::CANCEL)]).await;
        }
        peer.still_serves().await;
    });
}

#[test]
fn rfc9113_6_1_data_of_closed_streams_returns_to_the_connections_window() {
    server_with(small_windows(), &[], async |mut peer| {
        peer.send_all(&[headers(1, &request("POST", "/wait")), rst_stream(1, code::CANCEL)]).await;
        let first = peer.window(0);
        for _ in 0..=3 * first / 10_000 {
            // An endpoint may treat this as an error of the connection (5.1), which ends the test.
            while peer.window(0) < 10_000 {
                if peer.next().await.is_none_or(|frame| frame.kind == kind::GOAWAY) {
                    return;
                }
            }
            peer.send(data(1, [0; 10_000])).await;
        }
    });
}
