//! Requests.

use futures_util::stream;
use http::StatusCode;
use tokio::sync::mpsc;
use tonic::body::Body;
use tower_service::Service;

use crate::util::frame::{data, flag, headers, kind};
use crate::util::{ECHO, Seen, UPLOAD, and, call, chunk, client, message, server};

/// The fields, with one value replaced or removed.
fn with<'a>(fields: &[(&'a str, &'a str)], name: &str, value: Option<&'a str>) -> Vec<(&'a str, &'a str)> {
    let others = fields.iter().copied().filter(|field| field.0 != name);
    let (reserved, regular): (Vec<_>, Vec<_>) = others
        .chain(value.map(|value| (fields.iter().find(|field| field.0 == name).unwrap().0, value)))
        .partition(|field| field.0.starts_with(':'));
    [reserved, regular].concat()
}

/// The HTTP status and the fields of the answer to a request that is never a gRPC call.
fn refused(fields: &[(&str, &str)]) -> Vec<(String, String)> {
    let mut answer = Vec::new();
    server(async |mut peer, mut seen| {
        peer.send_all(&[headers(1, fields), data(1, message(b"x")).end_stream()]).await;
        let response = peer.expect_message(1).await;
        assert!(response.body.is_empty() && response.trailers.is_none());
        answer = response.fields;
        // The connection stays open.
        peer.send_all(&[headers(3, &call(ECHO)), data(3, message(b"x")).end_stream()]).await;
        assert_eq!(peer.expect_response(3).await.body, message(b"x"));
        assert!(matches!(seen.recv().await, Some(Seen::Call(_))));
        assert!(seen.try_recv().is_err(), "the handler has seen it");
    });
    assert!(answer.iter().all(|(name, _)| !name.starts_with("grpc-")), "{answer:?}");
    answer
}

fn field<'a>(fields: &'a [(String, String)], name: &str) -> &'a str {
    fields.iter().find(|field| field.0 == name).map_or("", |field| &field.1)
}

#[test]
fn a_request_has_the_fields_of_its_definition() {
    client(async |mut peers, mut client| {
        let mut request = tonic::Request::new(chunk("x"));
        request.metadata_mut().insert("x-custom", "1".parse().unwrap());
        request.set_timeout(std::time::Duration::from_secs(3600));
        tokio::spawn(async move { client.echo(request).await });
        let request = peers.next().await.expect_message(1).await;
        assert_eq!(request.field(":method"), "POST");
        assert_eq!(request.field(":scheme"), "http");
        assert_eq!(request.field(":path"), ECHO);
        assert_eq!(request.field(":authority"), "localhost");
        assert_eq!(request.field("te"), "trailers");
        assert_eq!(request.field("content-type"), "application/grpc");
        assert!(request.field("user-agent").starts_with("grpc-rust-ipc/"));
        let timeout = request.field("grpc-timeout");
        let (value, unit) = timeout.split_at(timeout.len() - 1);
        assert!(value.len() <= 8 && value.parse::<u32>().is_ok() && "HMSmun".contains(unit), "{timeout}");
        assert_eq!(request.body, message(b"x"));
        // "implementations should send Timeout immediately after the reserved headers and they should send the
        // Call-Definition headers before sending Custom-Metadata"
        let names: Vec<_> = request.fields.iter().map(|field| field.0.as_str()).collect();
        assert_eq!(names[4], "grpc-timeout", "{names:?}");
        assert_eq!(names.last(), Some(&"x-custom"), "{names:?}");
    });
}

/// "For requests, EOS (end-of-stream) is indicated by the presence of the END_STREAM flag on the last received DATA
/// frame."
#[test]
fn the_end_of_a_request_is_on_its_last_data_frame() {
    client(async |mut peers, mut client| {
        tokio::spawn(async move { client.echo(chunk("x")).await });
        let mut peer = peers.next().await;
        let head = peer.expect_on(1).await;
        assert!(head.kind == kind::HEADERS && !head.has(flag::END_STREAM), "{head:?}");
        let end = peer.expect_on(1).await;
        assert!(end.kind == kind::DATA && end.has(flag::END_STREAM), "{end:?}");
    });
}

/// "In scenarios where the Request stream needs to be closed but no data remains to be sent implementations MUST send an
/// empty DATA frame with this flag set."
#[test]
fn a_request_without_messages_ends_with_an_empty_data_frame() {
    client(async |mut peers, client| {
        let (mut upload, mut exchange) = (client.clone(), client);
        tokio::spawn(async move { upload.upload(stream::empty()).await });
        let mut peer = peers.next().await;
        tokio::spawn(async move { exchange.exchange(stream::empty()).await });
        for stream in [1, 3] {
            let head = peer.expect_on(stream).await;
            assert!(head.kind == kind::HEADERS && !head.has(flag::END_STREAM), "{head:?}");
            let end = peer.expect_on(stream).await;
            assert!(end.kind == kind::DATA && end.has(flag::END_STREAM) && end.payload.is_empty(), "{end:?}");
        }
    });
}

#[test]
fn a_request_whose_messages_have_been_sent_ends_with_an_empty_data_frame() {
    client(async |mut peers, mut client| {
        let (sender, receiver) = mpsc::channel(1);
        sender.send(chunk("x")).await.unwrap();
        let chunks = stream::unfold(receiver, async |mut chunks| Some((chunks.recv().await?, chunks)));
        tokio::spawn(async move { client.upload(Box::pin(chunks)).await });
        let mut peer = peers.next().await;
        assert_eq!(peer.expect_on(1).await.kind, kind::HEADERS);
        assert_eq!(peer.expect_on(1).await.payload, message(b"x"));
        drop(sender);
        let end = peer.expect_on(1).await;
        assert!(end.kind == kind::DATA && end.has(flag::END_STREAM) && end.payload.is_empty(), "{end:?}");
    });
}

/// A server accepts both ends of a request without messages: older clients send the other one.
#[test]
fn a_request_without_messages_is_served_whatever_it_ends_with() {
    server(async |mut peer, mut seen| {
        let in_headers = [headers(1, &call(UPLOAD)).end_stream()];
        let in_data = [headers(3, &call(UPLOAD)), data(3, "").end_stream()];
        for (stream, frames) in [(1, &in_headers[..]), (3, &in_data)] {
            peer.send_all(frames).await;
            let response = peer.expect_response(stream).await;
            assert_eq!(response.trailers.unwrap(), [("grpc-status".to_owned(), "0".to_owned())]);
            assert!(matches!(seen.recv().await, Some(Seen::Call(_))));
            assert!(matches!(seen.recv().await, Some(Seen::End(_))));
        }
    });
}

/// "If Content-Type does not begin with "application/grpc", gRPC servers SHOULD respond with HTTP status of 415
/// (Unsupported Media Type)."
#[test]
fn another_content_type_is_unsupported() {
    for value in [None, Some("text/html"), Some("application/json"), Some("application/grpc-web"), Some("")] {
        let answer = refused(&with(&call(ECHO), "content-type", value));
        assert_eq!(field(&answer, ":status"), "415", "{value:?}");
        assert_eq!(field(&answer, "accept"), "application/grpc");
    }
    // Even if no service is called.
    let unknown = with(&call("/no.Such/Method"), "content-type", Some("text/html"));
    assert_eq!(field(&refused(&unknown), ":status"), "415");
}

/// `Method → ":method POST"`
#[test]
fn another_method_is_not_allowed() {
    for method in ["GET", "PUT", "DELETE", "PATCH", "X"] {
        let answer = refused(&with(&call(ECHO), ":method", Some(method)));
        assert_eq!(field(&answer, ":status"), "405", "{method}");
        assert_eq!(field(&answer, "allow"), "POST");
    }
}

/// `Content-Type → "content-type" "application/grpc" [("+proto" / "+json" / {custom})]`
#[test]
fn a_content_type_of_grpc_may_have_a_suffix() {
    for value in ["application/grpc+proto", "application/grpc+json", "application/grpc;charset=utf-8"] {
        server(async |mut peer, _| {
            let fields = with(&call(ECHO), "content-type", Some(value));
            peer.send_all(&[headers(1, &fields), data(1, message(b"x")).end_stream()]).await;
            assert_eq!(peer.expect_response(1).await.body, message(b"x"));
        });
    }
}

#[test]
fn a_request_without_te_or_authority_or_user_agent_is_served() {
    for name in ["te", ":authority"] {
        server(async |mut peer, _| {
            let fields = with(&call(ECHO), name, None);
            peer.send_all(&[headers(1, &fields), data(1, message(b"x")).end_stream()]).await;
            assert_eq!(peer.expect_response(1).await.body, message(b"x"));
        });
    }
}

/// "Path is case-sensitive."
#[test]
fn a_path_is_case_sensitive() {
    for path in ["/ipc.bench.Bench/echo", "/ipc.bench.bench/Echo", "/ipc.bench.Bench/", "/"] {
        server(async |mut peer, _| {
            peer.send_all(&[headers(1, &call(path)), data(1, message(b"x")).end_stream()]).await;
            assert_eq!(peer.expect_response(1).await.field("grpc-status"), "12", "{path}");
        });
    }
}

/// A channel accepts any answer to a request that is not gRPC.
#[test]
fn a_channel_sends_requests_that_are_not_of_grpc() {
    client(async |mut peers, _| {
        let mut channel = peers.channel.clone();
        let call = tokio::spawn(async move {
            let request = http::Request::get("/metrics").body(Body::empty()).unwrap();
            channel.call(request).await
        });
        let mut peer = peers.next().await;
        let request = peer.expect_on(1).await;
        assert!(request.has(flag::END_STREAM));
        peer.send(headers(1, &and(&[(":status", "404")], &[("content-type", "text/html")])).end_stream())
            .await;
        assert_eq!(call.await.unwrap().unwrap().status(), StatusCode::NOT_FOUND);
    });
}
