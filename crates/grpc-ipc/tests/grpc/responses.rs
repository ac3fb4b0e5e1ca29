//! Responses.

use tonic::Code;

use crate::util::frame::{data, flag, headers, kind};
use crate::util::{ECHO, FAILURE, OK, STATUS_OK, and, answer, call, message, server, status};

fn field(name: &str, value: &str) -> (String, String) {
    (name.to_owned(), value.to_owned())
}

/// "Response-Headers & Trailers-Only are each delivered in a single HTTP2 HEADERS frame block." "For responses
/// end-of-stream is indicated by the presence of the END_STREAM flag on the last received HEADERS frame that carries
/// Trailers." "Status must be sent in Trailers even if the status code is OK."
#[test]
fn a_response_has_headers_messages_and_trailers() {
    server(async |mut peer, _| {
        peer.send_all(&[headers(1, &call(ECHO)), data(1, message(b"x")).end_stream()]).await;
        let head = peer.expect_on(1).await;
        assert!(head.kind == kind::HEADERS && !head.has(flag::END_STREAM), "{head:?}");
        assert!(head.fields.starts_with(&[field(":status", "200")]), "{head:?}");
        assert!(head.fields.contains(&field("content-type", "application/grpc")), "{head:?}");
        let body = peer.expect_on(1).await;
        assert!(body.kind == kind::DATA && !body.has(flag::END_STREAM), "{body:?}");
        let trailers = peer.expect_on(1).await;
        assert!(trailers.kind == kind::HEADERS && trailers.has(flag::END_STREAM), "{trailers:?}");
        assert_eq!(trailers.fields, [field("grpc-status", "0")]);
    });
}

/// "Trailers-Only is permitted for calls that produce an immediate error." `Trailers-Only → HTTP-Status Content-Type
/// Trailers`
#[test]
fn a_call_that_fails_at_once_is_answered_with_trailers_only() {
    server(async |mut peer, _| {
        peer.send_all(&[headers(1, &call("/no.Such/Method")), data(1, message(b"x")).end_stream()]).await;
        let only = peer.expect_on(1).await;
        assert!(only.kind == kind::HEADERS && only.has(flag::END_STREAM), "{only:?}");
        let expected = [
            field(":status", "200"),
            field("content-type", "application/grpc"),
            field("grpc-status", "12"),
            field("grpc-message", "the%20server%20has%20no%20service%20%22no.Such%22"),
        ];
        assert_eq!(only.fields, expected);
    });
}

/// `Percent-Byte-Unencoded → 1*( %x20-%x24 / %x26-%x7E )`: "physically encoded as UTF-8 followed by percent-encoding".
#[test]
fn a_message_is_sent_percent_encoded() {
    let mut encoded = String::new();
    server(async |mut peer, _| {
        peer.send_all(&[headers(1, &call(ECHO)), data(1, message(b"fail")).end_stream()]).await;
        let response = peer.expect_message(1).await;
        assert_eq!(response.field("grpc-status"), "10");
        encoded = response.field("grpc-message").to_owned();
    });
    assert!(encoded.bytes().all(|byte| (0x20..0x7f).contains(&byte)), "{encoded}");
    assert_eq!(with_status(&[("grpc-status", "10"), ("grpc-message", &encoded)]).message(), FAILURE);
}

#[test]
fn trailers_only_are_taken() {
    let only = and(&OK, &[("grpc-status", "5"), ("grpc-message", "no%20such"), ("x-custom", "1")]);
    let status = status(&[headers(1, &only).end_stream()]);
    assert_eq!((status.code(), status.message()), (Code::NotFound, "no such"));
    assert_eq!(status.metadata().get("x-custom").unwrap(), "1");
}

/// Some proxies turn Trailers-Only into this.
#[test]
fn trailers_only_before_an_empty_frame_are_taken() {
    for code in ["0", "5"] {
        let status = status(&[headers(1, &and(&OK, &[("grpc-status", code)])), data(1, "").end_stream()]);
        // A response with the status OK lacks its message.
        assert_eq!(status.code(), if code == "5" { Code::NotFound } else { Code::Internal }, "{status:?}");
    }
}

/// The status in the trailers counts, even if the headers have one.
#[test]
fn the_status_in_the_trailers_counts() {
    let head = headers(1, &and(&OK, &STATUS_OK));
    let failed = headers(1, &[("grpc-status", "5")]).end_stream();
    assert_eq!(status(&[head.clone(), data(1, message(b"x")), failed]).code(), Code::NotFound);
    for end in [headers(1, &STATUS_OK).end_stream(), data(1, "").end_stream()] {
        answer(&[head.clone(), data(1, message(b"x")), end], async |answer| {
            let answer = answer.unwrap();
            assert_eq!(answer.get_ref().payload, "x");
            assert!(!answer.metadata().contains_key("x-custom"));
        });
    }
}

/// "Custom-Metadata" of headers and of trailers.
#[test]
fn metadata_of_both_ends_of_a_response_arrive() {
    let trailers = headers(1, &[STATUS_OK[0], ("x-trailer", "2")]).end_stream();
    let head = headers(1, &and(&OK, &[("x-header", "1")]));
    answer(&[head, data(1, message(b"x")), trailers], async |answer| {
        let answer = answer.unwrap();
        assert_eq!(answer.metadata().get("x-header").unwrap(), "1");
        assert_eq!(answer.metadata().get("x-trailer").unwrap(), "2");
    });
}

fn with_status(fields: &[(&str, &str)]) -> tonic::Status {
    // The result is the same in Trailers-Only and in trailers.
    let only = status(&[headers(1, &and(&OK, fields)).end_stream()]);
    let trailers = status(&[headers(1, &OK), data(1, message(b"x")), headers(1, fields).end_stream()]);
    assert_eq!((only.code(), only.message()), (trailers.code(), trailers.message()));
    assert_eq!(only.details(), trailers.details());
    only
}

/// "The value portion of Status is a decimal-encoded integer as an ASCII string, without any leading zeros."
#[test]
fn a_status_is_a_number() {
    for code in 1..=16 {
        assert_eq!(with_status(&[("grpc-status", &code.to_string())]).code(), Code::from_i32(code));
        // It is accepted all the same.
        assert_eq!(with_status(&[("grpc-status", &format!("00{code}"))]).code(), Code::from_i32(code));
    }
    for wrong in ["", "17", "99999999999999999999", "-1", "+5", "5.0", "OK", "0x5", "5 5", "5\u{e9}"] {
        let status = with_status(&[("grpc-status", wrong), ("grpc-message", "why")]);
        assert_eq!(status.code(), Code::Unknown, "{wrong}");
        assert!(status.message().ends_with(": why"), "{status:?}");
        assert!(status.message().contains(wrong), "{status:?}");
        assert_eq!(with_status(&[("grpc-status", wrong)]).code(), Code::Unknown, "{wrong}");
    }
}

/// As in grpc-go and grpc-java.
#[test]
fn of_several_statuses_the_last_one_counts() {
    assert_eq!(with_status(&[("grpc-status", "0"), ("grpc-status", "5")]).code(), Code::NotFound);
    assert_eq!(with_status(&[("grpc-status", "5"), ("grpc-status", "6")]).code(), Code::AlreadyExists);
}

/// "The value portion of Status-Message is conceptually a Unicode string description of the error, physically encoded as
/// UTF-8 followed by percent-encoding. [...] When decoding invalid values, implementations MUST NOT error or throw away
/// the message."
#[test]
fn a_message_is_decoded_as_far_as_it_can_be() {
    let cases = [
        ("plain text", "plain text"),
        ("", ""),
        ("%E2%82%AC 5", "\u{20ac} 5"),
        ("%e2%82%ac", "\u{20ac}"),
        ("100%", "100%"),
        ("%4", "%4"),
        ("%zz%20x", "%zz x"),
        ("%00%0A", "\0\n"),
        // Not UTF-8.
        ("a%E4b", "a\u{fffd}b"),
        ("%E2%82", "\u{fffd}"),
        ("%ff%fe", "\u{fffd}\u{fffd}"),
        ("a%E4b%", "a\u{fffd}b%"),
        // Not percent-encoded.
        ("\u{20ac}", "\u{20ac}"),
    ];
    for (sent, expected) in cases {
        let status = with_status(&[("grpc-status", "5"), ("grpc-message", sent)]);
        assert_eq!((status.code(), status.message()), (Code::NotFound, expected), "{sent}");
    }
}

#[test]
fn details_that_are_not_base64_are_dropped() {
    for (sent, expected) in [
        ("", &b""[..]),
        ("AAEC", &[0, 1, 2]),
        ("AAE=", &[0, 1]),
        ("AAE", &[0, 1]),
        ("***", b""),
        ("A", b""),
        ("AA=A", b""),
        ("AB", b""),
        ("AAE\u{e9}", b""),
    ] {
        let fields = [("grpc-status", "5"), ("grpc-message", "why"), ("grpc-status-details-bin", sent)];
        let status = with_status(&fields);
        assert_eq!((status.code(), status.message()), (Code::NotFound, "why"), "{sent}");
        assert_eq!(status.details(), expected, "{sent}");
    }
}

/// RFC 9113, 8.1.1: "Clients MUST NOT accept a malformed response", even if its status is OK.
#[test]
fn a_response_whose_content_length_is_wrong_has_failed() {
    let trailers = headers(1, &STATUS_OK).end_stream();
    let head = headers(1, &and(&OK, &[("content-length", "500")]));
    let status = status(&[head, data(1, message(b"x")), trailers]);
    assert_eq!(status.code(), Code::Internal);
    assert!(status.message().contains("content-length differs from the length of the body"), "{status:?}");
}

/// "Clients may limit the size of Response-Headers, Trailers, and Trailers-Only".
#[test]
fn a_status_that_is_more_than_the_client_takes_is_resource_exhausted() {
    let text = "x".repeat(40_000);
    let status =
        status(&[headers(1, &and(&OK, &[("grpc-status", "5"), ("grpc-message", &text)])).end_stream()]);
    assert_eq!(status.code(), Code::ResourceExhausted);
    assert!(status.message().contains("max_header_list_size"), "{status:?}");
}
