//! RFC 9113, 4, 6 and RFC 7541: frames that are invalid by themselves.

use super::{OK, expect_request, failed, failed_with, get, still_calls};
use crate::util::client;
use crate::util::frame::{
    Frame, code, continuation, data, flag, goaway, headers, headers_of, kind, ping, priority, rst_stream,
    settings, settings_ack, window_update,
};
use crate::util::hpack::literals;

/// A frame that is a connection error while a call waits for its response on stream 1.
fn connection_error(frames: &[Frame], code: u32) {
    client(async |mut peer, client| {
        let call = get(&client);
        expect_request(&mut peer, 1).await;
        peer.send_all(frames).await;
        peer.connection_error(code).await;
        failed_with(call, code).await;
    });
}

/// Frames that a client ignores.
fn ignored(frames: &[Frame]) {
    client(async |mut peer, client| {
        let call = get(&client);
        expect_request(&mut peer, 1).await;
        peer.send_all(frames).await;
        peer.send(headers(1, &OK).end_stream()).await;
        assert_eq!(call.await.unwrap().unwrap().head.status(), 200);
        still_calls(&mut peer, &client).await;
    });
}

#[test]
fn rfc9113_5_4_1_after_a_connection_error_the_client_closes_both_directions() {
    client(async |mut peer, client| {
        peer.send(Frame { stream: 1, ..ping(*b"invalid.") }).await;
        peer.expect_goaway(&[code::PROTOCOL_ERROR]).await;
        peer.expect_broken_pipe().await;
        failed(get(&client)).await;
    });
}

#[test]
fn rfc9113_4_1_frames_of_unknown_types_are_ignored() {
    ignored(&[Frame::new(0x16, 0xff, 0, [0; 9]), Frame::new(0xff, 0xff, 1, [1]), Frame::new(0x0a, 0, 2, [])]);
}

#[test]
fn rfc9113_4_1_the_reserved_bit_is_ignored() {
    ignored(&[Frame { stream: 1 << 31, ..ping(*b"reserved") }]);
}

#[test]
fn rfc9113_6_3_priority_is_ignored() {
    ignored(&[priority(1, 0, 3), priority(3, 1, 3), priority(2, 1, 255)]);
}

#[test]
fn rfc9113_4_2_frames_that_are_too_long_are_a_connection_error() {
    for kind in [kind::HEADERS, kind::SETTINGS, 0x16] {
        client(async |mut peer, client| {
            let call = get(&client);
            expect_request(&mut peer, 1).await;
            peer.send_octets(&[0xff, 0xff, 0xff, kind, 0, 0, 0, 0, 1]).await;
            peer.expect_goaway(&[code::FRAME_SIZE_ERROR]).await;
            failed_with(call, code::FRAME_SIZE_ERROR).await;
        });
    }
}

#[test]
fn rfc9113_4_3_other_frames_in_a_field_block_are_a_connection_error() {
    let first = headers(1, &OK).unfinished();
    for frame in [ping(*b"........"), data(1, ""), headers(1, &OK), settings(&[]), Frame::new(0xff, 0, 1, [])]
    {
        connection_error(&[first.clone(), frame], code::PROTOCOL_ERROR);
    }
}

#[test]
fn rfc9113_6_10_a_field_block_may_be_continued() {
    client(async |mut peer, client| {
        let call = get(&client);
        expect_request(&mut peer, 1).await;
        let block = literals(&[(":status", "200"), ("x-field", "value")]);
        let (first, rest) = block.split_at(5);
        peer.send(headers_of(1, first).end_stream().unfinished()).await;
        peer.send_all(&[continuation(1, []).unfinished(), continuation(1, rest)]).await;
        assert_eq!(call.await.unwrap().unwrap().head.headers()["x-field"], "value");
    });
}

#[test]
fn rfc9113_6_10_continuation_without_headers_is_a_connection_error() {
    connection_error(&[continuation(1, literals(&OK))], code::PROTOCOL_ERROR);
    connection_error(&[headers(1, &OK), continuation(1, [])], code::PROTOCOL_ERROR);
}

#[test]
fn rfc7541_a_field_block_that_cannot_be_decoded_is_a_connection_error() {
    for wrong in [&[0x80][..], &[0xff], &[0xbe], &[0x3f, 0xff, 0xff, 0x7f], b"\x00\x05x"] {
        connection_error(&[headers_of(1, wrong).end_stream()], code::COMPRESSION_ERROR);
    }
}

#[test]
fn rfc9113_6_1_data_on_stream_0_is_a_connection_error() {
    connection_error(&[data(0, "x")], code::PROTOCOL_ERROR);
}

#[test]
fn rfc9113_6_1_padding_that_is_too_long_is_a_connection_error() {
    let frame = Frame::new(kind::DATA, flag::PADDED, 1, [4, 0, 0, 0]);
    connection_error(&[headers(1, &OK), frame], code::PROTOCOL_ERROR);
}

#[test]
fn rfc9113_6_2_headers_on_stream_0_are_a_connection_error() {
    connection_error(&[headers(0, &OK)], code::PROTOCOL_ERROR);
}

#[test]
fn rfc9113_6_2_padding_and_priority_are_no_part_of_the_message() {
    client(async |mut peer, client| {
        let call = get(&client);
        expect_request(&mut peer, 1).await;
        peer.send(headers(1, &OK).prioritized(0, 9).padded(20)).await;
        peer.send_all(&[data(1, "he").padded(255), data(1, "llo").padded(0).end_stream()]).await;
        assert_eq!(call.await.unwrap().unwrap().body, b"hello");
    });
}

#[test]
fn rfc9113_6_3_priority_on_stream_0_is_a_connection_error() {
    connection_error(&[priority(0, 1, 1)], code::PROTOCOL_ERROR);
}

#[test]
fn rfc9113_6_4_wrong_rst_stream_is_a_connection_error() {
    connection_error(&[rst_stream(0, code::CANCEL)], code::PROTOCOL_ERROR);
    connection_error(&[Frame::new(kind::RST_STREAM, 0, 1, [0; 3])], code::FRAME_SIZE_ERROR);
}

#[test]
fn rfc9113_6_5_wrong_settings_are_a_connection_error() {
    connection_error(&[Frame { stream: 1, ..settings(&[]) }], code::PROTOCOL_ERROR);
    connection_error(&[Frame::new(kind::SETTINGS, 0, 0, [0; 5])], code::FRAME_SIZE_ERROR);
    connection_error(&[Frame { payload: vec![0; 6], ..settings_ack() }], code::FRAME_SIZE_ERROR);
}

#[test]
fn rfc9113_6_7_ping_is_answered() {
    client(async |mut peer, _client| {
        peer.send_all(&[ping(*b"ignore..").with(flag::ACK), ping(*b"answer..")]).await;
        let answer = peer.expect("the answer", |frame| frame.kind == kind::PING).await;
        assert_eq!(answer, ping(*b"answer..").with(flag::ACK));
    });
}

#[test]
fn rfc9113_6_7_wrong_ping_is_a_connection_error() {
    connection_error(&[Frame { stream: 1, ..ping([0; 8]) }], code::PROTOCOL_ERROR);
    connection_error(&[Frame::new(kind::PING, 0, 0, [0; 7])], code::FRAME_SIZE_ERROR);
}

#[test]
fn rfc9113_6_8_wrong_goaway_is_a_connection_error() {
    connection_error(&[Frame { stream: 1, ..goaway(1, code::NO_ERROR) }], code::PROTOCOL_ERROR);
    connection_error(&[Frame::new(kind::GOAWAY, 0, 0, [0; 7])], code::FRAME_SIZE_ERROR);
}

#[test]
fn rfc9113_6_9_wrong_window_update_is_a_connection_error() {
    connection_error(&[window_update(0, 0)], code::PROTOCOL_ERROR);
    connection_error(&[Frame::new(kind::WINDOW_UPDATE, 0, 0, [0; 3])], code::FRAME_SIZE_ERROR);
}
