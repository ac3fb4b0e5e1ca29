//! Custom metadata.

use grpc_ipc::Server;
use grpc_ipc_proto::bench::bench_client::BenchClient;
use tonic::metadata::{BinaryMetadataValue, MetadataMap};
use tonic::service::{Interceptor, InterceptorLayer};
use tonic::{Request, Status};

use crate::util::frame::{data, headers};
use crate::util::{
    ECHO, OK, STATUS_OK, Seen, and, answer, call, chunk, client, message, server, server_with, status,
};

/// Values on the wire, and their meaning.
const BINARY: [(&str, &[&[u8]]); 9] = [
    // "Implementations MUST accept padded and un-padded values"
    ("AAE=", &[&[0, 1]]),
    ("AAE", &[&[0, 1]]),
    ("", &[b""]),
    ("+/+/", &[&[0xfb, 0xff, 0xbf]]),
    // "Implementations must split Binary-Headers on "," before decoding the Base64-encoded values."
    ("AAE=,AAI=", &[&[0, 1], &[0, 2]]),
    ("AAE,AAI", &[&[0, 1], &[0, 2]]),
    ("AAE, AAI", &[&[0, 1], &[0, 2]]),
    (",AAE,", &[b"", &[0, 1], b""]),
    ("AAE,AAI,AAM", &[&[0, 1], &[0, 2], &[0, 3]]),
];

fn values(metadata: &MetadataMap) -> Vec<Vec<u8>> {
    metadata.get_all_bin("x-bin").iter().map(|value| value.to_bytes().unwrap().to_vec()).collect()
}

/// The service's view of a call with these fields. It sends them back.
fn received(fields: &[(&str, &str)]) -> (MetadataMap, Vec<(String, String)>) {
    let mut received = None;
    server(async |mut peer, mut seen| {
        peer.send_all(&[headers(1, &and(&call(ECHO), fields)), data(1, message(b"x")).end_stream()]).await;
        let response = peer.expect_response(1).await;
        assert_eq!(response.trailers.unwrap()[0].1, "0");
        let Some(Seen::Call(metadata)) = seen.recv().await else { panic!("no call") };
        received = Some((metadata, response.fields));
    });
    received.unwrap()
}

#[test]
fn binary_metadata_of_a_request_arrives() {
    for (sent, expected) in BINARY {
        let (metadata, _) = received(&[("x-bin", sent)]);
        assert_eq!(values(&metadata), expected, "{sent}");
    }
}

#[test]
fn binary_metadata_of_a_response_arrives() {
    for (sent, expected) in BINARY {
        let (head, trailers) = (and(&OK, &[("x-bin", sent)]), and(&STATUS_OK, &[("x-bin", sent)]));
        for (head, trailers) in [(&head[..], &STATUS_OK[..]), (&OK, &trailers)] {
            let frames = [headers(1, head), data(1, message(b"x")), headers(1, trailers).end_stream()];
            answer(&frames, async |answer| {
                assert_eq!(values(answer.unwrap().metadata()), expected, "{sent}");
            });
        }
        let failed = and(&OK, &[("grpc-status", "5"), ("x-bin", sent)]);
        assert_eq!(values(status(&[headers(1, &failed).end_stream()]).metadata()), expected, "{sent}");
    }
}

/// "and should emit un-padded values"
#[test]
fn binary_metadata_is_sent_without_padding() {
    client(async |mut peers, mut client| {
        let mut request = Request::new(chunk("x"));
        request.metadata_mut().insert_bin("x-bin", BinaryMetadataValue::from_bytes(&[0, 1]));
        tokio::spawn(async move { client.echo(request).await });
        assert_eq!(peers.next().await.expect_message(1).await.field("x-bin"), "AAE");
    });
}

/// "Custom-Metadata header order is not guaranteed to be preserved except for values with duplicate header names."
#[test]
fn values_of_one_name_keep_their_order() {
    let (metadata, sent_back) =
        received(&[("x-custom", "1"), ("x-bin", "AAE"), ("x-custom", "2"), ("x-bin", "AAI")]);
    let custom: Vec<_> = metadata.get_all("x-custom").iter().collect();
    assert_eq!(custom, ["1", "2"]);
    assert_eq!(values(&metadata), [[0, 1], [0, 2]]);
    let back = |name: &str| {
        sent_back.iter().filter(|field| field.0 == name).map(|field| &*field.1).collect::<Vec<_>>()
    };
    assert_eq!(back("x-custom"), ["1", "2"]);
    assert_eq!(back("x-bin"), ["AAE", "AAI"]);
}

/// "Implementations must not error due to receiving an invalid ASCII-Value that's a valid field-value in HTTP [...]. If
/// accepted, care must be taken to make sure that the application is permitted to echo the value back as metadata."
#[test]
fn a_value_that_is_not_ascii_is_accepted_and_may_be_sent_back() {
    for value in ["\u{e9}", "a\tb", "", "a,b"] {
        let (metadata, sent_back) = received(&[("x-custom", value)]);
        assert_eq!(metadata.get("x-custom").unwrap().as_bytes(), value.as_bytes());
        assert!(sent_back.contains(&("x-custom".to_owned(), value.to_owned())), "{sent_back:?}");
    }
}

/// An invalid binary value is an error only for code that reads it.
#[test]
fn a_binary_value_that_is_not_base64_is_an_error_when_it_is_read() {
    for value in ["***", "A", "AA=A", "AAE,*", "\u{e9}"] {
        let (metadata, _) = received(&[("x-bin", value)]);
        assert!(metadata.get_all_bin("x-bin").iter().any(|value| value.to_bytes().is_err()), "{value}");
        let head = headers(1, &and(&OK, &[("x-bin", value)]));
        answer(&[head, data(1, message(b"x")), headers(1, &STATUS_OK).end_stream()], async |answer| {
            let answer = answer.unwrap();
            let values = answer.metadata().get_all_bin("x-bin");
            assert!(values.iter().any(|value| value.to_bytes().is_err()), "{value}");
        });
    }
}

/// So many values count as more than one field for the limit on metadata.
#[test]
fn very_many_joined_values_are_left_alone() {
    let joined = ["AAE"; 1000].join(",");
    let (metadata, _) = received(&[("x-bin", &joined)]);
    assert_eq!(metadata.get_all_bin("x-bin").iter().count(), 1);
}

/// Reads all of the metadata, as bytes and as text.
#[derive(Clone)]
struct Reads;

impl Interceptor for Reads {
    fn call(&mut self, request: Request<()>) -> Result<Request<()>, Status> {
        assert_eq!(values(request.metadata()), [[0, 1], [0, 2]]);
        assert!(!format!("{:?}", request.metadata()).is_empty());
        Ok(request)
    }
}

#[test]
fn interceptors_see_what_handlers_see() {
    server_with(
        |server: Server| server.layer(InterceptorLayer::new(Reads)),
        async |mut peer, _| {
            let fields = and(&call(ECHO), &[("x-bin", "AAE=,AAI")]);
            peer.send_all(&[headers(1, &fields), data(1, message(b"x")).end_stream()]).await;
            peer.expect_response(1).await;
        },
    );
    client(async |mut peers, _| {
        let mut client = BenchClient::with_interceptor(peers.channel.clone(), Ok);
        let call = tokio::spawn(async move { client.echo(chunk("x")).await });
        let mut peer = peers.next().await;
        peer.expect_message(1).await;
        let fields = [("grpc-status", "5"), ("grpc-message", "%ff"), ("grpc-status-details-bin", "*")];
        peer.send(headers(1, &and(&OK, &fields)).end_stream()).await;
        let status = call.await.unwrap().unwrap_err();
        assert_eq!((status.code(), status.message()), (tonic::Code::NotFound, "\u{fffd}"));
    });
}
