//! RFC 9113, 6.2: HEADERS.

use super::{GET, POST, and, request};
use crate::util::engine::Options;
use crate::util::frame::{Frame, code, continuation, data, flag, headers, headers_of, kind, setting};
use crate::util::hpack::literals;
use crate::util::raw::{Outcome, RawPeer};
use crate::util::service::{Event, STILL_SERVES};
use crate::util::{server, server_and_service, server_with, server_without_preface};

#[test]
fn rfc9113_6_2_headers_on_stream_0_are_a_connection_error() {
    server(async |mut peer| {
        peer.send(headers(0, &GET).end_stream()).await;
        peer.connection_error(code::PROTOCOL_ERROR).await;
    });
}

#[test]
fn rfc9113_6_2_padding_is_no_part_of_the_field_block() {
    server(async |mut peer| {
        for (stream, padding) in [(1, 0), (3, 1), (5, 255)] {
            peer.send(headers(stream, &GET).end_stream().padded(padding)).await;
            peer.expect_response(stream).await;
        }
    });
}

#[test]
fn rfc9113_6_2_padding_as_long_as_the_payload_is_a_connection_error() {
    server(async |mut peer| {
        let block = literals(&GET);
        let payload = [vec![u8::try_from(block.len()).unwrap() + 1], block].concat();
        peer.send(headers_of(1, payload).end_stream().with(flag::PADDED)).await;
        peer.connection_error(code::PROTOCOL_ERROR).await;
    });
}

#[test]
fn rfc9113_6_2_padding_that_runs_into_the_priority_fields_is_a_connection_error() {
    server(async |mut peer| {
        let flags = flag::PADDED | flag::PRIORITY | flag::END_HEADERS | flag::END_STREAM;
        peer.send(Frame::new(kind::HEADERS, flags, 1, [3, 0, 0, 0, 0, 16, 0])).await;
        peer.connection_error(code::PROTOCOL_ERROR).await;
    });
}

#[test]
fn rfc9113_6_2_priority_fields_are_no_part_of_the_field_block() {
    server(async |mut peer| {
        peer.send(headers(1, &GET).end_stream().prioritized(0, 255)).await;
        peer.expect_response(1).await;
        peer.send(headers(3, &GET).end_stream().prioritized(1 | 1 << 31, 0).padded(8)).await;
        peer.expect_response(3).await;
    });
}

#[test]
fn rfc9113_6_2_end_stream_ends_the_request() {
    server_and_service(async |mut peer, mut events| {
        peer.send(headers(1, &request("POST", "/echo")).end_stream()).await;
        peer.expect_response(1).await;
        let Some(Event::Request(_)) = events.recv().await else { panic!("no request") };
        let Some(Event::Body(Ok((body, None)))) = events.recv().await else { panic!("no body") };
        assert!(body.is_empty());
    });
}

/// A request with fields of this size for SETTINGS_MAX_HEADER_LIST_SIZE, in as many frames as necessary.
async fn send_fields_of(peer: &mut RawPeer, size: usize) {
    let so_far: usize = GET.iter().map(|(name, value)| name.len() + value.len() + 32).sum();
    let long = "x".repeat(size - so_far - "x-long".len() - 32);
    let block = literals(&and(&GET, &[("x-long", &long)]));
    let (first, rest) = block.split_at(16_000);
    let mut frames = vec![headers_of(1, first).end_stream().unfinished()];
    frames.extend(rest.chunks(16_000).map(|chunk| continuation(1, chunk).unfinished()));
    let last = frames.pop().unwrap().with(flag::END_HEADERS);
    peer.send_all(&frames).await;
    peer.send(last).await;
}

#[test]
fn rfc9113_6_5_2_a_field_section_within_the_servers_limit_is_served() {
    server_with(Options::new().max_header_list_size(30_000), &[], async |mut peer| {
        assert_eq!(peer.setting(setting::MAX_HEADER_LIST_SIZE, u32::MAX), 30_000);
        send_fields_of(&mut peer, 30_000).await;
        peer.expect_response(1).await;
    });
}

#[test]
fn rfc9113_10_5_1_a_field_section_beyond_the_servers_limit_does_not_reach_the_service() {
    for size in [30_001, 50_000, 500_000] {
        let options = Options::new().max_header_list_size(30_000);
        server_without_preface(options, async |mut peer, mut events| {
            peer.greet_server(&[]).await;
            send_fields_of(&mut peer, size).await;
            match peer.outcome(1).await {
                // The server's own response, such as 431 (RFC 6585), or 200 with a gRPC status.
                Outcome::Answered(_) | Outcome::Reset(_) => peer.still_serves().await,
                Outcome::ConnectionError(code) => assert_eq!(code, code::ENHANCE_YOUR_CALM),
                other => panic!("{other:?}"),
            }
            drop(peer);
            while let Some(event) = events.recv().await {
                let Event::Request(request) = event else { continue };
                assert_eq!(request.uri.path(), STILL_SERVES);
            }
        });
    }
}

#[test]
fn rfc9113_6_2_request_trailers_arrive() {
    server_and_service(async |mut peer, mut events| {
        let trailers = headers(1, &[("x-checksum", "1234"), ("x-other", "")]).end_stream();
        peer.send_all(&[headers(1, &request("POST", "/echo")), data(1, "body"), trailers]).await;
        let response = peer.expect_response(1).await;
        assert_eq!(response.body, b"body");
        assert_eq!(response.trailers.unwrap().len(), 2);
        let Some(Event::Request(_)) = events.recv().await else { panic!("no request") };
        let Some(Event::Body(Ok((_, Some(trailers))))) = events.recv().await else { panic!("no trailers") };
        assert_eq!(trailers["x-checksum"], "1234");
    });
}

#[test]
fn rfc9113_6_2_request_trailers_arrive_without_data() {
    server_and_service(async |mut peer, mut events| {
        peer.send_all(&[headers(1, &POST), headers(1, &[("x-checksum", "1")]).end_stream()]).await;
        peer.expect_response(1).await;
        let Some(Event::Request(_)) = events.recv().await else { panic!("no request") };
        let Some(Event::Body(Ok((body, Some(trailers))))) = events.recv().await else {
            panic!("no trailers")
        };
        assert!(body.is_empty());
        assert_eq!(trailers["x-checksum"], "1");
    });
}
