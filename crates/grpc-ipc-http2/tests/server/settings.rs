//! RFC 9113, 6.5: SETTINGS.

use super::{GET, and, request};
use crate::util::engine::Options;
use crate::util::frame::{
    Frame, code, data, flag, headers, kind, setting, settings, settings_ack, window_update,
};
use crate::util::service::LARGE;
use crate::util::{server, server_with};

#[test]
fn rfc9113_6_5_an_acknowledgment_with_a_payload_is_a_connection_error() {
    server(async |mut peer| {
        peer.send(settings(&[(setting::ENABLE_PUSH, 0)]).with(flag::ACK)).await;
        peer.connection_error(code::FRAME_SIZE_ERROR).await;
    });
}

#[test]
fn rfc9113_6_5_settings_on_a_stream_are_a_connection_error() {
    for frame in [settings(&[]), settings(&[(setting::MAX_CONCURRENT_STREAMS, 9)]), settings_ack()] {
        server(async |mut peer| {
            peer.send(headers(1, &request("GET", "/wait")).end_stream()).await;
            peer.send(Frame { stream: 1, ..frame.clone() }).await;
            peer.connection_error(code::PROTOCOL_ERROR).await;
        });
    }
}

#[test]
fn rfc9113_6_5_settings_of_a_size_that_6_does_not_divide_are_a_connection_error() {
    for size in [1, 5, 7] {
        server(async |mut peer| {
            peer.send(Frame::new(kind::SETTINGS, 0, 0, vec![0; size])).await;
            peer.connection_error(code::FRAME_SIZE_ERROR).await;
        });
    }
}

/// A value that a setting must not have.
fn invalid(id: u16, value: u32, code: u32) {
    server(async |mut peer| {
        peer.send(settings(&[(id, value)])).await;
        peer.connection_error(code).await;
    });
}

#[test]
fn rfc9113_6_5_2_enable_push_other_than_0_and_1_is_a_connection_error() {
    invalid(setting::ENABLE_PUSH, 2, code::PROTOCOL_ERROR);
    invalid(setting::ENABLE_PUSH, u32::MAX, code::PROTOCOL_ERROR);
}

#[test]
fn rfc9113_6_5_2_an_initial_window_above_the_maximum_is_a_connection_error() {
    invalid(setting::INITIAL_WINDOW_SIZE, 1 << 31, code::FLOW_CONTROL_ERROR);
    invalid(setting::INITIAL_WINDOW_SIZE, u32::MAX, code::FLOW_CONTROL_ERROR);
}

#[test]
fn rfc9113_6_5_2_a_max_frame_size_below_the_initial_one_is_a_connection_error() {
    invalid(setting::MAX_FRAME_SIZE, 16_383, code::PROTOCOL_ERROR);
    invalid(setting::MAX_FRAME_SIZE, 0, code::PROTOCOL_ERROR);
}

#[test]
fn rfc9113_6_5_2_a_max_frame_size_above_the_maximum_is_a_connection_error() {
    invalid(setting::MAX_FRAME_SIZE, 1 << 24, code::PROTOCOL_ERROR);
}

#[test]
fn rfc9113_6_5_2_every_valid_value_is_accepted() {
    let values = [
        (setting::HEADER_TABLE_SIZE, &[0, 4096, u32::MAX][..]),
        (setting::ENABLE_PUSH, &[0, 1]),
        (setting::MAX_CONCURRENT_STREAMS, &[0, 1, u32::MAX]),
        (setting::INITIAL_WINDOW_SIZE, &[0, 1, (1 << 31) - 1, 65_535]),
        (setting::MAX_FRAME_SIZE, &[16_384, (1 << 24) - 1]),
        (setting::MAX_HEADER_LIST_SIZE, &[1000, 1 << 24, u32::MAX]),
    ];
    server(async |mut peer| {
        for (id, values) in values {
            for value in values {
                peer.send(settings(&[(id, *value)])).await;
                peer.expect_settings_ack().await;
            }
        }
        peer.decoder.limit = u32::MAX as usize;
        peer.still_serves().await;
    });
}

#[test]
fn rfc9113_6_5_2_a_client_that_takes_no_pushed_streams_is_served() {
    server_with(Options::new(), &[(setting::MAX_CONCURRENT_STREAMS, 0)], async |mut peer| {
        peer.still_serves().await;
    });
}

#[test]
fn rfc9113_6_5_2_frames_are_no_longer_than_the_client_takes() {
    server_with(Options::new(), &[(setting::INITIAL_WINDOW_SIZE, 1 << 20)], async |mut peer| {
        peer.send(window_update(0, 1 << 20)).await;
        peer.send(headers(1, &request("GET", "/large")).end_stream()).await;
        // The peer checks the length of each frame.
        assert_eq!(peer.expect_response(1).await.body.len(), LARGE);
    });
}

#[test]
fn rfc9113_6_5_2_a_larger_max_frame_size_is_obeyed() {
    let own = [(setting::INITIAL_WINDOW_SIZE, 1 << 20), (setting::MAX_FRAME_SIZE, 20_000)];
    server_with(Options::new(), &own, async |mut peer| {
        peer.allow_frames_of(20_000);
        peer.send(window_update(0, 1 << 20)).await;
        peer.send(headers(1, &request("GET", "/large")).end_stream()).await;
        assert_eq!(peer.expect_response(1).await.body.len(), LARGE);
    });
}

#[test]
fn rfc9113_6_5_2_a_header_table_of_size_0_is_not_used() {
    let own = [(setting::HEADER_TABLE_SIZE, 0)];
    server_with(Options::new(), &own, async |mut peer| {
        peer.decoder.limit = 0;
        for stream in [1, 3] {
            let trailer = headers(stream, &[("x-trailer", "value")]).end_stream();
            peer.send_all(&[headers(stream, &request("POST", "/echo")), trailer]).await;
            peer.expect_response(stream).await;
        }
        assert_eq!(peer.decoder.entries(), 0);
    });
}

#[test]
fn rfc9113_4_3_1_the_first_block_after_a_reduced_table_says_so() {
    server(async |mut peer| {
        peer.send(headers(1, &request("GET", "/trailers")).end_stream()).await;
        peer.expect_response(1).await;
        peer.send(settings(&[(setting::HEADER_TABLE_SIZE, 0)])).await;
        peer.expect_settings_ack().await;
        peer.decoder.limit = 0;
        peer.send(headers(3, &request("GET", "/trailers")).end_stream()).await;
        let frame = peer.expect_on(3).await;
        assert_eq!(frame.payload[0], 0x20, "a size update to 0: {:?}", frame.payload);
        peer.expect_on(3).await;
        peer.expect_on(3).await;
        peer.still_serves().await;
        assert_eq!(peer.decoder.entries(), 0);
    });
}

#[test]
fn rfc9113_4_3_1_a_table_that_was_smaller_in_between_is_evicted() {
    server(async |mut peer| {
        peer.send(headers(1, &request("GET", "/trailers")).end_stream()).await;
        peer.expect_response(1).await;
        let table = setting::HEADER_TABLE_SIZE;
        peer.send_all(&[settings(&[(table, 0)]), settings(&[(table, 4096)])]).await;
        peer.expect_settings_ack().await;
        peer.expect_settings_ack().await;
        peer.send(headers(3, &request("GET", "/trailers")).end_stream()).await;
        // RFC 7541, 4.2: the smallest size is signalled, then the final one.
        let frame = peer.expect_on(3).await;
        assert_eq!(frame.payload[0], 0x20, "a size update to 0: {:?}", frame.payload);
    });
}

#[test]
fn rfc9113_6_5_3_settings_are_acknowledged_one_by_one() {
    server(async |mut peer| {
        let count = 10;
        peer.send_all(&vec![settings(&[(setting::MAX_CONCURRENT_STREAMS, 100)]); count]).await;
        for _ in 0..count {
            peer.expect_settings_ack().await;
        }
        peer.still_serves().await;
    });
}

#[test]
fn rfc9113_6_5_3_of_several_values_the_last_one_holds() {
    let own = [(setting::INITIAL_WINDOW_SIZE, 100), (setting::INITIAL_WINDOW_SIZE, 1)];
    server_with(Options::new(), &own, async |mut peer| {
        peer.send(headers(1, &GET).end_stream()).await;
        assert_eq!(peer.expect_on(1).await.kind, kind::HEADERS);
        assert_eq!(peer.expect_on(1).await.payload, peer.as_data(b"hello")[..1]);
    });
}

#[test]
fn rfc9113_6_5_3_an_acknowledgment_is_not_acknowledged() {
    server(async |mut peer| {
        peer.send(headers(1, &and(&request("POST", "/echo"), &[]))).await;
        peer.send(data(1, "x").end_stream()).await;
        loop {
            let frame = peer.next().await.unwrap();
            assert_ne!(frame.kind, kind::SETTINGS, "{frame:?}");
            if frame.has(flag::END_STREAM) && frame.stream == 1 {
                break;
            }
        }
    });
}
