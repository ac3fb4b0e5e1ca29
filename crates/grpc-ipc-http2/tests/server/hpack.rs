//! RFC 7541: field blocks that cannot be decoded are a COMPRESSION_ERROR of the connection (RFC 9113, 4.3).

use super::{GET, and};
use crate::util::engine::Options;
use crate::util::frame::{code, headers, headers_of, setting};
use crate::util::hpack::{integer, literals, string};
use crate::util::service::Event;
use crate::util::{server, server_and_service, server_with};

/// A request whose field block continues with these octets.
fn undecodable(octets: &[u8]) {
    server(async |mut peer| {
        peer.send(headers_of(1, [&literals(&GET)[..], octets].concat()).end_stream()).await;
        peer.connection_error(code::COMPRESSION_ERROR).await;
    });
}

/// A request whose field block continues with these octets, which encode `x-field: value`.
fn decodable(octets: &[u8]) {
    server_and_service(async |mut peer, mut events| {
        peer.send(headers_of(1, [&literals(&GET)[..], octets].concat()).end_stream()).await;
        peer.expect_response(1).await;
        let Some(Event::Request(request)) = events.recv().await else { panic!("no request") };
        assert_eq!(request.headers["x-field"], "value");
    });
}

#[test]
fn rfc7541_2_3_3_an_index_beyond_the_tables_is_an_error() {
    undecodable(&integer(0x80, 7, 62));
    undecodable(&integer(0x80, 7, 70));
    undecodable(&integer(0x80, 7, 1_000_000));
}

#[test]
fn rfc7541_2_3_3_a_name_index_beyond_the_tables_is_an_error() {
    for (pattern, bits) in [(0x40, 6), (0, 4), (0x10, 4)] {
        undecodable(&[integer(pattern, bits, 70), string("empty")].concat());
    }
}

#[test]
fn rfc7541_2_3_3_an_index_of_an_evicted_field_is_an_error() {
    // The size of the table changes to 0 and back, so the added field is gone.
    server(async |mut peer| {
        let first = [literals(&GET), b"\x40\x07x-field\x05value".to_vec()].concat();
        peer.send(headers_of(1, first).end_stream()).await;
        peer.expect_response(1).await;
        let sizes = [integer(0x20, 5, 0), integer(0x20, 5, 4096)].concat();
        peer.send(headers_of(3, [sizes, literals(&GET), integer(0x80, 7, 62)].concat()).end_stream()).await;
        peer.connection_error(code::COMPRESSION_ERROR).await;
    });
}

#[test]
fn rfc7541_2_3_2_a_field_can_be_in_the_dynamic_table_twice() {
    server(async |mut peer| {
        let field = b"\x40\x07x-field\x05value";
        peer.send(headers_of(1, [&literals(&GET)[..], field, field, &[0xbe, 0xbf]].concat()).end_stream())
            .await;
        peer.expect_response(1).await;
    });
}

#[test]
fn rfc7541_2_3_2_a_field_of_one_request_can_be_used_in_the_next() {
    server_and_service(async |mut peer, mut events| {
        let first = [literals(&GET), b"\x40\x07x-field\x05value".to_vec()].concat();
        peer.send(headers_of(1, first).end_stream()).await;
        peer.expect_response(1).await;
        let (Some(Event::Request(_)), Some(_)) = (events.recv().await, events.recv().await) else { panic!() };
        peer.send(headers_of(3, [literals(&GET), vec![0x80 | 62]].concat()).end_stream()).await;
        peer.expect_response(3).await;
        let Some(Event::Request(request)) = events.recv().await else { panic!("no request") };
        assert_eq!(request.headers["x-field"], "value");
    });
}

#[test]
fn rfc7541_2_3_3_indexed_fields_of_the_static_table_are_decoded() {
    server(async |mut peer| {
        // :method GET, :scheme http, :path /, :authority as a literal with its name indexed.
        peer.send(headers_of(1, *b"\x82\x86\x84\x01\x09localhost").end_stream()).await;
        peer.expect_response(1).await;
    });
}

#[test]
fn rfc7541_4_2_a_size_update_after_a_field_is_an_error() {
    undecodable(&integer(0x20, 5, 0));
}

#[test]
fn rfc7541_4_2_size_updates_at_the_start_are_decoded() {
    server(async |mut peer| {
        for (stream, sizes) in [(1, &[4096][..]), (3, &[0]), (5, &[0, 4096]), (7, &[100, 200])] {
            let updates: Vec<u8> = sizes.iter().flat_map(|size| integer(0x20, 5, *size)).collect();
            peer.send(headers_of(stream, [updates, literals(&GET)].concat()).end_stream()).await;
            peer.expect_response(stream).await;
        }
    });
}

#[test]
fn rfc7541_4_2_more_than_two_size_updates_are_an_error() {
    for count in [3, 10_000] {
        server(async |mut peer| {
            let updates = integer(0x20, 5, 0).repeat(count);
            peer.send(headers_of(1, [updates, literals(&GET)].concat()).end_stream()).await;
            peer.connection_error(code::COMPRESSION_ERROR).await;
        });
    }
}

#[test]
fn rfc7541_4_4_a_field_larger_than_the_table_empties_it_and_is_no_error() {
    server_and_service(async |mut peer, mut events| {
        let large = [b"\x40".to_vec(), string("x-field"), string(&"x".repeat(5000))].concat();
        let small = b"\x40\x03x-a\x01b".to_vec();
        let again = integer(0x80, 7, 62);
        peer.send(headers_of(1, [literals(&GET), large, small, again].concat()).end_stream()).await;
        peer.expect_response(1).await;
        let Some(Event::Request(request)) = events.recv().await else { panic!("no request") };
        assert_eq!(request.headers["x-field"].len(), 5000);
        assert_eq!(request.headers.get_all("x-a").iter().count(), 2);
    });
}

#[test]
fn rfc7541_5_1_an_integer_that_overflows_is_an_error() {
    undecodable(&[[0xff; 12].as_slice(), &[0x7f]].concat());
    undecodable(&[&[0x00, 0x7f], [0xff; 12].as_slice(), &[0x7f]].concat());
}

#[test]
fn rfc7541_5_1_an_integer_that_is_cut_off_is_an_error() {
    undecodable(&[0xff]);
    undecodable(&[0xff, 0x80]);
}

#[test]
fn rfc7541_5_2_a_string_that_is_cut_off_is_an_error() {
    undecodable(b"\x00\x07x-fi");
    undecodable(b"\x00\x07x-field");
    undecodable(b"\x00\x07x-field\x06value");
}

#[test]
fn rfc7541_5_2_huffman_padding_of_more_than_7_bits_is_an_error() {
    undecodable(b"\x00\x85\xf2\xb2\x4a\x84\xff\x84\x49\x50\x9f\xff");
}

#[test]
fn rfc7541_5_2_huffman_padding_of_zeros_is_an_error() {
    undecodable(b"\x00\x85\xf2\xb2\x4a\x84\xff\x83\x49\x50\x90");
}

#[test]
fn rfc7541_5_2_eos_in_a_string_is_an_error() {
    undecodable(b"\x00\x85\xf2\xb2\x4a\x84\xff\x87\xff\xff\xff\xff\xff\xff\xff");
}

#[test]
fn rfc7541_5_2_huffman_strings_are_decoded() {
    // x-field: value
    decodable(b"\x00\x86\xf2\xb4\xa6\x2d\x12\x7f\x84\xee\x3a\x2d\x2f");
}

#[test]
fn rfc7541_6_1_index_0_is_an_error() {
    undecodable(&[0x80]);
}

#[test]
fn rfc7541_6_2_literals_of_each_kind_are_decoded() {
    for pattern in [b"\x40", b"\x00", b"\x10"] {
        decodable(&[pattern, &string("x-field")[..], &string("value")].concat());
    }
}

#[test]
fn rfc7541_6_3_a_size_above_the_setting_is_an_error() {
    server(async |mut peer| {
        let size = peer.setting(setting::HEADER_TABLE_SIZE, 4096) as usize + 1;
        peer.send(headers_of(1, [integer(0x20, 5, size), literals(&GET)].concat()).end_stream()).await;
        peer.connection_error(code::COMPRESSION_ERROR).await;
    });
}

#[test]
fn rfc7541_6_3_a_larger_table_can_be_used_when_the_setting_allows_it() {
    server_with(Options::new().header_table_size(8192), &[], async |mut peer| {
        assert_eq!(peer.setting(setting::HEADER_TABLE_SIZE, 4096), 8192);
        let large = [b"\x40".to_vec(), string("x-large"), string(&"x".repeat(6000))].concat();
        let block = [integer(0x20, 5, 8192), literals(&GET), large, integer(0x80, 7, 62)].concat();
        peer.send(headers_of(1, block).end_stream()).await;
        peer.expect_response(1).await;
    });
}

#[test]
fn rfc9113_4_3_1_a_block_that_does_not_take_notice_of_a_reduced_table_is_an_error() {
    server_with(Options::new().header_table_size(0), &[], async |mut peer| {
        assert_eq!(peer.setting(setting::HEADER_TABLE_SIZE, 4096), 0);
        // The table was never used, so an encoder may omit the update. Sending it must work, too.
        peer.send(headers_of(1, [integer(0x20, 5, 0), literals(&GET)].concat()).end_stream()).await;
        peer.expect_response(1).await;
        peer.send(headers_of(3, [literals(&GET), b"\x40\x03x-a\x01b\xbe".to_vec()].concat()).end_stream())
            .await;
        peer.connection_error(code::COMPRESSION_ERROR).await;
    });
}

#[test]
fn rfc7541_2_2_fields_arrive_in_their_order() {
    server_and_service(async |mut peer, mut events| {
        peer.send(headers(1, &and(&GET, &[("x-a", "1"), ("x-a", "2"), ("x-a", "3")])).end_stream()).await;
        peer.expect_response(1).await;
        let Some(Event::Request(request)) = events.recv().await else { panic!("no request") };
        assert_eq!(request.headers.get_all("x-a").iter().collect::<Vec<_>>(), ["1", "2", "3"]);
    });
}
