//! RFC 9113, 4.3: field blocks.

use super::{GET, POST};
use crate::util::frame::{Frame, kind};
use crate::util::frame::{
    code, continuation, data, headers, headers_of, ping, priority, rst_stream, settings, window_update,
};
use crate::util::hpack::literals;
use crate::util::raw::Outcome;
use crate::util::server;

/// The first octets of a field block, interrupted by a frame.
fn interrupted_by(frame: Frame) {
    server(async |mut peer| {
        peer.send_all(&[headers(1, &GET).end_stream().unfinished(), frame.clone()]).await;
        peer.connection_error(code::PROTOCOL_ERROR).await;
    });
}

#[test]
fn rfc9113_4_3_data_in_a_field_block_is_a_connection_error() {
    interrupted_by(data(1, "x"));
}

#[test]
fn rfc9113_4_3_headers_in_a_field_block_are_a_connection_error() {
    interrupted_by(headers(1, &GET).end_stream());
}

#[test]
fn rfc9113_4_3_headers_of_another_stream_in_a_field_block_are_a_connection_error() {
    interrupted_by(headers(3, &GET).end_stream());
}

#[test]
fn rfc9113_4_3_priority_in_a_field_block_is_a_connection_error() {
    interrupted_by(priority(1, 0, 16));
}

#[test]
fn rfc9113_4_3_rst_stream_in_a_field_block_is_a_connection_error() {
    interrupted_by(rst_stream(1, code::CANCEL));
}

#[test]
fn rfc9113_4_3_settings_in_a_field_block_are_a_connection_error() {
    interrupted_by(settings(&[]));
}

#[test]
fn rfc9113_4_3_ping_in_a_field_block_is_a_connection_error() {
    interrupted_by(ping(*b"........"));
}

#[test]
fn rfc9113_4_3_goaway_in_a_field_block_is_a_connection_error() {
    interrupted_by(Frame::new(kind::GOAWAY, 0, 0, [0; 8]));
}

#[test]
fn rfc9113_4_3_window_update_in_a_field_block_is_a_connection_error() {
    interrupted_by(window_update(0, 1));
}

#[test]
fn rfc9113_4_3_a_block_that_is_no_hpack_is_a_connection_error() {
    server(async |mut peer| {
        // A literal with a new name of 127 octets, which end after five.
        peer.send(headers_of(1, *b"\x40\x7fshort").end_stream()).await;
        peer.connection_error(code::COMPRESSION_ERROR).await;
    });
}

#[test]
fn rfc9113_4_3_a_block_that_is_cut_off_is_a_connection_error() {
    server(async |mut peer| {
        let block = literals(&GET);
        peer.send(headers_of(1, &block[..block.len() - 1]).end_stream()).await;
        peer.connection_error(code::COMPRESSION_ERROR).await;
    });
}

#[test]
fn rfc9113_4_3_trailers_that_are_no_hpack_are_a_connection_error() {
    server(async |mut peer| {
        peer.send_all(&[headers(1, &POST), headers_of(1, [0x80]).end_stream()]).await;
        peer.connection_error(code::COMPRESSION_ERROR).await;
    });
}

#[test]
fn rfc9113_4_3_a_field_may_be_cut_anywhere() {
    server(async |mut peer| {
        let block = literals(&GET);
        for (stream, cut) in (1..).step_by(2).zip(0..=block.len()) {
            let (first, rest) = block.split_at(cut);
            let first = headers_of(stream, first).end_stream().unfinished();
            peer.send_all(&[first, continuation(stream, rest)]).await;
            peer.expect_response(stream).await;
        }
    });
}

#[test]
fn rfc9113_4_3_a_block_of_a_refused_stream_is_decompressed() {
    server(async |mut peer| {
        // Malformed, and its field is the first in the dynamic table. The next request refers to it (index 62).
        let block = [literals(&GET[..1]), b"\x40\x03x-a\x01b".to_vec()].concat();
        peer.send(headers_of(1, block).end_stream()).await;
        if peer.stream_error(1, code::PROTOCOL_ERROR).await == Outcome::Reset(code::PROTOCOL_ERROR) {
            peer.send(headers_of(3, [literals(&GET), vec![0x80 | 62]].concat()).end_stream()).await;
            peer.expect_response(3).await;
        }
    });
}
