//! RFC 9113, 6.9: flow control.

use super::{OK, expect_request, failed_with, get, post, still_calls};
use crate::util::engine::Options;
use crate::util::frame::{code, data, headers, kind, setting, settings, window_update};
use crate::util::raw::{Outcome, RawPeer};
use crate::util::{client, client_with};

const MAX_WINDOW: u32 = (1 << 31) - 1;

/// Receives exactly this much DATA on stream 1.
async fn receive(peer: &mut RawPeer, octets: usize) {
    let mut rest = octets;
    while rest > 0 {
        let frame = peer.expect_on(1).await;
        assert_eq!(frame.kind, kind::DATA);
        rest = rest.checked_sub(frame.payload.len()).expect("RFC 9113, 6.9.1: more DATA than the window");
    }
    peer.expect_silence_on(1).await;
}

#[test]
fn rfc9113_6_9_1_the_streams_window_is_respected() {
    client_with(Options::new(), &[(setting::INITIAL_WINDOW_SIZE, 1)], async |mut peer, client| {
        let _call = post(&client, "hello");
        expect_request(&mut peer, 1).await;
        receive(&mut peer, 1).await;
        peer.send(window_update(1, 3)).await;
        receive(&mut peer, 3).await;
        peer.send(window_update(1, 1)).await;
        assert_eq!(peer.expect_message(1).await.body, b"o");
    });
}

#[test]
fn rfc9113_6_9_1_the_connections_window_is_respected() {
    client_with(Options::new(), &[(setting::INITIAL_WINDOW_SIZE, 1 << 20)], async |mut peer, client| {
        let _call = post(&client, vec![0; 100_000]);
        expect_request(&mut peer, 1).await;
        receive(&mut peer, 65_535).await;
        peer.send(window_update(0, 5)).await;
        receive(&mut peer, 5).await;
    });
}

#[test]
fn rfc9113_6_9_2_the_initial_window_holds_for_open_streams() {
    client_with(Options::new(), &[(setting::INITIAL_WINDOW_SIZE, 10)], async |mut peer, client| {
        let _call = post(&client, vec![0; 1000]);
        expect_request(&mut peer, 1).await;
        receive(&mut peer, 10).await;
        // 10 octets were sent in a window that is now 4: -6.
        peer.send(settings(&[(setting::INITIAL_WINDOW_SIZE, 4)])).await;
        peer.expect_settings_ack().await;
        peer.send(window_update(1, 6)).await;
        peer.expect_silence_on(1).await;
        peer.send(window_update(1, 1)).await;
        receive(&mut peer, 1).await;
        peer.send(settings(&[(setting::INITIAL_WINDOW_SIZE, 104)])).await;
        receive(&mut peer, 100).await;
    });
}

#[test]
fn rfc9113_6_9_1_a_window_above_the_maximum_is_an_error() {
    client(async |mut peer, client| {
        let call = get(&client);
        expect_request(&mut peer, 1).await;
        peer.send_all(&[window_update(0, MAX_WINDOW)]).await;
        peer.connection_error(code::FLOW_CONTROL_ERROR).await;
        failed_with(call, code::FLOW_CONTROL_ERROR).await;
    });
}

#[test]
fn rfc9113_6_9_1_a_window_of_a_stream_above_the_maximum_is_a_stream_error() {
    client(async |mut peer, client| {
        let call = post(&client, vec![0; 100_000]);
        expect_request(&mut peer, 1).await;
        peer.send_all(&[window_update(1, MAX_WINDOW), window_update(1, MAX_WINDOW)]).await;
        if let Outcome::Reset(_) = peer.stream_error(1, code::FLOW_CONTROL_ERROR).await {
            peer.send(window_update(0, 100_000)).await;
            still_calls(&mut peer, &client).await;
        }
        failed_with(call, code::FLOW_CONTROL_ERROR).await;
    });
}

#[test]
fn rfc9113_6_9_an_increment_of_0_is_a_stream_error() {
    client(async |mut peer, client| {
        let call = post(&client, vec![0; 100_000]);
        expect_request(&mut peer, 1).await;
        peer.send(window_update(1, 0)).await;
        peer.stream_error(1, code::PROTOCOL_ERROR).await;
        failed_with(call, code::PROTOCOL_ERROR).await;
    });
}

#[test]
fn rfc9113_6_9_2_an_initial_window_that_takes_a_stream_above_the_maximum_is_a_connection_error() {
    client(async |mut peer, client| {
        let call = post(&client, vec![0; 100_000]);
        expect_request(&mut peer, 1).await;
        receive(&mut peer, 65_535).await;
        peer.send_all(&[window_update(1, MAX_WINDOW), settings(&[(setting::INITIAL_WINDOW_SIZE, 65_536)])])
            .await;
        peer.connection_error(code::FLOW_CONTROL_ERROR).await;
        failed_with(call, code::FLOW_CONTROL_ERROR).await;
    });
}

#[test]
fn rfc9113_6_9_1_data_beyond_the_streams_window_is_an_error() {
    let options = Options::new().initial_stream_window(65_535);
    client_with(options, &[], async |mut peer, client| {
        // The response's body is not read.
        let calling = tokio::spawn(async move {
            let request = http::Request::get("http://localhost/").body(Default::default()).unwrap();
            client.send(request).await
        });
        expect_request(&mut peer, 1).await;
        peer.send(headers(1, &OK)).await;
        for length in [16_384, 16_384, 16_384, 16_383] {
            peer.send(data(1, vec![0; length])).await;
        }
        peer.still_answers().await;
        peer.send(data(1, "x")).await;
        peer.stream_error(1, code::FLOW_CONTROL_ERROR).await;
        _ = calling.await.unwrap();
    });
}

#[test]
fn rfc9113_6_9_1_windows_grow_as_the_caller_reads() {
    let options = Options::new().initial_stream_window(5000);
    client_with(options, &[], async |mut peer, client| {
        let call = get(&client);
        expect_request(&mut peer, 1).await;
        peer.send(headers(1, &OK)).await;
        for _ in 0..100 {
            // Padding counts, and is given back.
            peer.send_within_windows(data(1, [1; 2000]).padded(200)).await;
        }
        peer.send(data(1, "").end_stream()).await;
        assert_eq!(call.await.unwrap().unwrap().body.len(), 200_000);
    });
}

#[test]
fn rfc9113_6_9_1_data_that_nobody_reads_returns_to_the_connections_window() {
    client(async |mut peer, client| {
        let total = 3 * peer.window(0);
        let mut sent = 0;
        for stream in (1..).step_by(2) {
            let request = http::Request::get("http://localhost/").body(Default::default()).unwrap();
            let calling = tokio::spawn({
                let client = client.clone();
                async move { client.send(request).await }
            });
            expect_request(&mut peer, stream).await;
            peer.send(headers(stream, &OK)).await;
            let response = calling.await.unwrap().unwrap();
            for _ in 0..40 {
                peer.send_within_windows(data(stream, [0; 10_000])).await;
                sent += 10_000;
            }
            peer.still_answers().await;
            drop(response);
            peer.expect_reset(stream, code::CANCEL).await;
            if sent > total {
                break;
            }
        }
        still_calls(&mut peer, &client).await;
    });
}

#[test]
fn rfc9113_6_9_1_an_empty_end_needs_no_window() {
    client_with(Options::new(), &[(setting::INITIAL_WINDOW_SIZE, 5)], async |mut peer, client| {
        let _call = post(&client, "hello");
        assert_eq!(peer.expect_message(1).await.body, b"hello");
    });
}
