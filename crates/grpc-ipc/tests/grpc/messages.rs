//! Length-prefixed messages.

use grpc_ipc::Channel;
use grpc_ipc_proto::bench::Transfer;
use grpc_ipc_proto::bench::bench_client::BenchClient;
use tonic::Code;

use crate::util::frame::{code, data, headers, rst_stream};
use crate::util::{
    ECHO, EXCHANGE, OK, STATUS_OK, Seen, UPLOAD, and, answer, call, client, message, server, status,
};

/// "DATA frame boundaries have no relation to Length-Prefixed-Message boundaries and implementations should make no
/// assumptions about their alignment."
#[test]
fn frames_and_messages_are_not_aligned() {
    let both = [message(b"one"), message(b""), message(b"three")].concat();
    for size in [1, 3, 5, both.len()] {
        server(async |mut peer, mut seen| {
            let mut frames = vec![headers(1, &call(UPLOAD))];
            frames.extend(both.chunks(size).map(|piece| data(1, piece)));
            frames.push(data(1, "").end_stream());
            peer.send_all(&frames).await;
            peer.expect_response(1).await;
            assert!(matches!(seen.recv().await, Some(Seen::Call(_))));
            for expected in ["one", "", "three"] {
                let Some(Seen::Chunk(Ok(chunk))) = seen.recv().await else { panic!("no chunk") };
                assert_eq!(chunk, expected);
            }
        });
        let pieces = message(b"answer");
        let mut frames = vec![headers(1, &OK)];
        frames.extend(pieces.chunks(size).map(|piece| data(1, piece)));
        frames.push(headers(1, &STATUS_OK).end_stream());
        answer(&frames, async |answer| assert_eq!(answer.unwrap().into_inner().payload, "answer"));
    }
}

/// The rest of a message that is cut off: in the prefix, after the prefix, or in the payload.
const CUT: [usize; 5] = [1, 4, 5, 6, 9];

#[test]
fn a_request_that_ends_inside_of_a_message_has_failed() {
    for length in CUT {
        let cut = &message(b"abc")[..length];
        server(async |mut peer, mut seen| {
            // A unary call, and one with earlier messages.
            peer.send_all(&[headers(1, &call(ECHO)), data(1, cut).end_stream()]).await;
            assert_eq!(peer.expect_response(1).await.field("grpc-status"), "13", "{length} bytes");
            peer.send_all(&[headers(3, &call(UPLOAD)), data(3, message(b"x")), data(3, cut).end_stream()])
                .await;
            assert_eq!(peer.expect_response(3).await.field("grpc-status"), "13", "{length} bytes");
            assert!(matches!(seen.recv().await, Some(Seen::Call(_))));
            assert!(matches!(seen.recv().await, Some(Seen::Chunk(Ok(_)))));
            let Some(Seen::Chunk(Err(status))) = seen.recv().await else { panic!("a clean end") };
            assert_eq!(status.code(), Code::Internal, "{status:?}");
            assert_eq!(status.message(), "the request ended inside a message");
            // Trailers do not help.
            let trailers = headers(5, &[("x-trailer", "1")]).end_stream();
            peer.send_all(&[headers(5, &call(UPLOAD)), data(5, cut), trailers]).await;
            assert_eq!(peer.expect_response(5).await.field("grpc-status"), "13", "{length} bytes");
        });
    }
}

#[test]
fn a_response_that_ends_inside_of_a_message_has_failed() {
    for length in CUT {
        let cut = &message(b"abc")[..length];
        let before = [headers(1, &OK), data(1, message(b"x"))];
        for end in [&STATUS_OK[..], &[]] {
            let status = status(&[&before[..], &[data(1, cut), headers(1, end).end_stream()]].concat());
            let expected = if end.is_empty() { Code::Unknown } else { Code::Internal };
            assert_eq!(status.code(), expected, "{length} bytes: {status:?}");
        }
        // A server that fails inside a message reports why.
        let failed = headers(1, &[("grpc-status", "10"), ("grpc-message", "why")]).end_stream();
        let status = status(&[headers(1, &OK), data(1, cut), failed]);
        assert_eq!((status.code(), status.message()), (Code::Aborted, "why"));
    }
}

/// `Compressed-Flag → 0 / 1`. It is one error, not one for each byte that follows.
#[test]
fn a_stream_of_what_is_no_message_fails_and_ends() {
    client(async |mut peers, mut client| {
        let call = tokio::spawn(async move { client.download(Transfer::default()).await });
        let mut peer = peers.next().await;
        peer.expect_message(1).await;
        peer.send_all(&[headers(1, &OK), data(1, message(b"x")), data(1, "<html>no</html>")]).await;
        let mut chunks = call.await.unwrap().unwrap().into_inner();
        assert_eq!(chunks.message().await.unwrap().unwrap().payload, "x");
        let status = chunks.message().await.unwrap_err();
        assert_eq!(status.code(), Code::Internal);
        assert!(status.message().contains("60"), "{status:?}");
        peer.expect_reset(1, code::CANCEL).await;
        // tonic yields an error of the body twice.
        _ = chunks.message().await;
        assert!(chunks.message().await.unwrap().is_none());
    });
}

#[test]
fn a_stream_that_goes_on_after_an_error_ends_with_its_body() {
    // Errors that tonic finds itself: not a chunk, and one that is compressed.
    let wrong: [&[u8]; 2] = [&[0, 0, 0, 0, 2, 0xff, 0xff], &[1, 0, 0, 0, 1, 0]];
    for wrong in wrong {
        client(async |mut peers, mut client| {
            let call = tokio::spawn(async move { client.download(Transfer::default()).await });
            let mut peer = peers.next().await;
            peer.expect_message(1).await;
            peer.send_all(&[headers(1, &OK), data(1, wrong), data(1, "more").end_stream()]).await;
            let mut chunks = call.await.unwrap().unwrap().into_inner();
            let mut errors = 0;
            while chunks.message().await.transpose().is_some() {
                errors += 1;
                assert!(errors < 100, "errors without end");
            }
        });
        server(async |mut peer, mut seen| {
            peer.send_all(&[headers(1, &call(EXCHANGE)), data(1, wrong), data(1, "more").end_stream()]).await;
            peer.expect_response(1).await;
            let mut errors = 0;
            while seen.try_recv().is_ok() {
                errors += 1;
            }
            assert!((1..100).contains(&errors), "{errors} errors");
        });
    }
}

/// `RESOURCE_EXHAUSTED` in [gRPC's status codes](https://github.com/grpc/grpc/blob/master/doc/statuscodes.md), and in
/// other implementations. The message need not arrive.
#[test]
fn a_message_over_the_limit_is_resource_exhausted_after_those_before_it() {
    let too_large = [0, 0, 0x40, 0, 1, 0x0a];
    let both = [&message(b"x")[..], &too_large].concat();
    // The prefix, however it is cut.
    for cut in [9, 11, 13, both.len()] {
        let (first, rest) = both.split_at(cut);
        // The first call of a connection takes the general path, and the second is direct.
        for is_direct in [false, true] {
            client(async |mut peers, client| {
                let download = |mut client: BenchClient<Channel>| {
                    tokio::spawn(async move { client.download(Transfer::default()).await })
                };
                let mut call = download(client.clone());
                let (mut peer, mut stream) = (peers.next().await, 1);
                peer.expect_message(1).await;
                if is_direct {
                    peer.send_all(&[headers(1, &OK), headers(1, &STATUS_OK).end_stream()]).await;
                    call.await.unwrap().unwrap();
                    (call, stream) = (download(client), 3);
                    peer.expect_message(3).await;
                }
                peer.send_all(&[headers(stream, &OK), data(stream, first), data(stream, rest)]).await;
                let mut chunks = call.await.unwrap().unwrap().into_inner();
                assert_eq!(chunks.message().await.unwrap().unwrap().payload, "x");
                let status = chunks.message().await.unwrap_err();
                assert_eq!(status.code(), Code::ResourceExhausted);
                assert!(
                    status.message().contains("found 4194305 bytes, the limit is: 4194304"),
                    "{status:?}"
                );
                peer.expect_reset(stream, code::CANCEL).await;
            });
        }
        server(async |mut peer, mut seen| {
            peer.send_all(&[headers(1, &call(UPLOAD)), data(1, first), data(1, rest)]).await;
            assert_eq!(peer.expect_response(1).await.field("grpc-status"), "8");
            assert!(matches!(seen.recv().await, Some(Seen::Call(_))));
            assert!(matches!(seen.recv().await, Some(Seen::Chunk(Ok(_)))));
            assert!(matches!(seen.recv().await, Some(Seen::Chunk(Err(_)))));
        });
    }
}

/// "If the Message-Encoding header is omitted then the Compressed-Flag must be 0."
#[test]
fn a_compressed_message_without_an_encoding_is_an_error() {
    let compressed = [&[1], &message(b"x")[1..]].concat();
    let answer = status(&[headers(1, &OK), data(1, &*compressed), headers(1, &STATUS_OK).end_stream()]);
    assert_eq!(answer.code(), Code::Internal);
    server(async |mut peer, _| {
        peer.send_all(&[headers(1, &call(ECHO)), data(1, &*compressed).end_stream()]).await;
        assert_eq!(peer.expect_response(1).await.field("grpc-status"), "13");
    });
}

/// `Message-Encoding → "grpc-encoding" Content-Coding`: an encoding that the server does not know is UNIMPLEMENTED, and
/// the answer lists those that it knows.
#[test]
fn an_unknown_encoding_is_unimplemented() {
    server(async |mut peer, _| {
        let fields = and(&call(ECHO), &[("grpc-encoding", "snappy")]);
        peer.send_all(&[headers(1, &fields), data(1, message(b"x")).end_stream()]).await;
        let response = peer.expect_response(1).await;
        assert_eq!(response.field("grpc-status"), "12");
        assert_eq!(response.field("grpc-accept-encoding"), "identity");
    });
}

/// tonic treats `Cancelled` as the end of a request, so a task that reads on would take the request for complete.
#[test]
fn a_request_that_its_client_cancels_has_failed() {
    server(async |mut peer, mut seen| {
        peer.send_all(&[headers(1, &call(UPLOAD)), data(1, message(b"x"))]).await;
        assert!(matches!(seen.recv().await, Some(Seen::Call(_))));
        assert!(matches!(seen.recv().await, Some(Seen::Chunk(Ok(_)))));
        peer.send(rst_stream(1, code::CANCEL)).await;
        let Some(Seen::Chunk(Err(status))) = seen.recv().await else { panic!("a clean end") };
        assert_eq!(status.code(), Code::Aborted, "{status:?}");
    });
}

/// "For servers open calls will be closed with a CANCELLED status". tonic treats that as the end of a request, so the
/// code is a different one here.
#[test]
fn a_request_whose_connection_breaks_has_failed() {
    server(async |mut peer, mut seen| {
        peer.send_all(&[headers(1, &call(UPLOAD)), data(1, message(b"x"))]).await;
        assert!(matches!(seen.recv().await, Some(Seen::Call(_))));
        assert!(matches!(seen.recv().await, Some(Seen::Chunk(Ok(_)))));
        drop(peer);
        let Some(Seen::Chunk(Err(status))) = seen.recv().await else { panic!("a clean end") };
        assert_eq!(status.code(), Code::Unavailable, "{status:?}");
    });
}
