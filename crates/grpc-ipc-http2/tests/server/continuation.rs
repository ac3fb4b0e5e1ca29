//! RFC 9113, 6.10: CONTINUATION.

use super::{GET, POST};
use crate::util::frame::{code, continuation, data, headers, headers_of, ping};
use crate::util::hpack::literals;
use crate::util::raw::Outcome;
use crate::util::service::Event;
use crate::util::{server, server_and_service};

#[test]
fn rfc9113_6_10_a_field_block_may_have_several_continuations() {
    server(async |mut peer| {
        let block = literals(&GET);
        let mut parts = block.chunks(block.len() / 3 + 1);
        let mut part = || parts.next().unwrap();
        peer.send(headers_of(1, part()).end_stream().unfinished()).await;
        peer.send_all(&[continuation(1, part()).unfinished(), continuation(1, part())]).await;
        peer.expect_response(1).await;
    });
}

#[test]
fn rfc9113_6_10_a_continuation_may_be_empty() {
    server(async |mut peer| {
        peer.send_all(&[headers(1, &GET).end_stream().unfinished(), continuation(1, [])]).await;
        peer.expect_response(1).await;
    });
}

#[test]
fn rfc9113_6_10_headers_may_be_empty_before_a_continuation() {
    server(async |mut peer| {
        let first = headers_of(1, []).end_stream().unfinished();
        peer.send_all(&[first, continuation(1, literals(&GET))]).await;
        peer.expect_response(1).await;
    });
}

#[test]
fn rfc9113_6_10_padded_and_prioritized_headers_may_be_continued() {
    server(async |mut peer| {
        let block = literals(&GET);
        let (first, rest) = block.split_at(9);
        let first = headers_of(1, first).end_stream().unfinished().prioritized(0, 7).padded(9);
        peer.send_all(&[first, continuation(1, rest)]).await;
        peer.expect_response(1).await;
    });
}

#[test]
fn rfc9113_6_10_trailers_may_be_continued() {
    server_and_service(async |mut peer, mut events| {
        let trailers = literals(&[("x-checksum", "1234")]);
        let (first, rest) = trailers.split_at(4);
        peer.send_all(&[headers(1, &POST), headers_of(1, first).end_stream().unfinished()]).await;
        peer.send(continuation(1, rest)).await;
        peer.expect_response(1).await;
        let Some(Event::Request(_)) = events.recv().await else { panic!("no request") };
        let Some(Event::Body(Ok((_, Some(trailers))))) = events.recv().await else { panic!("no trailers") };
        assert_eq!(trailers["x-checksum"], "1234");
    });
}

#[test]
fn rfc9113_6_10_another_frame_after_an_unfinished_continuation_is_a_connection_error() {
    server(async |mut peer| {
        peer.send(headers(1, &POST).unfinished()).await;
        peer.send_all(&[continuation(1, []).unfinished(), data(1, "x").end_stream()]).await;
        peer.connection_error(code::PROTOCOL_ERROR).await;
    });
}

#[test]
fn rfc9113_6_10_a_ping_after_an_unfinished_continuation_is_a_connection_error() {
    server(async |mut peer| {
        peer.send(headers(1, &GET).end_stream().unfinished()).await;
        peer.send_all(&[continuation(1, []).unfinished(), ping(*b"........")]).await;
        peer.connection_error(code::PROTOCOL_ERROR).await;
    });
}

#[test]
fn rfc9113_6_10_continuation_on_stream_0_is_a_connection_error() {
    server(async |mut peer| {
        peer.send_all(&[headers(1, &GET).end_stream().unfinished(), continuation(0, [])]).await;
        peer.connection_error(code::PROTOCOL_ERROR).await;
    });
}

#[test]
fn rfc9113_6_10_continuation_on_another_stream_is_a_connection_error() {
    server(async |mut peer| {
        peer.send_all(&[headers(1, &GET).end_stream().unfinished(), continuation(3, [])]).await;
        peer.connection_error(code::PROTOCOL_ERROR).await;
    });
}

#[test]
fn rfc9113_6_10_continuation_without_headers_is_a_connection_error() {
    server(async |mut peer| {
        peer.send(continuation(0, [])).await;
        peer.connection_error(code::PROTOCOL_ERROR).await;
    });
}

#[test]
fn rfc9113_6_10_continuation_after_end_headers_is_a_connection_error() {
    server(async |mut peer| {
        peer.send_all(&[headers(1, &POST), continuation(1, literals(&[("x-a", "b")]))]).await;
        peer.connection_error(code::PROTOCOL_ERROR).await;
    });
}

#[test]
fn rfc9113_6_10_continuation_after_a_finished_continuation_is_a_connection_error() {
    server(async |mut peer| {
        peer.send(headers(1, &POST).unfinished()).await;
        peer.send_all(&[continuation(1, []), continuation(1, [])]).await;
        peer.connection_error(code::PROTOCOL_ERROR).await;
    });
}

#[test]
fn rfc9113_6_10_continuation_after_data_is_a_connection_error() {
    server(async |mut peer| {
        peer.send_all(&[headers(1, &POST), data(1, "x"), continuation(1, [])]).await;
        peer.connection_error(code::PROTOCOL_ERROR).await;
    });
}

#[test]
fn rfc9113_10_5_1_continuations_without_end_are_cut_off() {
    server(async |mut peer| {
        peer.send(headers(1, &GET).end_stream().unfinished()).await;
        let field = literals(&[("x-flood", &*"x".repeat(1000))]);
        for _ in 0..20_000 {
            peer.send(continuation(1, &*field).unfinished()).await;
        }
        // 20 MB of fields. A PING here is a connection error of its own, but comes too late for that.
        let codes = [code::ENHANCE_YOUR_CALM, code::PROTOCOL_ERROR, code::COMPRESSION_ERROR];
        let goaway = peer.expect_goaway(&codes).await;
        assert_eq!(goaway.u32(0), 0, "the request was not received");
    });
}

#[test]
fn rfc9113_10_5_empty_continuations_without_end_are_cut_off() {
    server(async |mut peer| {
        peer.send(headers(1, &GET).end_stream().unfinished()).await;
        let flood = vec![continuation(1, []).unfinished(); 100];
        for _ in 0..1000 {
            peer.send_all(&flood).await;
        }
        let codes = [code::ENHANCE_YOUR_CALM, code::PROTOCOL_ERROR].map(Outcome::ConnectionError);
        peer.send(continuation(1, [])).await;
        peer.expect_outcome(1, &codes).await;
    });
}
