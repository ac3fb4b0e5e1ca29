//! RFC 9113, 8.2: fields.

use super::{GET, POST, and};
use crate::util::frame::{Frame, code, data, headers, headers_of};
use crate::util::hpack::literals;
use crate::util::raw::Outcome;
use crate::util::service::{Event, STILL_SERVES};
use crate::util::{server, server_and_service};

/// A request on stream 1 whose fields make it malformed. The service never sees it.
pub(super) fn malformed(frame: Frame) {
    server_and_service(async |mut peer, mut events| {
        peer.send(frame).await;
        let accepted = [
            Outcome::Reset(code::PROTOCOL_ERROR),
            Outcome::ConnectionError(code::PROTOCOL_ERROR),
            Outcome::Answered(400),
        ];
        if !matches!(peer.expect_outcome(1, &accepted).await, Outcome::ConnectionError(_)) {
            peer.still_serves().await;
        }
        drop(peer);
        while let Some(event) = events.recv().await {
            let Event::Request(request) = event else { continue };
            assert_eq!(request.uri.path(), STILL_SERVES, "the service has seen it");
        }
    });
}

fn malformed_field(name: &str, value: &str) {
    malformed(headers(1, &and(&GET, &[(name, value)])).end_stream());
}

#[test]
fn rfc9113_8_2_uppercase_in_a_name_is_malformed() {
    malformed_field("X-Upper", "x");
    malformed_field("x-uppeR", "x");
}

#[test]
fn rfc9113_8_2_uppercase_in_a_name_of_the_trailers_is_malformed() {
    server(async |mut peer| {
        peer.send_all(&[headers(1, &POST), headers(1, &[("X-Upper", "x")]).end_stream()]).await;
        peer.stream_error(1, code::PROTOCOL_ERROR).await;
    });
}

#[test]
fn rfc9113_8_2_1_characters_that_no_name_has_are_malformed() {
    for name in ["x a", "x\0", "x\x1f", "x\t", "x\x7f", "x\u{e9}", " x", "x\r\ny"] {
        malformed_field(name, "x");
    }
}

#[test]
fn rfc9113_8_2_1_a_colon_in_a_name_is_malformed() {
    malformed_field("x:y", "z");
    malformed_field("x:", "z");
}

#[test]
fn rfc9113_8_2_1_an_empty_name_is_malformed() {
    malformed_field("", "x");
}

#[test]
fn rfc9113_8_2_1_nul_lf_and_cr_in_a_value_are_malformed() {
    for value in ["a\0b", "a\nb", "a\rb", "\r\n", "a\r\nx-smuggled: b"] {
        malformed_field("x-value", value);
    }
}

#[test]
fn rfc9113_8_2_1_white_space_around_the_value_of_a_pseudo_field_is_malformed() {
    for value in [" /a", "/a ", "\t/a", "/a\t", " "] {
        let fields = [(":method", "GET"), (":scheme", "http"), (":path", value), (":authority", "localhost")];
        malformed(headers(1, &fields).end_stream());
    }
}

#[test]
fn rfc9113_8_2_1_nul_in_a_value_of_the_trailers_is_malformed() {
    server(async |mut peer| {
        peer.send_all(&[headers(1, &POST), headers(1, &[("x-trailer", "a\0")]).end_stream()]).await;
        peer.stream_error(1, code::PROTOCOL_ERROR).await;
    });
}

#[test]
fn rfc9113_8_2_1_values_that_are_valid_arrive() {
    // Spaces around a value are valid in gRPC ("ASCII-Value" of its protocol document), not in RFC 9113.
    let values =
        ["", "a b", "a\tb", " a", "a ", "\ta\t", " ", "\u{fc}ber", "!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~"];
    server_and_service(async |mut peer, mut events| {
        for (stream, value) in (1..).step_by(2).zip(values) {
            peer.send(headers(stream, &and(&GET, &[("x-value", value)])).end_stream()).await;
            peer.expect_response(stream).await;
            let Some(Event::Request(request)) = events.recv().await else { panic!("no request") };
            assert_eq!(request.headers["x-value"], value.as_bytes());
            let Some(Event::Body(Ok(_))) = events.recv().await else { panic!("no body") };
        }
    });
}

#[test]
fn rfc9113_8_2_1_names_that_are_valid_arrive() {
    server_and_service(async |mut peer, mut events| {
        let names = ["x", "1", "!#$%&'*+-.^_`|~", "grpc-status-details-bin"];
        let fields: Vec<_> = names.iter().map(|name| (*name, "x")).collect();
        peer.send(headers(1, &and(&GET, &fields)).end_stream()).await;
        peer.expect_response(1).await;
        let Some(Event::Request(request)) = events.recv().await else { panic!("no request") };
        for name in names {
            assert_eq!(request.headers[name], "x");
        }
    });
}

#[test]
fn rfc9113_8_2_1_fields_of_one_name_arrive_in_order() {
    server_and_service(async |mut peer, mut events| {
        peer.send(headers(1, &and(&GET, &[("x-a", "1"), ("x-b", "-"), ("x-a", "2")])).end_stream()).await;
        peer.expect_response(1).await;
        let Some(Event::Request(request)) = events.recv().await else { panic!("no request") };
        assert_eq!(request.headers.get_all("x-a").iter().collect::<Vec<_>>(), ["1", "2"]);
    });
}

#[test]
fn rfc9113_8_2_2_connection_specific_fields_are_malformed() {
    malformed_field("connection", "keep-alive");
    malformed_field("proxy-connection", "keep-alive");
    malformed_field("keep-alive", "timeout=5");
    malformed_field("transfer-encoding", "chunked");
    malformed_field("upgrade", "h2c");
}

#[test]
fn rfc9113_8_2_2_connection_specific_fields_in_trailers_are_malformed() {
    server(async |mut peer| {
        let trailers = headers(1, &[("transfer-encoding", "chunked")]).end_stream();
        peer.send_all(&[headers(1, &POST), data(1, "x"), trailers]).await;
        peer.stream_error(1, code::PROTOCOL_ERROR).await;
    });
}

#[test]
fn rfc9113_8_2_2_te_other_than_trailers_is_malformed() {
    malformed_field("te", "gzip");
    malformed_field("te", "trailers, deflate;q=0.5");
}

#[test]
fn rfc9113_8_2_2_te_trailers_is_served() {
    server(async |mut peer| {
        peer.send(headers(1, &and(&GET, &[("te", "trailers")])).end_stream()).await;
        peer.expect_response(1).await;
    });
}

#[test]
fn rfc9113_8_2_1_malformed_fields_still_enter_the_dynamic_table() {
    server(async |mut peer| {
        let uppercase = b"\x40\x07X-Upper\x01x\x40\x03x-b\x01c";
        peer.send(headers_of(1, [&literals(&GET)[..], uppercase].concat()).end_stream()).await;
        let accepted = [Outcome::Reset(code::PROTOCOL_ERROR), Outcome::Answered(400)];
        if accepted.contains(&peer.outcome(1).await) {
            // Index 62 is `x-b: c`.
            peer.send(headers_of(3, [literals(&GET), vec![0x80 | 62]].concat()).end_stream()).await;
            peer.expect_response(3).await;
        }
    });
}

#[test]
fn rfc9113_8_2_2_connection_specific_fields_of_the_service_are_not_sent() {
    server(async |mut peer| {
        peer.send(headers(1, &super::request("GET", "/connection-specific")).end_stream()).await;
        // The peer checks the fields. Whether the server responds without them, or not at all, is up to the server.
        while peer.next().await.unwrap().stream != 1 {}
        peer.still_answers().await;
    });
}
