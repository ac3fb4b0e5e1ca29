//! RFC 9113, 4.1 and 4.2: the format and the size of frames.

use super::{GET, POST, request};
use crate::util::frame::{Frame, code, data, flag, headers, kind, ping, setting, settings, window_update};
use crate::util::raw::Outcome;
use crate::util::server;

#[test]
fn rfc9113_4_1_a_frame_of_unknown_type_is_ignored() {
    server(async |mut peer| {
        peer.send(Frame::new(0x16, 0, 0, [0; 8])).await;
        peer.still_serves().await;
    });
}

#[test]
fn rfc9113_4_1_a_frame_of_unknown_type_is_ignored_on_any_stream() {
    server(async |mut peer| {
        peer.send(headers(1, &request("POST", "/echo"))).await;
        for stream in [1, 2, 77] {
            peer.send(Frame::new(0xff, 0xff, stream, [0xff; 8])).await;
        }
        peer.send(data(1, "body").end_stream()).await;
        assert_eq!(peer.expect_response(1).await.body, b"body");
        peer.still_serves().await;
    });
}

#[test]
fn rfc9113_4_1_unused_flags_of_ping_are_ignored() {
    server(async |mut peer| {
        let octets = *b"12345678";
        peer.send(ping(octets).with(0x16)).await;
        let answer = peer.expect("the answer", |frame| frame.kind == kind::PING).await;
        assert_eq!((answer.flags, &answer.payload[..]), (flag::ACK, &octets[..]));
    });
}

#[test]
fn rfc9113_4_1_unused_flags_of_data_and_headers_are_ignored() {
    server(async |mut peer| {
        peer.send(headers(1, &request("POST", "/echo")).with(0x02 | 0x10 | 0x40 | 0x80)).await;
        peer.send(data(1, "body").end_stream().with(0x02 | 0x04 | 0x10 | 0x20 | 0x40 | 0x80)).await;
        assert_eq!(peer.expect_response(1).await.body, b"body");
    });
}

#[test]
fn rfc9113_4_1_unused_flags_of_settings_and_window_update_are_ignored() {
    server(async |mut peer| {
        peer.send(settings(&[(setting::MAX_CONCURRENT_STREAMS, 10)]).with(0xfe)).await;
        peer.expect_settings_ack().await;
        peer.send(window_update(0, 1).with(0xff)).await;
        peer.still_serves().await;
    });
}

#[test]
fn rfc9113_4_1_the_reserved_bit_is_ignored() {
    server(async |mut peer| {
        let mut frame = ping(*b"reserved");
        frame.stream = 1 << 31;
        peer.send(frame).await;
        peer.expect("the answer", |frame| frame.kind == kind::PING && frame.payload == b"reserved").await;
        // Encoded separately, so that the peer does not treat the bit as part of the number.
        let mut frame = headers(1, &GET).end_stream();
        frame.stream |= 1 << 31;
        peer.send_octets(&frame.encode()).await;
        assert_eq!(peer.expect_response(1).await.body, b"hello");
    });
}

#[test]
fn rfc9113_4_1_frames_may_come_octet_by_octet() {
    server(async |mut peer| {
        let frames = [headers(1, &request("POST", "/echo")), data(1, "body").end_stream()];
        for octet in frames.iter().flat_map(Frame::encode) {
            peer.send_octets(&[octet]).await;
            tokio::task::yield_now().await;
        }
        assert_eq!(peer.expect_response(1).await.body, b"body");
    });
}

#[test]
fn rfc9113_4_2_data_of_16384_octets_is_taken() {
    server(async |mut peer| {
        peer.send(headers(1, &request("POST", "/echo"))).await;
        peer.send_within_windows(data(1, [7; 16_384]).end_stream()).await;
        assert_eq!(peer.expect_response(1).await.body, [7; 16_384]);
    });
}

#[test]
fn rfc9113_4_2_headers_of_16384_octets_are_taken() {
    server(async |mut peer| {
        let padding = 16_384 - headers(1, &GET).payload.len() - "\0\u{7}x-long\u{7}....".len();
        let long = "x".repeat(padding);
        let frame = headers(1, &super::and(&GET, &[("x-long", &long)])).end_stream();
        assert!((16_380..=16_384).contains(&frame.payload.len()), "{}", frame.payload.len());
        peer.send(frame).await;
        peer.expect_response(1).await;
    });
}

#[test]
fn rfc9113_4_2_an_empty_data_frame_is_taken() {
    server(async |mut peer| {
        peer.send_all(&[headers(1, &request("POST", "/echo")), data(1, ""), data(1, "a"), data(1, "")]).await;
        peer.send(data(1, "").end_stream()).await;
        assert_eq!(peer.expect_response(1).await.body, b"a");
    });
}

#[test]
fn rfc9113_4_2_data_that_is_too_long_is_an_error() {
    server(async |mut peer| {
        let limit = peer.setting(setting::MAX_FRAME_SIZE, 16_384);
        peer.send_all(&[headers(1, &POST), data(1, vec![0; limit as usize + 1])]).await;
        peer.stream_error(1, code::FRAME_SIZE_ERROR).await;
    });
}

#[test]
fn rfc9113_4_2_headers_that_are_too_long_are_a_connection_error() {
    server(async |mut peer| {
        let long = "x".repeat(peer.setting(setting::MAX_FRAME_SIZE, 16_384) as usize + 1);
        peer.send(headers(1, &super::and(&GET, &[("x-long", &long)])).end_stream()).await;
        peer.connection_error(code::FRAME_SIZE_ERROR).await;
    });
}

#[test]
fn rfc9113_4_2_settings_that_are_too_long_are_a_connection_error() {
    server(async |mut peer| {
        let limit = peer.setting(setting::MAX_FRAME_SIZE, 16_384) as usize;
        peer.send(Frame::new(kind::SETTINGS, 0, 0, vec![0xff; (limit / 6 + 1) * 6])).await;
        peer.connection_error(code::FRAME_SIZE_ERROR).await;
    });
}

#[test]
fn rfc9113_4_2_a_frame_of_unknown_type_that_is_too_long_is_an_error() {
    server(async |mut peer| {
        let limit = peer.setting(setting::MAX_FRAME_SIZE, 16_384);
        peer.send(Frame::new(0x16, 0, 0, vec![0; limit as usize + 1])).await;
        peer.connection_error(code::FRAME_SIZE_ERROR).await;
    });
}

#[test]
fn rfc9113_4_2_a_length_alone_is_enough_for_the_error() {
    server(async |mut peer| {
        // The head of a frame of 16 MiB. A server that waits for the rest would wait for ever.
        peer.send_octets(&[0xff, 0xff, 0xff, kind::HEADERS, 0, 0, 0, 0, 1]).await;
        peer.expect_goaway(&[code::FRAME_SIZE_ERROR]).await;
    });
}

#[test]
fn rfc9113_4_2_headers_too_short_for_their_flags_are_a_connection_error() {
    for (flags, payload) in
        [(flag::PADDED, &[][..]), (flag::PRIORITY, &[0; 4]), (flag::PADDED | flag::PRIORITY, &[0; 5])]
    {
        server(async |mut peer| {
            peer.send(Frame::new(kind::HEADERS, flags | flag::END_HEADERS, 1, payload)).await;
            let codes = [code::FRAME_SIZE_ERROR, code::PROTOCOL_ERROR];
            peer.expect_outcome(1, &codes.map(Outcome::ConnectionError)).await;
        });
    }
}

#[test]
fn rfc9113_4_2_data_too_short_for_its_flags_is_an_error() {
    server(async |mut peer| {
        peer.send_all(&[headers(1, &POST), data(1, "").with(flag::PADDED)]).await;
        let codes = [code::FRAME_SIZE_ERROR, code::PROTOCOL_ERROR];
        let accepted = [codes.map(Outcome::ConnectionError), codes.map(Outcome::Reset)];
        peer.expect_outcome(1, accepted.as_flattened()).await;
    });
}
