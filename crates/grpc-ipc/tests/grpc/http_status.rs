//! Responses that are not of gRPC, from proxies and the like: "Implementations should expect broken deployments to send
//! non-200 HTTP status codes in responses as well as a variety of non-GRPC content-types and to omit Status &
//! Status-Message. Implementations must synthesize a Status & Status-Message to propagate to the application layer when
//! this occurs."

use grpc_ipc_proto::bench::Transfer;
use tonic::Code;

use crate::util::frame::{Frame, code, data, headers};
use crate::util::{OK, STATUS_OK, and, answer, client, message, status};

/// The table of the mapping, row by row, and some codes that are not in it.
const CODES: [(&str, Code); 16] = [
    ("400", Code::Internal),
    ("401", Code::Unauthenticated),
    ("403", Code::PermissionDenied),
    ("404", Code::Unimplemented),
    ("429", Code::Unavailable),
    ("431", Code::Internal),
    ("502", Code::Unavailable),
    ("503", Code::Unavailable),
    ("504", Code::Unavailable),
    ("200", Code::Unknown),
    ("204", Code::Unknown),
    ("302", Code::Unknown),
    ("405", Code::Unknown),
    ("415", Code::Unknown),
    ("500", Code::Unknown),
    ("599", Code::Unknown),
];

fn page(http: &str) -> [Frame; 2] {
    let head = headers(1, &[(":status", http), ("content-type", "text/html")]);
    [head, data(1, "<html>no</html>").end_stream()]
}

#[test]
fn a_page_of_a_proxy_is_the_status_of_its_http_status() {
    for (http, code) in CODES {
        let status = status(&page(http));
        assert_eq!(status.code(), code, "{http}: {status:?}");
        assert!(status.message().contains(http) && status.message().contains("text/html"), "{status:?}");
    }
}

#[test]
fn a_response_of_headers_only_is_the_status_of_its_http_status() {
    for (http, code) in CODES {
        for fields in [&[][..], &[("content-type", "text/plain")], &[("content-type", "application/grpc")]] {
            let status = status(&[headers(1, &and(&[(":status", http)], fields)).end_stream()]);
            assert_eq!(status.code(), code, "{http}: {status:?}");
            assert!(status.message().contains(http), "{status:?}");
        }
    }
}

/// If the headers are gRPC's, the status may still be in the trailers.
#[test]
fn a_response_without_a_status_is_that_of_its_http_status() {
    for (http, code) in CODES {
        if http == "204" {
            continue;
        }
        let head = headers(1, &[(":status", http), OK[1]]);
        for end in [data(1, "").end_stream(), headers(1, &[("x-trailer", "1")]).end_stream()] {
            let status = status(&[head.clone(), data(1, message(b"x")), end]);
            assert_eq!(status.code(), code, "{http}: {status:?}");
            assert!(status.message().contains(http), "{status:?}");
        }
    }
}

/// One error, then the end. The server need not send the rest.
#[test]
fn a_call_of_a_stream_fails_with_the_page_of_a_proxy() {
    client(async |mut peers, mut client| {
        let call = tokio::spawn(async move { client.download(Transfer::default()).await });
        let mut peer = peers.next().await;
        peer.expect_message(1).await;
        peer.send(headers(1, &[(":status", "503"), ("content-type", "text/html")])).await;
        assert_eq!(call.await.unwrap().unwrap_err().code(), Code::Unavailable);
        peer.expect_reset(1, code::CANCEL).await;
    });
}

#[test]
fn a_response_without_a_content_type_is_not_of_grpc() {
    let trailers = headers(1, &STATUS_OK).end_stream();
    let status = status(&[headers(1, &OK[..1]), data(1, message(b"x")), trailers]);
    assert_eq!(status.code(), Code::Unknown);
    assert!(status.message().contains("no content-type"), "{status:?}");
}

/// "If grpc-status was provided, it must be used."
#[test]
fn a_grpc_status_counts_whatever_http_says() {
    for http in ["200", "404", "503"] {
        for fields in [&[][..], &[("content-type", "text/html")], &[OK[1]]] {
            let fields =
                and(&and(&[(":status", http)], fields), &[("grpc-status", "9"), ("grpc-message", "why")]);
            let status = status(&[headers(1, &fields).end_stream()]);
            assert_eq!((status.code(), status.message()), (Code::FailedPrecondition, "why"), "{http}");
        }
        let head = headers(1, &[(":status", http), OK[1]]);
        let trailers = headers(1, &[("grpc-status", "9")]).end_stream();
        let failed = status(&[head.clone(), data(1, message(b"x")), trailers]);
        assert_eq!(failed.code(), Code::FailedPrecondition, "{http}");
        let trailers = headers(1, &STATUS_OK).end_stream();
        answer(&[head, data(1, message(b"x")), trailers], async |answer| {
            assert_eq!(answer.unwrap().into_inner().payload, "x");
        });
    }
}

/// "Technically, 1xx should have the entire header skipped and a subsequent header be read."
#[test]
fn an_interim_response_is_skipped() {
    let interim = headers(1, &[(":status", "103"), ("content-type", "text/html"), ("grpc-status", "2")]);
    let trailers = headers(1, &STATUS_OK).end_stream();
    answer(&[interim, headers(1, &OK), data(1, message(b"x")), trailers], async |answer| {
        assert_eq!(answer.unwrap().into_inner().payload, "x");
    });
}
