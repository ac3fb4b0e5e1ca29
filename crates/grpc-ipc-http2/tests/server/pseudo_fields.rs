//! RFC 9113, 8.3: pseudo-header fields of requests.

use super::fields::malformed;
use super::{GET, POST, and};
use crate::util::frame::{code, data, headers};
use crate::util::service::Event;
use crate::util::{server, server_and_service};

fn malformed_request(fields: &[(&str, &str)]) {
    malformed(headers(1, fields).end_stream());
}

/// The fields of a request, without one of them.
fn without(name: &str) -> Vec<(&'static str, &'static str)> {
    GET.into_iter().filter(|field| field.0 != name).collect()
}

#[test]
fn rfc9113_8_3_an_unknown_pseudo_field_is_malformed() {
    malformed_request(&and(&GET, &[(":unknown", "x")]));
    malformed_request(&and(&GET, &[(":", "x")]));
}

#[test]
fn rfc9113_8_3_a_pseudo_field_of_responses_is_malformed() {
    malformed_request(&and(&GET, &[(":status", "200")]));
}

#[test]
fn rfc9113_8_3_a_pseudo_field_after_a_regular_field_is_malformed() {
    for (index, pseudo) in GET.into_iter().enumerate() {
        let mut fields = GET.to_vec();
        fields.remove(index);
        malformed_request(&and(&fields, &[("x-regular", "x"), pseudo]));
    }
}

#[test]
fn rfc9113_8_3_a_repeated_pseudo_field_is_malformed() {
    for pseudo in GET {
        malformed_request(&and(&GET, &[pseudo]));
    }
}

#[test]
fn rfc9113_8_3_a_pseudo_field_in_trailers_is_malformed() {
    for pseudo in [(":method", "POST"), (":path", "/"), (":status", "200"), (":unknown", "x")] {
        server(async |mut peer| {
            let trailers = headers(1, &[pseudo]).end_stream();
            peer.send_all(&[headers(1, &POST), data(1, "x"), trailers]).await;
            peer.stream_error(1, code::PROTOCOL_ERROR).await;
        });
    }
}

#[test]
fn rfc9113_8_3_1_a_missing_method_is_malformed() {
    malformed_request(&without(":method"));
}

#[test]
fn rfc9113_8_3_1_a_missing_scheme_is_malformed() {
    malformed_request(&without(":scheme"));
}

#[test]
fn rfc9113_8_3_1_a_missing_path_is_malformed() {
    malformed_request(&without(":path"));
}

#[test]
fn rfc9113_8_3_1_an_empty_path_is_malformed() {
    malformed_request(&and(&without(":path"), &[(":path", "")]));
}

#[test]
fn rfc9113_8_3_1_a_path_without_a_slash_is_malformed() {
    malformed_request(&and(&without(":path"), &[(":path", "relative")]));
}

#[test]
fn rfc9113_8_3_1_an_empty_or_invalid_method_is_malformed() {
    for method in ["", "G E T", "GET\0"] {
        malformed_request(&and(&without(":method"), &[(":method", method)]));
    }
}

#[test]
fn rfc9113_8_3_1_a_request_without_any_field_is_malformed() {
    malformed_request(&[]);
}

#[test]
fn rfc9113_8_3_1_method_and_path_with_query_arrive() {
    server_and_service(async |mut peer, mut events| {
        let fields =
            [(":path", "/a/b?c=d&e"), (":method", "PATCH"), (":scheme", "https"), (":authority", "x:1")];
        peer.send(headers(1, &fields).end_stream()).await;
        peer.expect_response(1).await;
        let Some(Event::Request(request)) = events.recv().await else { panic!("no request") };
        assert_eq!(request.method, "PATCH");
        assert_eq!(request.uri.path_and_query().unwrap(), "/a/b?c=d&e");
        assert_eq!(request.version, http::Version::HTTP_2);
    });
}

#[test]
fn rfc9113_8_3_1_options_of_the_whole_server_are_served() {
    server(async |mut peer| {
        let fields =
            [(":method", "OPTIONS"), (":scheme", "http"), (":path", "*"), (":authority", "localhost")];
        peer.send(headers(1, &fields).end_stream()).await;
        peer.expect_response(1).await;
    });
}

#[test]
fn rfc9113_8_3_1_a_request_with_host_instead_of_authority_is_served() {
    server(async |mut peer| {
        peer.send(headers(1, &and(&without(":authority"), &[("host", "localhost")])).end_stream()).await;
        peer.expect_response(1).await;
    });
}

/// A server SHOULD treat it as malformed.
#[test]
fn rfc9113_8_3_1_a_host_other_than_the_authority_is_malformed() {
    for host in ["elsewhere", "localhost.", "localhost:1", ""] {
        malformed_request(&and(&GET, &[("host", host)]));
    }
}

#[test]
fn rfc9113_8_3_1_a_host_that_is_the_authority_is_served() {
    server(async |mut peer| {
        for (stream, host) in [(1, "localhost"), (3, "LocalHost")] {
            peer.send(headers(stream, &and(&GET, &[("host", host)])).end_stream()).await;
            peer.expect_response(stream).await;
        }
    });
}

/// RFC 9110, 7.2: a request has exactly one.
#[test]
fn rfc9113_8_3_1_more_than_one_host_is_malformed() {
    malformed_request(&and(&GET, &[("host", "localhost"), ("host", "localhost")]));
    malformed_request(&and(&without(":authority"), &[("host", "a"), ("host", "b")]));
}
