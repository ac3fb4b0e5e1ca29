//! RFC 9113, 6.5: the client obeys the server's SETTINGS.

use super::{OK, expect_request, failed_with, get, post, still_calls};
use crate::util::engine::Options;
use crate::util::frame::{code, headers, rst_stream, setting, settings, window_update};
use crate::util::{client, client_with};

/// A value that a server's setting must not have.
fn invalid(id: u16, value: u32, code: u32) {
    client(async |mut peer, client| {
        let call = get(&client);
        expect_request(&mut peer, 1).await;
        peer.send(settings(&[(id, value)])).await;
        peer.connection_error(code).await;
        failed_with(call, code).await;
    });
}

#[test]
fn rfc9113_6_5_2_enable_push_of_a_server_is_a_connection_error() {
    invalid(setting::ENABLE_PUSH, 1, code::PROTOCOL_ERROR);
    invalid(setting::ENABLE_PUSH, 2, code::PROTOCOL_ERROR);
}

#[test]
fn rfc9113_6_5_2_invalid_values_are_a_connection_error() {
    invalid(setting::INITIAL_WINDOW_SIZE, 1 << 31, code::FLOW_CONTROL_ERROR);
    invalid(setting::MAX_FRAME_SIZE, 16_383, code::PROTOCOL_ERROR);
    invalid(setting::MAX_FRAME_SIZE, 1 << 24, code::PROTOCOL_ERROR);
}

#[test]
fn rfc9113_6_5_2_unknown_settings_and_enable_push_of_0_are_accepted() {
    client(async |mut peer, client| {
        peer.send(settings(&[(0xfff, 1), (0, 1), (setting::ENABLE_PUSH, 0)])).await;
        peer.expect_settings_ack().await;
        still_calls(&mut peer, &client).await;
    });
}

#[test]
fn rfc9113_6_5_2_data_is_cut_to_the_servers_max_frame_size() {
    let own = [(setting::INITIAL_WINDOW_SIZE, 1 << 20), (setting::MAX_FRAME_SIZE, 20_000)];
    client_with(Options::new(), &own, async |mut peer, client| {
        peer.send(window_update(0, 1 << 20)).await;
        peer.allow_frames_of(20_000);
        let _call = post(&client, vec![0; 200_000]);
        assert_eq!(peer.expect_message(1).await.body.len(), 200_000);
    });
}

#[test]
fn rfc9113_6_5_2_data_is_cut_to_16384_octets_by_default() {
    client_with(Options::new(), &[(setting::INITIAL_WINDOW_SIZE, 1 << 20)], async |mut peer, client| {
        peer.send(window_update(0, 1 << 20)).await;
        let _call = post(&client, vec![0; 200_000]);
        assert_eq!(peer.expect_message(1).await.body.len(), 200_000);
    });
}

#[test]
fn rfc9113_5_1_2_a_call_beyond_max_concurrent_streams_waits() {
    client_with(Options::new(), &[(setting::MAX_CONCURRENT_STREAMS, 1)], async |mut peer, client| {
        let first = get(&client);
        expect_request(&mut peer, 1).await;
        let second = get(&client);
        peer.expect_silence_on(3).await;
        peer.send(headers(1, &OK).end_stream()).await;
        first.await.unwrap().unwrap();
        expect_request(&mut peer, 3).await;
        peer.send(headers(3, &OK).end_stream()).await;
        second.await.unwrap().unwrap();
    });
}

#[test]
fn rfc9113_5_1_2_a_reset_stream_makes_room() {
    client_with(Options::new(), &[(setting::MAX_CONCURRENT_STREAMS, 1)], async |mut peer, client| {
        let first = get(&client);
        expect_request(&mut peer, 1).await;
        let second = get(&client);
        peer.send(rst_stream(1, code::CANCEL)).await;
        failed_with(first, code::CANCEL).await;
        expect_request(&mut peer, 3).await;
        let third = get(&client);
        second.abort();
        peer.expect_reset(3, code::CANCEL).await;
        expect_request(&mut peer, 5).await;
        peer.send(headers(5, &OK).end_stream()).await;
        third.await.unwrap().unwrap();
    });
}

#[test]
fn rfc9113_5_1_2_a_larger_limit_lets_waiting_calls_go() {
    client_with(Options::new(), &[(setting::MAX_CONCURRENT_STREAMS, 0)], async |mut peer, client| {
        let call = get(&client);
        peer.expect_silence_on(1).await;
        peer.send(settings(&[(setting::MAX_CONCURRENT_STREAMS, 1)])).await;
        expect_request(&mut peer, 1).await;
        peer.send(headers(1, &OK).end_stream()).await;
        call.await.unwrap().unwrap();
    });
}

#[test]
fn rfc9113_4_3_1_a_header_table_of_size_0_is_not_used() {
    client_with(Options::new(), &[(setting::HEADER_TABLE_SIZE, 0)], async |mut peer, client| {
        peer.decoder.limit = 0;
        for _ in 0..3 {
            still_calls(&mut peer, &client).await;
        }
        assert_eq!(peer.decoder.entries(), 0);
    });
}

#[test]
fn rfc9113_4_3_1_the_first_block_after_a_reduced_table_says_so() {
    client(async |mut peer, client| {
        still_calls(&mut peer, &client).await;
        peer.send(settings(&[(setting::HEADER_TABLE_SIZE, 0)])).await;
        peer.expect_settings_ack().await;
        peer.decoder.limit = 0;
        for _ in 0..3 {
            still_calls(&mut peer, &client).await;
        }
        assert_eq!(peer.decoder.entries(), 0);
    });
}
