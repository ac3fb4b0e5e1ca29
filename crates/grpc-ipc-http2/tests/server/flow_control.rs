//! RFC 9113, 6.9: WINDOW_UPDATE and flow control.

use super::{GET, POST, request};
use crate::util::engine::Options;
use crate::util::frame::{
    Frame, code, data, flag, headers, kind, ping, rst_stream, setting, settings, window_update,
};
use crate::util::raw::{Outcome, RawPeer};
use crate::util::service::LARGE;
use crate::util::{server, server_with};

const MAX_WINDOW: u32 = (1 << 31) - 1;

#[test]
fn rfc9113_6_9_an_increment_of_0_is_a_connection_error_on_the_connection() {
    server(async |mut peer| {
        peer.send(window_update(0, 0)).await;
        peer.connection_error(code::PROTOCOL_ERROR).await;
    });
}

#[test]
fn rfc9113_6_9_an_increment_of_0_is_a_stream_error_on_a_stream() {
    server(async |mut peer| {
        peer.send_all(&[headers(1, &request("POST", "/wait")), window_update(1, 0)]).await;
        if let Outcome::Reset(_) = peer.stream_error(1, code::PROTOCOL_ERROR).await {
            peer.still_serves().await;
        }
    });
}

#[test]
fn rfc9113_6_9_the_reserved_bit_of_an_increment_is_ignored() {
    server(async |mut peer| {
        peer.send_all(&[headers(1, &request("POST", "/wait")), window_update(1, 1 | 1 << 31)]).await;
        peer.send(window_update(0, 1 | 1 << 31)).await;
        peer.still_serves().await;
    });
}

#[test]
fn rfc9113_6_9_window_update_of_a_wrong_size_is_a_connection_error() {
    for (stream, size) in [(0, 3), (0, 5), (0, 0), (1, 3), (1, 8)] {
        server(async |mut peer| {
            let frame = Frame::new(kind::WINDOW_UPDATE, 0, stream, vec![1; size]);
            peer.send_all(&[headers(1, &request("POST", "/wait")), frame]).await;
            peer.connection_error(code::FRAME_SIZE_ERROR).await;
        });
    }
}

/// The amount of DATA on a stream until the server has nothing more to send, and whether it ends the stream.
async fn data_until_quiet(peer: &mut RawPeer, stream: u32) -> (usize, bool) {
    let mut received = 0;
    for mark in [*b"quiet..1", *b"quiet..2"] {
        peer.send(ping(mark)).await;
        loop {
            let frame = peer.next().await.unwrap();
            match frame.kind {
                kind::DATA if frame.stream == stream => {
                    received += frame.payload.len();
                    if frame.has(flag::END_STREAM) {
                        return (received, true);
                    }
                }
                kind::PING if frame.payload == mark => break,
                kind::RST_STREAM | kind::GOAWAY => panic!("{frame:?}"),
                _ => {}
            }
        }
    }
    (received, false)
}

/// Requests a path, and waits for the head of the response.
async fn ask(peer: &mut RawPeer, stream: u32, path: &str) {
    peer.send(headers(stream, &request("GET", path)).end_stream()).await;
    assert_eq!(peer.expect_on(stream).await.kind, kind::HEADERS);
}

#[test]
fn rfc9113_6_9_1_a_window_of_1_is_respected() {
    server_with(Options::new(), &[(setting::INITIAL_WINDOW_SIZE, 1)], async |mut peer| {
        ask(&mut peer, 1, "/").await;
        let body = peer.as_data(b"hello");
        let (last, octets) = body.split_last().unwrap();
        for octet in octets {
            let frame = peer.expect_on(1).await;
            assert_eq!(frame.payload, [*octet]);
            assert_eq!(data_until_quiet(&mut peer, 1).await, (0, false));
            peer.send(window_update(1, 1)).await;
        }
        assert_eq!(peer.expect_message(1).await.body, [*last]);
    });
}

#[test]
fn rfc9113_6_9_1_a_window_of_0_does_not_stop_headers() {
    server_with(Options::new(), &[(setting::INITIAL_WINDOW_SIZE, 0)], async |mut peer| {
        ask(&mut peer, 1, "/").await;
        assert_eq!(data_until_quiet(&mut peer, 1).await, (0, false));
        let body = peer.as_data(b"hello");
        peer.send(window_update(1, body.len() as u32)).await;
        assert_eq!(peer.expect_message(1).await.body, body);
    });
}

#[test]
fn rfc9113_6_9_1_an_empty_body_needs_no_window() {
    server_with(Options::new(), &[(setting::INITIAL_WINDOW_SIZE, 0)], async |mut peer| {
        let trailers = headers(1, &[("x-trailer", "1")]).end_stream();
        peer.send_all(&[headers(1, &request("POST", "/echo")), trailers]).await;
        assert!(peer.expect_response(1).await.trailers.is_some());
        peer.send(headers(3, &request("GET", "/status")).end_stream()).await;
        peer.expect_response(3).await;
    });
}

#[test]
fn rfc9113_6_9_1_the_streams_window_is_respected_to_the_octet() {
    server_with(Options::new(), &[(setting::INITIAL_WINDOW_SIZE, 50_000)], async |mut peer| {
        ask(&mut peer, 1, "/large").await;
        assert_eq!(received(&mut peer, 1, 50_000).await, (0, false));
        peer.send(window_update(1, 10_000)).await;
        assert_eq!(received(&mut peer, 1, 10_000).await, (0, false));
    });
}

/// Receives this much DATA, and returns how much more comes without more window.
async fn received(peer: &mut RawPeer, stream: u32, octets: usize) -> (usize, bool) {
    let mut rest = octets;
    while rest > 0 {
        let frame = peer.expect_on(stream).await;
        rest = rest.checked_sub(frame.payload.len()).expect("RFC 9113, 6.9.1: more DATA than the window");
    }
    data_until_quiet(peer, stream).await
}

#[test]
fn rfc9113_6_9_1_the_connections_window_is_respected_to_the_octet() {
    server_with(Options::new(), &[(setting::INITIAL_WINDOW_SIZE, 1 << 20)], async |mut peer| {
        ask(&mut peer, 1, "/large").await;
        assert_eq!(received(&mut peer, 1, 65_535).await, (0, false));
        peer.send(window_update(0, 1)).await;
        assert_eq!(received(&mut peer, 1, 1).await, (0, false));
        peer.send(window_update(0, 1 << 20)).await;
        assert_eq!(peer.expect_message(1).await.body.len(), LARGE - 65_536);
    });
}

#[test]
fn rfc9113_6_9_1_a_stream_without_window_does_not_stop_others() {
    server_with(Options::new(), &[(setting::INITIAL_WINDOW_SIZE, 10)], async |mut peer| {
        ask(&mut peer, 1, "/large").await;
        assert_eq!(received(&mut peer, 1, 10).await, (0, false));
        peer.still_serves().await;
    });
}

#[test]
fn rfc9113_6_9_1_streams_share_the_connections_window() {
    server_with(Options::new(), &[(setting::INITIAL_WINDOW_SIZE, 1 << 20)], async |mut peer| {
        for stream in [1, 3] {
            peer.send(headers(stream, &request("GET", "/large")).end_stream()).await;
        }
        let mut bodies = [0; 4];
        let mut open = 2;
        let mut allowed = 65_535;
        while open > 0 {
            let frame = peer.next().await.unwrap();
            let is_message = matches!(frame.kind, kind::DATA | kind::HEADERS);
            open -= u32::from(is_message && frame.has(flag::END_STREAM));
            if frame.kind == kind::DATA {
                bodies[frame.stream as usize] += frame.payload.len();
                allowed -= frame.payload.len() as i64;
                assert!(allowed >= 0, "RFC 9113, 6.9.1: {allowed}");
                if allowed < 10_000 {
                    peer.send(window_update(0, 50_000)).await;
                    allowed += 50_000;
                }
            }
        }
        assert_eq!(bodies, [0, LARGE, 0, LARGE]);
    });
}

#[test]
fn rfc9113_6_9_1_a_window_of_the_connection_above_the_maximum_is_a_connection_error() {
    server(async |mut peer| {
        peer.send_all(&[window_update(0, MAX_WINDOW), window_update(0, MAX_WINDOW)]).await;
        peer.connection_error(code::FLOW_CONTROL_ERROR).await;
    });
}

#[test]
fn rfc9113_6_9_1_a_window_of_a_stream_above_the_maximum_is_a_stream_error() {
    server(async |mut peer| {
        peer.send(headers(1, &request("POST", "/wait"))).await;
        peer.send_all(&[window_update(1, MAX_WINDOW), window_update(1, MAX_WINDOW)]).await;
        if let Outcome::Reset(_) = peer.stream_error(1, code::FLOW_CONTROL_ERROR).await {
            peer.still_serves().await;
        }
    });
}

#[test]
fn rfc9113_6_9_1_the_largest_window_is_accepted() {
    server(async |mut peer| {
        peer.send(headers(1, &request("POST", "/wait"))).await;
        peer.send_all(&[window_update(0, MAX_WINDOW - 65_535), window_update(1, MAX_WINDOW - 65_535)]).await;
        peer.still_serves().await;
    });
}

/// A request that fills the window of its stream, and is not read: 65535 octets, the same before and after the client
/// has the server's settings.
async fn fill_window(peer: &mut RawPeer) {
    assert_eq!(peer.setting(setting::INITIAL_WINDOW_SIZE, 65_535), 65_535);
    peer.send(headers(1, &request("POST", "/unread"))).await;
    for length in [16_384, 16_384, 16_384, 16_383] {
        peer.send(data(1, vec![0; length])).await;
    }
    peer.still_answers().await;
}

fn small_stream_window() -> Options {
    Options::new().initial_stream_window(65_535)
}

#[test]
fn rfc9113_6_9_1_data_beyond_the_streams_window_is_an_error() {
    server_with(small_stream_window(), &[], async |mut peer| {
        fill_window(&mut peer).await;
        peer.send(data(1, "x")).await;
        if let Outcome::Reset(_) = peer.stream_error(1, code::FLOW_CONTROL_ERROR).await {
            peer.still_serves().await;
        }
    });
}

#[test]
fn rfc9113_6_9_1_an_empty_frame_in_a_full_window_is_accepted() {
    server_with(small_stream_window(), &[], async |mut peer| {
        fill_window(&mut peer).await;
        peer.send(data(1, "").end_stream()).await;
        peer.still_serves().await;
    });
}

#[test]
fn rfc9113_6_9_1_data_beyond_the_connections_window_is_a_connection_error() {
    let options = Options::new().initial_stream_window(MAX_WINDOW).max_frame_size((1 << 24) - 1);
    server_with(options, &[], async |mut peer| {
        peer.send(headers(1, &request("POST", "/unread"))).await;
        peer.still_answers().await;
        // It is given back as DATA comes, so a single frame can be longer.
        let window = peer.window(0) as usize;
        peer.send(data(1, vec![0; window + 1])).await;
        peer.connection_error(code::FLOW_CONTROL_ERROR).await;
    });
}

#[test]
fn rfc9113_6_9_1_padding_beyond_the_streams_window_is_an_error() {
    server_with(small_stream_window(), &[], async |mut peer| {
        fill_window(&mut peer).await;
        peer.send(data(1, "").padded(0).end_stream()).await;
        peer.stream_error(1, code::FLOW_CONTROL_ERROR).await;
    });
}

#[test]
fn rfc9113_6_9_1_windows_grow_as_the_service_reads() {
    let options = Options::new().initial_stream_window(5000);
    server_with(options, &[], async |mut peer| {
        peer.send(headers(1, &request("POST", "/echo"))).await;
        for _ in 0..20 {
            peer.send_within_windows(data(1, [1; 2500])).await;
        }
        peer.send(data(1, "").end_stream()).await;
        assert_eq!(peer.expect_response(1).await.body.len(), 50_000);
    });
}

#[test]
fn rfc9113_6_9_2_a_larger_initial_window_holds_for_open_streams() {
    server_with(Options::new(), &[(setting::INITIAL_WINDOW_SIZE, 0)], async |mut peer| {
        ask(&mut peer, 1, "/").await;
        peer.send(settings(&[(setting::INITIAL_WINDOW_SIZE, 1)])).await;
        assert_eq!(received(&mut peer, 1, 1).await, (0, false));
    });
}

#[test]
fn rfc9113_6_9_2_a_window_can_become_negative() {
    server_with(Options::new(), &[(setting::INITIAL_WINDOW_SIZE, 3)], async |mut peer| {
        ask(&mut peer, 1, "/").await;
        assert_eq!(received(&mut peer, 1, 3).await, (0, false));
        // 3 octets were sent in a window that is now 2: -1.
        peer.send(settings(&[(setting::INITIAL_WINDOW_SIZE, 2)])).await;
        peer.expect_settings_ack().await;
        peer.send(window_update(1, 1)).await;
        assert_eq!(data_until_quiet(&mut peer, 1).await, (0, false));
        peer.send(window_update(1, 1)).await;
        assert_eq!(peer.expect_on(1).await.payload, peer.as_data(b"hello")[3..4]);
        assert_eq!(data_until_quiet(&mut peer, 1).await, (0, false));
    });
}

#[test]
fn rfc9113_6_9_2_the_initial_window_does_not_change_that_of_the_connection() {
    server_with(Options::new(), &[(setting::INITIAL_WINDOW_SIZE, 0)], async |mut peer| {
        peer.send(settings(&[(setting::INITIAL_WINDOW_SIZE, 1 << 20)])).await;
        peer.expect_settings_ack().await;
        ask(&mut peer, 1, "/large").await;
        assert_eq!(received(&mut peer, 1, 65_535).await, (0, false));
    });
}

#[test]
fn rfc9113_6_9_2_an_initial_window_that_takes_a_stream_above_the_maximum_is_a_connection_error() {
    server(async |mut peer| {
        peer.send_all(&[headers(1, &request("POST", "/wait")), window_update(1, MAX_WINDOW - 65_535)]).await;
        peer.still_answers().await;
        peer.send(settings(&[(setting::INITIAL_WINDOW_SIZE, 65_536)])).await;
        peer.connection_error(code::FLOW_CONTROL_ERROR).await;
    });
}

#[test]
fn rfc9113_6_9_2_the_windows_of_closed_streams_do_not_matter() {
    server(async |mut peer| {
        peer.send_all(&[headers(1, &POST), window_update(1, MAX_WINDOW - 65_535)]).await;
        peer.send_all(&[rst_stream(1, code::CANCEL), headers(3, &GET).end_stream()]).await;
        peer.expect_response(3).await;
        peer.send(settings(&[(setting::INITIAL_WINDOW_SIZE, MAX_WINDOW)])).await;
        peer.expect_settings_ack().await;
        peer.still_serves().await;
    });
}
