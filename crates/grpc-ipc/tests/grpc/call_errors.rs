//! The status of a failed call reports the cause, and whether the server may have processed the call.

use std::error::Error as _;

use futures_util::stream;
use grpc_ipc::{Channel, ConnectError, Http2Error, StatusExt as _};
use grpc_ipc_proto::bench::bench_client::BenchClient;
use grpc_ipc_proto::bench::{Chunk, Transfer};
use tonic::{Code, Request, Status};

use crate::util::frame::{code, data, headers, rst_stream};
use crate::util::{OK, STATUS_OK, chunk, client, message, status};

/// Calls of each kind, and their errors.
async fn failed(channel: &Channel) -> [Status; 4] {
    let mut client = BenchClient::new(channel.clone());
    let chunks = || stream::iter([chunk("x")]);
    [
        client.echo(chunk("x")).await.unwrap_err(),
        client.upload(chunks()).await.unwrap_err(),
        client.exchange(chunks()).await.unwrap_err(),
        client.download(Transfer::default()).await.unwrap_err(),
    ]
}

#[test]
fn a_call_without_a_server_was_not_processed() {
    client(async |peers, client| {
        drop(client);
        let channel = peers.channel.clone();
        drop(peers);
        for status in failed(&channel).await {
            assert_eq!(status.code(), Code::Unavailable);
            assert!(!status.may_have_been_processed(), "{status:?}");
            let error = status.call_error().unwrap();
            assert!(matches!(error.connect_error(), Some(ConnectError::NotFound { .. })), "{error:?}");
            assert!(error.is_transient());
            assert!(status.source().unwrap().source().unwrap().is::<ConnectError>());
        }
    });
}

/// The first takes the general path, and the next are direct.
#[test]
fn a_call_that_was_sent_may_have_been_processed() {
    for is_direct in [false, true] {
        client(async |mut peers, client| {
            let call =
                |mut client: BenchClient<_>| tokio::spawn(async move { client.echo(chunk("x")).await });
            let first = call(client.clone());
            let mut peer = peers.next().await;
            peer.expect_message(1).await;
            let broken = if is_direct {
                peer.send_all(&[
                    headers(1, &OK),
                    data(1, message(b"y")),
                    headers(1, &STATUS_OK).end_stream(),
                ])
                .await;
                first.await.unwrap().unwrap();
                let second = call(client);
                peer.expect_message(3).await;
                second
            } else {
                first
            };
            drop(peer);
            let status = broken.await.unwrap().unwrap_err();
            assert!(status.may_have_been_processed(), "{status:?}");
            assert!(
                matches!(status.call_error().unwrap().http2_error(), Some(Http2Error::Closed)),
                "{status:?}"
            );
            assert_eq!(peers.channel.general_calls(), 1);
        });
    }
}

#[test]
fn a_stream_that_breaks_off_leads_to_the_cause() {
    client(async |mut peers, mut client| {
        let call = tokio::spawn(async move { client.exchange(stream::pending::<Chunk>()).await });
        let mut peer = peers.next().await;
        peer.expect_on(1).await;
        peer.send_all(&[headers(1, &OK), data(1, message(b"x")), rst_stream(1, code::CANCEL)]).await;
        let mut chunks = call.await.unwrap().unwrap().into_inner();
        assert_eq!(chunks.message().await.unwrap().unwrap().payload, "x");
        let status = chunks.message().await.unwrap_err();
        assert!(status.may_have_been_processed());
        let error = status.call_error().unwrap().http2_error();
        assert!(matches!(error, Some(Http2Error::Reset { .. })), "{status:?}");
    });
}

/// Its messages cannot be sent again, so it is not retried.
#[test]
fn a_stream_that_is_refused_was_not_processed() {
    client(async |mut peers, mut client| {
        let call = tokio::spawn(async move { client.upload(stream::pending::<Chunk>()).await });
        let mut peer = peers.next().await;
        peer.expect_on(1).await;
        peer.send(rst_stream(1, code::REFUSED_STREAM)).await;
        let status = call.await.unwrap().unwrap_err();
        assert_eq!(status.code(), Code::Unavailable);
        assert!(!status.may_have_been_processed(), "{status:?}");
    });
}

#[test]
fn a_status_of_the_server_says_nothing_of_the_kind() {
    let refused = status(&[headers(1, &[OK[0], OK[1], ("grpc-status", "14")]).end_stream()]);
    assert_eq!(refused.code(), Code::Unavailable);
    assert!(refused.call_error().is_none() && refused.may_have_been_processed());
}

#[test]
fn a_message_that_is_too_large_is_not_sent() {
    client(async |peers, client| {
        let mut client = client.max_encoding_message_size(3);
        for request in [Request::new(chunk("large")), {
            // It takes the general path.
            let mut request = Request::new(chunk("large"));
            request.metadata_mut().insert("te", "trailers".parse().unwrap());
            request
        }] {
            let status = client.echo(request).await.unwrap_err();
            assert_eq!(status.code(), Code::OutOfRange);
            assert!(status.call_error().is_some() && !status.may_have_been_processed(), "{status:?}");
        }
        drop(peers);
    });
}
