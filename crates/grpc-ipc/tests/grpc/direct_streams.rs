//! Direct calls with streams that are refused, not answered, or late.

use std::time::Duration;

use futures_util::stream::{self, Stream, StreamExt as _};
use grpc_ipc::{Channel, StatusExt as _};
use grpc_ipc_proto::bench::bench_client::BenchClient;
use grpc_ipc_proto::bench::{Chunk, Transfer};
use tonic::{Code, Request, Status};

use crate::util::frame::{Frame, code, data, flag, headers, kind, rst_stream};
use crate::util::raw::RawPeer;
use crate::util::{EXCHANGE, OK, STATUS_OK, and, call as call_of, chunk, client, connected, message, server};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Download,
    Upload,
    Exchange,
}

const KINDS: [Kind; 3] = [Kind::Download, Kind::Upload, Kind::Exchange];

/// Fields of every request.
const FIELDS: (&str, &str) = ("trailers", "application/grpc");

/// Makes a call, and returns the number of messages in the answer.
async fn call(
    mut client: BenchClient<Channel>,
    kind: Kind,
    chunks: impl Stream<Item = Chunk> + Send + 'static,
    timeout: Option<Duration>,
) -> Result<usize, Status> {
    fn with<T>(timeout: Option<Duration>, message: T) -> Request<T> {
        let mut request = Request::new(message);
        timeout.into_iter().for_each(|timeout| request.set_timeout(timeout));
        request
    }
    let answer = match kind {
        Kind::Upload => return client.upload(with(timeout, chunks)).await.map(|_| 1),
        Kind::Download => client.download(with(timeout, Transfer { count: 1, size: 1 })).await?,
        Kind::Exchange => client.exchange(with(timeout, chunks)).await?,
    };
    let messages: Vec<_> = answer.into_inner().collect().await;
    messages.into_iter().collect::<Result<Vec<_>, _>>().map(|messages| messages.len())
}

/// Answers the call on a stream with one message, which is valid for every type.
async fn answer(peer: &mut RawPeer, stream: u32) {
    let end = headers(stream, &STATUS_OK).end_stream();
    peer.send_all(&[headers(stream, &OK), data(stream, [0; 5]), end]).await;
}

/// Parses a `grpc-timeout` in microseconds.
fn microseconds(timeout: &str) -> u64 {
    timeout.strip_suffix('u').unwrap().parse().unwrap()
}

#[test]
fn a_refused_call_is_made_again_with_all_its_messages() {
    for kind in KINDS {
        client(async |mut peers, client| {
            let mut peer = connected(&mut peers, &client).await;
            let chunks = stream::iter([chunk("one"), chunk("two")]);
            let call = tokio::spawn(call(client, kind, chunks, Some(Duration::from_secs(60))));
            let (mut sent, mut timeouts) = (Vec::new(), Vec::new());
            for stream in [3, 5] {
                let request = peer.expect_message(stream).await;
                assert_eq!((request.field("te"), request.field("content-type")), FIELDS);
                timeouts.push(microseconds(request.field("grpc-timeout")));
                sent.push(request.body);
                if stream == 3 {
                    peer.send(rst_stream(3, code::REFUSED_STREAM)).await;
                }
            }
            assert_eq!(sent[0], sent[1]);
            // The deadline stays the same.
            assert!(timeouts[1] < timeouts[0], "{timeouts:?}");
            answer(&mut peer, 5).await;
            assert_eq!(call.await.unwrap().unwrap(), 1, "{kind:?}");
            assert_eq!(peers.channel.general_calls(), 2);
        });
    }
}

/// Later messages cannot be taken a second time.
#[test]
fn a_refused_call_whose_messages_go_on_is_unavailable() {
    for kind in [Kind::Upload, Kind::Exchange] {
        client(async |mut peers, client| {
            let mut peer = connected(&mut peers, &client).await;
            let chunks = stream::iter([chunk("one")]).chain(stream::pending());
            let call = tokio::spawn(call(client, kind, chunks, None));
            assert_eq!(peer.expect_on(3).await.kind, kind::HEADERS);
            peer.send(rst_stream(3, code::REFUSED_STREAM)).await;
            assert_eq!(call.await.unwrap().unwrap_err().code(), Code::Unavailable, "{kind:?}");
            assert_eq!(peers.channel.general_calls(), 1);
        });
    }
}

/// The server need not know the deadline.
#[test]
fn a_call_that_is_not_answered_ends_at_its_deadline() {
    for kind in KINDS {
        client(async |mut peers, client| {
            let mut peer = connected(&mut peers, &client).await;
            let chunks = stream::iter([chunk("one")]).chain(stream::pending());
            let timeout = Some(Duration::from_millis(20));
            let call = tokio::spawn(call(client, kind, chunks, timeout));
            let is_reset = |frame: &Frame| frame.kind == kind::RST_STREAM;
            let reset = peer.expect("a reset", is_reset).await;
            assert_eq!((reset.stream, reset.u32(0)), (3, code::CANCEL));
            assert_eq!(call.await.unwrap().unwrap_err().code(), Code::DeadlineExceeded, "{kind:?}");
            assert_eq!(peers.channel.general_calls(), 1);
        });
    }
}

#[test]
fn a_call_whose_deadline_has_passed_is_not_sent() {
    for kind in KINDS {
        client(async |mut peers, client| {
            let mut peer = connected(&mut peers, &client).await;
            let late = call(client.clone(), kind, stream::iter([chunk("one")]), Some(Duration::ZERO)).await;
            let status = late.unwrap_err();
            assert_eq!(status.code(), Code::DeadlineExceeded, "{kind:?}");
            assert!(!status.may_have_been_processed(), "{kind:?}");
            let next = tokio::spawn(call(client, kind, stream::iter([chunk("one")]), None));
            peer.expect_message(3).await;
            answer(&mut peer, 3).await;
            assert_eq!(next.await.unwrap().unwrap(), 1, "{kind:?}");
            assert_eq!(peers.channel.general_calls(), 1);
        });
    }
}

/// It waits for its connection, and so takes the general path.
#[test]
fn the_first_call_of_a_channel_has_the_fields_of_grpc() {
    for kind in KINDS {
        client(async |mut peers, client| {
            let call = tokio::spawn(call(client, kind, stream::iter([chunk("one")]), None));
            let mut peer = peers.next().await;
            let request = peer.expect_message(1).await;
            assert_eq!((request.field("te"), request.field("content-type")), FIELDS);
            answer(&mut peer, 1).await;
            assert_eq!(call.await.unwrap().unwrap(), 1, "{kind:?}");
        });
    }
}

#[test]
fn the_answer_to_an_upload_may_not_be_larger_than_the_limit() {
    client(async |mut peers, client| {
        let mut peer = connected(&mut peers, &client).await;
        let mut client = client.max_decoding_message_size(5);
        let call = tokio::spawn(async move { client.upload(stream::iter([chunk("one")])).await });
        assert_eq!(peer.expect_on(3).await.kind, kind::HEADERS);
        let end = headers(3, &STATUS_OK).end_stream();
        peer.send_all(&[headers(3, &OK), data(3, [0, 0, 0, 0, 6, 0x08, 0xff, 0xff, 0xff, 0xff, 0x01]), end])
            .await;
        assert_eq!(call.await.unwrap().unwrap_err().code(), Code::ResourceExhausted);
        assert_eq!(peers.channel.general_calls(), 1);
    });
}

/// Its messages have begun, and wait for more.
#[test]
fn a_stream_of_responses_ends_with_the_status_of_its_deadline() {
    server(async |mut peer, _| {
        let head = headers(1, &and(&call_of(EXCHANGE), &[("grpc-timeout", "20m")]));
        peer.send_all(&[head, data(1, message(b"x"))]).await;
        let end = peer.expect("the end", |frame| frame.has(flag::END_STREAM)).await;
        assert!(end.fields.contains(&("grpc-status".into(), "4".into())), "{end:?}");
    });
}
