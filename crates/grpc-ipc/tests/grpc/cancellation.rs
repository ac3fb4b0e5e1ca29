//! "Client cancellation is performed by the client sending RST_STREAM with CANCEL error code", in every phase of a call.

use futures_util::stream;
use grpc_ipc_proto::bench::bench_client::BenchClient;
use tokio::sync::mpsc::unbounded_channel;

use crate::util::frame::{code, data, flag, headers, kind};
use crate::util::{OK, STATUS_OK, chunk, client, connected, message};

/// The last thing that happens before the call is dropped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Phase {
    Begun,
    MessageSent,
    HalfClosed,
    Answered,
    MessageReceived,
    /// The next message has begun.
    HalfReceived,
}

const PHASES: [Phase; 6] = [
    Phase::Begun,
    Phase::MessageSent,
    Phase::HalfClosed,
    Phase::Answered,
    Phase::MessageReceived,
    Phase::HalfReceived,
];

#[test]
fn a_stream_that_is_dropped_is_cancelled_in_every_phase() {
    // The first call of a connection takes the general path, and the second is direct.
    for (phase, is_direct) in PHASES.into_iter().flat_map(|phase| [(phase, false), (phase, true)]) {
        client(async |mut peers, bench| {
            let mut peer = None;
            if is_direct {
                peer = Some(connected(&mut peers, &bench).await);
            }
            let (sender, mut chunks) = unbounded_channel();
            let mut caller = bench.clone();
            let requests = stream::poll_fn(move |cx| chunks.poll_recv(cx));
            let call = tokio::spawn(async move { caller.exchange(requests).await });
            let (mut peer, stream) = match peer {
                Some(peer) => (peer, 3),
                None => (peers.next().await, 1),
            };
            assert_eq!(peer.expect_on(stream).await.kind, kind::HEADERS);
            if phase >= Phase::MessageSent {
                sender.send(chunk("one")).unwrap();
                assert_eq!(peer.expect_on(stream).await.payload, message(b"one"));
            }
            let sender = Some(sender).filter(|_| phase < Phase::HalfClosed);
            if phase >= Phase::HalfClosed {
                assert!(peer.expect_on(stream).await.has(flag::END_STREAM));
            }
            if phase < Phase::Answered {
                call.abort();
            } else {
                peer.send(headers(stream, &OK)).await;
                let mut answers = call.await.unwrap().unwrap().into_inner();
                if phase >= Phase::MessageReceived {
                    peer.send(data(stream, message(b"two"))).await;
                    assert_eq!(answers.message().await.unwrap().unwrap().payload, "two");
                }
                if phase >= Phase::HalfReceived {
                    peer.send(data(stream, &message(b"three")[..7])).await;
                    peer.still_answers().await;
                }
            }
            peer.expect_reset(stream, code::CANCEL).await;
            drop(sender);

            // The connection stays open.
            let mut bench = BenchClient::new(peers.channel.clone());
            let call = tokio::spawn(async move { bench.echo(chunk("x")).await });
            let next = stream + 2;
            peer.expect_message(next).await;
            let end = headers(next, &STATUS_OK).end_stream();
            peer.send_all(&[headers(next, &OK), data(next, message(b"x")), end]).await;
            assert_eq!(call.await.unwrap().unwrap().into_inner().payload, "x", "{phase:?}");
            assert_eq!(peers.channel.general_calls(), 1, "{phase:?}");
        });
    }
}
