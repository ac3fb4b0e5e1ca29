//! RFC 9113, 5.4, 5.5 and 7: errors and extensions.

use super::{GET, request};
use crate::util::frame::{Frame, code, data, flag, goaway, headers, kind, ping, rst_stream, settings};
use crate::util::server;

#[test]
fn rfc9113_5_4_1_a_connection_error_is_told_and_then_the_connection_closed() {
    server(async |mut peer| {
        peer.send(Frame { stream: 1, ..ping(*b"invalid.") }).await;
        peer.expect_goaway(&[code::PROTOCOL_ERROR]).await;
    });
}

#[test]
fn rfc9113_5_4_1_after_a_connection_error_the_server_closes_both_directions() {
    server(async |mut peer| {
        peer.send(Frame { stream: 1, ..ping(*b"invalid.") }).await;
        peer.expect_goaway(&[code::PROTOCOL_ERROR]).await;
        peer.expect_broken_pipe().await;
    });
}

#[test]
fn rfc9113_5_4_1_after_a_connection_error_bodies_that_are_not_read_do_not_keep_it_open() {
    server(async |mut peer| {
        peer.send_all(&[headers(1, &request("POST", "/unread")), data(1, "part")]).await;
        peer.still_answers().await;
        peer.send(Frame { stream: 1, ..ping(*b"invalid.") }).await;
        peer.expect_goaway(&[code::PROTOCOL_ERROR]).await;
        peer.expect_broken_pipe().await;
    });
}

#[test]
fn rfc9113_5_4_1_goaway_names_the_last_stream_that_was_received() {
    server(async |mut peer| {
        for stream in [1, 3] {
            peer.send(headers(stream, &GET).end_stream()).await;
            peer.expect_response(stream).await;
        }
        peer.send(Frame { stream: 1, ..ping(*b"invalid.") }).await;
        let goaway = peer.expect_goaway(&[code::PROTOCOL_ERROR]).await;
        assert_eq!(goaway.u32(0), 3);
    });
}

#[test]
fn rfc9113_5_4_2_a_stream_error_is_not_answered_with_one() {
    server(async |mut peer| {
        peer.send_all(&[headers(1, &request("POST", "/wait")), rst_stream(1, code::PROTOCOL_ERROR)]).await;
        peer.still_serves().await;
    });
}

#[test]
fn rfc9113_5_5_an_extension_frame_is_ignored() {
    server(async |mut peer| {
        for kind in 10..=255 {
            peer.send(Frame::new(kind, kind, u32::from(kind) % 3, [kind; 9])).await;
        }
        peer.still_serves().await;
    });
}

#[test]
fn rfc9113_5_5_an_extension_frame_in_a_field_block_is_a_connection_error() {
    server(async |mut peer| {
        peer.send_all(&[headers(1, &GET).end_stream().unfinished(), Frame::new(0xff, 0, 1, [0; 8])]).await;
        peer.connection_error(code::PROTOCOL_ERROR).await;
    });
}

#[test]
fn rfc9113_5_5_an_unknown_setting_is_ignored() {
    server(async |mut peer| {
        peer.send(settings(&[(0xfff, 1), (0, u32::MAX), (7, 0)])).await;
        peer.expect_settings_ack().await;
        peer.still_serves().await;
    });
}

#[test]
fn rfc9113_7_an_unknown_code_of_rst_stream_is_nothing_special() {
    server(async |mut peer| {
        peer.send_all(&[headers(1, &request("POST", "/wait")), rst_stream(1, 0xff)]).await;
        peer.still_serves().await;
    });
}

#[test]
fn rfc9113_7_an_unknown_code_of_goaway_is_nothing_special() {
    server(async |mut peer| {
        peer.send(headers(1, &request("POST", "/echo"))).await;
        peer.send(goaway(0, 0xff)).await;
        peer.send(data(1, "body").end_stream()).await;
        // The server may or may not keep the connection.
        loop {
            match peer.next().await {
                None => break,
                Some(frame) if frame.kind == kind::GOAWAY => assert_eq!(frame.u32(4), code::NO_ERROR),
                Some(frame) if frame.stream == 1 && frame.has(flag::END_STREAM) => break,
                Some(_) => {}
            }
        }
    });
}
