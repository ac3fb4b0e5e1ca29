//! "HTTP2 Transport Mapping".

use std::time::Duration;

use futures_util::stream;
use grpc_ipc::Http2Options;
use grpc_ipc_proto::bench::bench_client::BenchClient;
use tonic::Code;

use crate::util::frame::{code, data, flag, goaway, headers, kind, ping, rst_stream};
use crate::util::raw::RawPeer;
use crate::util::{
    ECHO, EXCHANGE, OK, STATUS_OK, Seen, UPLOAD, and, call, chunk, client, client_with, connected, message,
    server, server_with,
};

/// "If a server responds with Trailers before the client's END_STREAM, then the server should send RST_STREAM with
/// NO_ERROR error code immediately following that HEADERS frame".
#[test]
fn a_server_that_answers_early_resets_the_stream() {
    server(async |mut peer, _| {
        peer.send_all(&[headers(1, &call("/no.Such/Method")), data(1, message(b"x"))]).await;
        assert_eq!(peer.expect_message(1).await.field("grpc-status"), "12");
        let reset = peer.expect_on(1).await;
        assert_eq!((reset.kind, reset.u32(0)), (kind::RST_STREAM, code::NO_ERROR));
    });
}

/// "Similarly, when a client receives Trailers before the client's END_STREAM, then the client should send RST_STREAM with
/// NO_ERROR error code".
#[test]
fn a_client_that_is_answered_early_resets_the_stream() {
    client(async |mut peers, mut client| {
        let call = tokio::spawn(async move { client.upload(stream::pending()).await });
        let mut peer = peers.next().await;
        assert_eq!(peer.expect_on(1).await.kind, kind::HEADERS);
        peer.send(headers(1, &and(&OK, &[("grpc-status", "9")])).end_stream()).await;
        let reset = peer.expect_on(1).await;
        assert_eq!((reset.kind, reset.u32(0)), (kind::RST_STREAM, code::NO_ERROR));
        assert_eq!(call.await.unwrap().unwrap_err().code(), Code::FailedPrecondition);
    });
}

/// "The following mapping from RST_STREAM error codes to GRPC error codes is applied."
#[test]
fn a_reset_is_the_status_of_its_code() {
    let internal = [0, 1, 2, 3, 4, 5, 6, 9, 10, 77].map(|reset| (reset, Code::Internal));
    let others = [(8, Code::Cancelled), (11, Code::ResourceExhausted), (12, Code::PermissionDenied)];
    for (reset, code) in internal.into_iter().chain(others) {
        client(async |mut peers, client| {
            let (mut unary, mut download) = (client.clone(), client);
            let unary = tokio::spawn(async move { unary.echo(chunk("x")).await });
            let mut peer = peers.next().await;
            peer.expect_message(1).await;
            peer.send(rst_stream(1, reset)).await;
            assert_eq!(unary.await.unwrap().unwrap_err().code(), code, "{reset}");
            // Even in the middle. Earlier messages arrive.
            let call = tokio::spawn(async move { download.exchange(stream::pending()).await });
            peer.expect_on(3).await;
            peer.send_all(&[headers(3, &OK), data(3, message(b"x")), rst_stream(3, reset)]).await;
            let mut chunks = call.await.unwrap().unwrap().into_inner();
            assert_eq!(chunks.message().await.unwrap().unwrap().payload, "x");
            assert_eq!(chunks.message().await.unwrap_err().code(), code, "{reset}");
        });
    }
}

/// "REFUSED_STREAM: UNAVAILABLE - Indicates that no processing occurred and the request can be retried, possibly
/// elsewhere."
#[test]
fn a_refused_call_is_made_again() {
    client(async |mut peers, mut client| {
        let call = tokio::spawn(async move { client.echo(chunk("x")).await });
        let mut peer = peers.next().await;
        peer.expect_message(1).await;
        peer.send(rst_stream(1, code::REFUSED_STREAM)).await;
        peer.expect_message(3).await;
        peer.send_all(&[headers(3, &OK), data(3, message(b"y")), headers(3, &STATUS_OK).end_stream()]).await;
        assert_eq!(call.await.unwrap().unwrap().into_inner().payload, "y");
    });
}

/// "Clients should consider any stream initiated after the last successfully accepted stream as UNAVAILABLE and retry the
/// call elsewhere. Clients are free to continue working with the already accepted streams until they complete".
#[test]
fn calls_after_the_last_stream_of_a_goaway_are_made_elsewhere() {
    client(async |mut peers, client| {
        let echo = |mut client: BenchClient<_>| tokio::spawn(async move { client.echo(chunk("x")).await });
        let accepted = echo(client.clone());
        let mut first = peers.next().await;
        first.expect_message(1).await;
        let ignored = echo(client);
        first.expect_message(3).await;
        first.send(goaway(1, code::NO_ERROR)).await;
        let mut second = peers.next().await;
        second.expect_message(1).await;
        for peer in [&mut first, &mut second] {
            let trailers = headers(1, &STATUS_OK).end_stream();
            peer.send_all(&[headers(1, &OK), data(1, message(b"y")), trailers]).await;
        }
        for call in [accepted, ignored] {
            assert_eq!(call.await.unwrap().unwrap().into_inner().payload, "y");
        }
    });
}

/// The streams of the next requests, in ascending order, once all have ended.
async fn whole_requests(peer: &mut RawPeer, count: usize) -> Vec<u32> {
    let mut streams = Vec::new();
    while streams.len() < count {
        let frame = peer.next().await.unwrap();
        if [kind::HEADERS, kind::DATA].contains(&frame.kind) && frame.has(flag::END_STREAM) {
            streams.push(frame.stream);
        }
    }
    streams.sort_unstable();
    streams
}

/// The same with many calls under way, also direct ones: each is answered once, half of them elsewhere.
#[test]
fn no_call_fails_when_a_busy_connection_goes_away() {
    const CALLS: usize = 100;
    for is_direct in [false, true] {
        client(async |mut peers, client| {
            let mut connection = None;
            if is_direct {
                connection = Some(connected(&mut peers, &client).await);
            }
            let echo =
                |mut client: BenchClient<_>| tokio::spawn(async move { client.echo(chunk("x")).await });
            let calls: Vec<_> = (0..CALLS).map(|_| echo(client.clone())).collect();
            let mut first = match connection {
                Some(connection) => connection,
                None => peers.next().await,
            };
            let mut open = whole_requests(&mut first, CALLS).await;
            let ignored = open.split_off(CALLS / 2);
            first.send(goaway(open[open.len() - 1], code::NO_ERROR)).await;
            let mut second = peers.next().await;
            let elsewhere = whole_requests(&mut second, ignored.len()).await;
            for (peer, streams) in [(&mut second, elsewhere), (&mut first, open)] {
                for stream in streams {
                    let trailers = headers(stream, &STATUS_OK).end_stream();
                    peer.send_all(&[headers(stream, &OK), data(stream, message(b"y")), trailers]).await;
                }
            }
            for call in calls {
                assert_eq!(call.await.unwrap().unwrap().into_inner().payload, "y");
            }
        });
    }
}

/// "Both clients and servers can send a PING frame that the peer must respond to by precisely echoing what they received."
#[test]
fn a_ping_is_echoed() {
    server(async |mut peer, _| peer.still_answers().await);
    client(async |mut peers, mut client| {
        tokio::spawn(async move { client.echo(chunk("x")).await });
        let mut peer = peers.next().await;
        peer.expect_message(1).await;
        peer.send(ping(*b"\0\x01\x02 \xff\xfe~!")).await;
        let answer = peer.expect("the answer", |frame| frame.kind == kind::PING).await;
        assert_eq!(answer.payload, b"\0\x01\x02 \xff\xfe~!");
    });
}

/// "An expired client initiated PING will cause all calls to be closed with an UNAVAILABLE status."
#[test]
fn calls_to_a_server_that_answers_no_ping_are_unavailable() {
    client_with(impatient(), async |mut peers, client| {
        let (mut unary, mut exchange) = (client.clone(), client);
        let unary = tokio::spawn(async move { unary.echo(chunk("x")).await });
        let mut peer = peers.next().await;
        peer.expect_message(1).await;
        let call = tokio::spawn(async move { exchange.exchange(stream::pending()).await });
        peer.expect_on(3).await;
        peer.send_all(&[headers(3, &OK), data(3, message(b"x"))]).await;
        peer.expect("a ping", |frame| frame.kind == kind::PING).await;
        assert_eq!(unary.await.unwrap().unwrap_err().code(), Code::Unavailable);
        let mut chunks = call.await.unwrap().unwrap().into_inner();
        assert_eq!(chunks.message().await.unwrap().unwrap().payload, "x");
        assert_eq!(chunks.message().await.unwrap_err().code(), Code::Unavailable);
    });
}

/// "If a server initiated PING does not receive a response within the deadline expected by the runtime all outstanding
/// calls on the server will be closed with a CANCELLED status." The code differs, as for a connection that breaks.
#[test]
fn requests_of_a_client_that_answers_no_ping_have_failed() {
    server_with(
        |server| server.http2(impatient()),
        async |mut peer, mut seen| {
            peer.send_all(&[headers(1, &call(UPLOAD)), data(1, message(b"x"))]).await;
            assert!(matches!(seen.recv().await, Some(Seen::Call(_))));
            assert!(matches!(seen.recv().await, Some(Seen::Chunk(Ok(_)))));
            peer.expect("a ping", |frame| frame.kind == kind::PING).await;
            let Some(Seen::Chunk(Err(status))) = seen.recv().await else { panic!("a clean end") };
            assert_eq!(status.code(), Code::Unavailable, "{status:?}");
        },
    );
}

/// Pings a silent peer, and waits briefly for the answer.
fn impatient() -> Http2Options {
    // Longer than a busy machine holds up a task.
    let time = Duration::from_millis(500);
    Http2Options::new().keepalive(time).keepalive_timeout(time)
}

/// "If a detectable connection failure occurs on the client all calls will be closed with an UNAVAILABLE status."
#[test]
fn calls_on_a_connection_that_breaks_are_unavailable() {
    client(async |mut peers, mut client| {
        let call = tokio::spawn(async move { client.exchange(stream::pending()).await });
        let mut peer = peers.next().await;
        peer.expect_on(1).await;
        peer.send_all(&[headers(1, &OK), data(1, message(b"x"))]).await;
        let mut chunks = call.await.unwrap().unwrap().into_inner();
        assert_eq!(chunks.message().await.unwrap().unwrap().payload, "x");
        drop(peer);
        assert_eq!(chunks.message().await.unwrap_err().code(), Code::Unavailable);
    });
}

/// "Calls that cannot be proven to have started will not be retried" is turned around here: a call that may have
/// started is not retried.
#[test]
fn a_call_that_may_have_started_is_not_made_again() {
    client(async |mut peers, mut client| {
        let call = tokio::spawn(async move { client.echo(chunk("x")).await });
        let mut peer = peers.next().await;
        peer.expect_message(1).await;
        drop(peer);
        assert_eq!(call.await.unwrap().unwrap_err().code(), Code::Unavailable);
    });
}

/// "When an application or runtime error occurs during an RPC a Status and Status-Message are delivered in Trailers."
#[test]
fn a_runtime_error_is_delivered_in_trailers() {
    server(async |mut peer, _| {
        peer.send_all(&[headers(1, &call(ECHO)), data(1, [0, 0, 0, 0, 1, 0xff]).end_stream()]).await;
        assert_eq!(peer.expect_response(1).await.field("grpc-status"), "13");
        // Between messages as well.
        peer.send_all(&[headers(3, &call(EXCHANGE)), data(3, message(b"x"))]).await;
        assert_eq!(peer.expect_on(3).await.kind, kind::HEADERS);
        assert_eq!(peer.expect_on(3).await.payload, message(b"x"));
        peer.send(data(3, "").end_stream()).await;
        assert_eq!(peer.expect_on(3).await.fields, [("grpc-status".to_owned(), "0".to_owned())]);
    });
}

/// Not a rule of gRPC: another program listens on the address.
#[test]
fn a_server_of_another_protocol_is_unavailable_and_called_so() {
    for (octets, text) in [
        (
            &b"HTTP/1.1 400 Bad Request\r\n\r\n"[..],
            "the server does not speak HTTP/2 (it answered with HTTP/1.1)",
        ),
        (b"SSH-2.0-OpenSSH_9.2\r\n", "the server does not speak HTTP/2"),
        (&[0x15, 3, 3, 0, 2, 2, 50], "the server speaks TLS"),
    ] {
        client(async |mut peers, mut client| {
            let call = tokio::spawn(async move { client.echo(chunk("x")).await });
            let mut peer = peers.accept().await;
            peer.expect_preface().await;
            peer.send_octets(octets).await;
            let status = call.await.unwrap().unwrap_err();
            assert_eq!(status.code(), Code::Unavailable, "{status:?}");
            assert!(status.message().contains(text), "{status:?}");
        });
    }
}
