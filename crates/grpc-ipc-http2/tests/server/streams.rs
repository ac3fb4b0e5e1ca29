//! RFC 9113, 5.1.1 and 5.1.2: stream identifiers and concurrency.

use super::{GET, POST, request};
use crate::util::engine::Options;
use crate::util::frame::{code, data, headers, kind, rst_stream, setting};
use crate::util::raw::{Outcome, RawPeer};
use crate::util::{server, server_with};

#[test]
fn rfc9113_5_1_1_an_even_stream_id_is_a_connection_error() {
    server(async |mut peer| {
        peer.send(headers(2, &GET).end_stream()).await;
        peer.connection_error(code::PROTOCOL_ERROR).await;
    });
}

#[test]
fn rfc9113_5_1_1_a_stream_id_below_an_earlier_one_is_a_connection_error() {
    server(async |mut peer| {
        peer.send_all(&[headers(5, &GET).end_stream(), headers(3, &GET).end_stream()]).await;
        let codes = [code::PROTOCOL_ERROR, code::STREAM_CLOSED];
        peer.expect_outcome(3, &codes.map(Outcome::ConnectionError)).await;
    });
}

#[test]
fn rfc9113_5_1_1_stream_ids_can_be_skipped() {
    server(async |mut peer| {
        for stream in [1, 7, 1_000_001, (1 << 31) - 1] {
            peer.send(headers(stream, &GET).end_stream()).await;
            peer.expect_response(stream).await;
        }
        peer.still_answers().await;
    });
}

#[test]
fn rfc9113_5_1_1_a_skipped_stream_is_closed() {
    server(async |mut peer| {
        peer.send(headers(5, &GET).end_stream()).await;
        peer.expect_response(5).await;
        peer.send(data(3, "x")).await;
        let codes = [code::PROTOCOL_ERROR, code::STREAM_CLOSED];
        let accepted = [codes.map(Outcome::ConnectionError), codes.map(Outcome::Reset)];
        peer.expect_outcome(3, accepted.as_flattened()).await;
    });
}

/// A GET on a stream of this number, or a later one, gets its response. REFUSED_STREAM is allowed at any time (8.7),
/// and a server may wait for the handler of an earlier stream to end.
async fn serves_again(peer: &mut RawPeer, first: u32) {
    for stream in (first..).step_by(2) {
        peer.send(headers(stream, &GET).end_stream()).await;
        let frame = peer.expect_on(stream).await;
        if frame.kind == kind::HEADERS {
            break;
        }
        assert_eq!(frame.u32(0), code::REFUSED_STREAM);
    }
}

#[test]
fn rfc9113_5_1_2_a_stream_too_many_is_a_stream_error() {
    server_with(Options::new().max_concurrent_streams(2), &[], async |mut peer| {
        assert_eq!(peer.setting(setting::MAX_CONCURRENT_STREAMS, u32::MAX), 2);
        peer.send(headers(1, &request("GET", "/wait")).end_stream()).await;
        peer.send(headers(3, &request("POST", "/wait"))).await;
        peer.send(headers(5, &GET).end_stream()).await;
        let codes = [code::PROTOCOL_ERROR, code::REFUSED_STREAM];
        let accepted = [codes.map(Outcome::Reset), codes.map(Outcome::ConnectionError)];
        if let Outcome::Reset(_) = peer.expect_outcome(5, accepted.as_flattened()).await {
            peer.send(rst_stream(1, code::CANCEL)).await;
            serves_again(&mut peer, 7).await;
        }
    });
}

#[test]
fn rfc9113_5_1_2_streams_that_have_ended_do_not_count() {
    server_with(Options::new().max_concurrent_streams(1), &[], async |mut peer| {
        for stream in [1, 3, 5] {
            peer.send(headers(stream, &GET).end_stream()).await;
            peer.expect_response(stream).await;
        }
    });
}

#[test]
fn rfc9113_5_1_2_streams_that_were_reset_do_not_count() {
    server_with(Options::new().max_concurrent_streams(1), &[], async |mut peer| {
        for stream in [1, 101, 201] {
            peer.send_all(&[headers(stream, &request("POST", "/wait")), rst_stream(stream, code::CANCEL)])
                .await;
            serves_again(&mut peer, stream + 2).await;
        }
    });
}

#[test]
fn rfc9113_5_1_2_streams_are_served_at_once() {
    server(async |mut peer| {
        for stream in [1, 3, 5] {
            peer.send(headers(stream, &request("POST", "/echo"))).await;
        }
        for stream in [5, 1, 3] {
            peer.send(data(stream, stream.to_string()).end_stream()).await;
            assert_eq!(peer.expect_response(stream).await.body, stream.to_string().as_bytes());
        }
    });
}

#[test]
fn rfc9113_5_1_2_data_of_a_refused_stream_is_no_error_of_the_connection() {
    server_with(Options::new().max_concurrent_streams(1), &[], async |mut peer| {
        peer.send(headers(1, &request("GET", "/wait")).end_stream()).await;
        peer.send_all(&[headers(3, &POST), data(3, "body").end_stream()]).await;
        let codes = [code::PROTOCOL_ERROR, code::REFUSED_STREAM];
        let accepted = [codes.map(Outcome::Reset), codes.map(Outcome::ConnectionError)];
        if let Outcome::Reset(_) = peer.expect_outcome(3, accepted.as_flattened()).await {
            peer.send(rst_stream(1, code::CANCEL)).await;
            serves_again(&mut peer, 5).await;
        }
    });
}
