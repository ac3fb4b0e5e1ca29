//! `Timeout → "grpc-timeout" TimeoutValue TimeoutUnit`, and expired deadlines.

use std::time::Duration;

use futures_util::StreamExt as _;
use grpc_ipc_proto::bench::Transfer;
use tonic::{Code, Request};

use crate::util::frame::{code, data, flag, headers};
use crate::util::{ECHO, OK, STATUS_OK, Seen, UPLOAD, and, call, chunk, client, message, server};

/// This includes 0, which is not a positive integer: no time may be left of a deadline.
#[test]
fn a_call_that_can_be_answered_at_once_is_answered_whatever_its_timeout() {
    for timeout in ["0S", "0n", "1n", "99999999H", "1H", "5M", "3S"] {
        server(async |mut peer, _| {
            let fields = and(&call(ECHO), &[("grpc-timeout", timeout)]);
            peer.send_all(&[headers(1, &fields), data(1, message(b"x")).end_stream()]).await;
            assert_eq!(peer.expect_response(1).await.body, message(b"x"), "{timeout}");
        });
    }
}

/// "If Timeout is omitted a server should assume an infinite timeout." An invalid timeout counts as omitted.
#[test]
fn what_is_no_timeout_is_none() {
    for timeout in ["", "S", "1", "1s", "123456789n", "-1n", "+1n", "1.5S", "0x1n", "1 n", "n", "\u{e9}n"] {
        server(async |mut peer, mut seen| {
            let fields = and(&call(UPLOAD), &[("grpc-timeout", timeout)]);
            peer.send(headers(1, &fields)).await;
            assert!(matches!(seen.recv().await, Some(Seen::Call(_))));
            peer.send(data(1, message(b"x")).end_stream()).await;
            assert_eq!(peer.expect_response(1).await.trailers.unwrap()[0].1, "0", "{timeout}");
        });
    }
}

/// "gRPC servers track the deadline of the RPC as communicated by Timeout."
#[test]
fn a_server_ends_a_call_at_its_deadline() {
    for timeout in ["0n", "1n", "1u", "1m"] {
        server(async |mut peer, _| {
            let fields = and(&call(UPLOAD), &[("grpc-timeout", timeout)]);
            peer.send_all(&[headers(1, &fields), data(1, message(b"x"))]).await;
            let only = peer.expect_on(1).await;
            assert!(only.has(flag::END_STREAM));
            assert!(only.fields.contains(&("grpc-status".to_owned(), "4".to_owned())), "{only:?}");
        });
    }
}

/// "Client cancellation is performed by the client sending RST_STREAM with CANCEL error code. The RPC's deadline expiring
/// is considered a client cancellation."
#[test]
fn a_client_cancels_a_call_at_its_deadline() {
    client(async |mut peers, client| {
        let call = || {
            let mut client = client.clone();
            let mut request = Request::new(chunk("x"));
            request.set_timeout(Duration::from_millis(300));
            tokio::spawn(async move { client.echo(request).await })
        };
        // The first call takes the general path, the second one is direct.
        let first = call();
        let mut peer = peers.next().await;
        peer.expect_message(1).await;
        peer.expect_reset(1, code::CANCEL).await;
        assert_eq!(first.await.unwrap().unwrap_err().code(), Code::DeadlineExceeded);
        let second = call();
        peer.expect_message(3).await;
        peer.expect_reset(3, code::CANCEL).await;
        assert_eq!(second.await.unwrap().unwrap_err().code(), Code::DeadlineExceeded);
        assert_eq!(peers.channel.general_calls(), 1);
    });
}

#[test]
fn a_client_cancels_a_stream_at_its_deadline() {
    client(async |mut peers, mut client| {
        let mut request = Request::new(Transfer::default());
        request.set_timeout(Duration::from_millis(300));
        let call = tokio::spawn(async move { client.download(request).await });
        let mut peer = peers.next().await;
        peer.expect_message(1).await;
        peer.send_all(&[headers(1, &OK), data(1, message(b"x"))]).await;
        let status = match call.await.unwrap() {
            Ok(response) => {
                let chunks = response.into_inner();
                chunks.filter_map(async |chunk| chunk.err()).boxed().next().await.expect("a clean end")
            }
            // It was too slow to be answered.
            Err(status) => status,
        };
        assert_eq!(status.code(), Code::DeadlineExceeded);
        peer.expect_reset(1, code::CANCEL).await;
    });
}

#[test]
fn a_call_that_is_dropped_is_cancelled() {
    client(async |mut peers, mut client| {
        let call = tokio::spawn(async move { client.echo(chunk("x")).await });
        let mut peer = peers.next().await;
        peer.expect_message(1).await;
        call.abort();
        peer.expect_reset(1, code::CANCEL).await;
        // The connection stays open.
        let mut client = grpc_ipc_proto::bench::bench_client::BenchClient::new(peers.channel.clone());
        let call = tokio::spawn(async move { client.echo(chunk("x")).await });
        peer.expect_message(3).await;
        peer.send_all(&[headers(3, &OK), data(3, message(b"x")), headers(3, &STATUS_OK).end_stream()]).await;
        assert_eq!(call.await.unwrap().unwrap().into_inner().payload, "x");
    });
}
