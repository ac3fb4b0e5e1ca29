//! Direct calls with streams that do not end normally.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use futures_util::stream::{self, Stream, StreamExt as _};
use futures_util::{FutureExt as _, poll};
use grpc_ipc_conformance::run;
use grpc_ipc_proto::bench::bench_client::BenchClient;
use grpc_ipc_proto::bench::bench_server::{Bench, BenchServer};
use grpc_ipc_proto::bench::{Chunk, Total, Transfer};
use tokio::sync::Notify;
use tonic::{Code, Request, Response, Status, Streaming};

use crate::util::{Says, Scene};

/// The events of a handler and of the streams.
#[derive(Clone, Default)]
struct Seen {
    /// The handler has received or produced a message.
    begun: Arc<Notify>,
    /// The handler, or its stream, was dropped.
    handler_dropped: Arc<Notify>,
    /// The stream of requests was dropped.
    requests_dropped: Arc<Notify>,
    /// How many messages an endless stream has produced.
    made: Arc<AtomicUsize>,
}

struct WhenDropped(Arc<Notify>);

impl Drop for WhenDropped {
    fn drop(&mut self) {
        self.0.notify_one();
    }
}

/// Produces one message, or as many as requested, and never ends.
struct Waits(Seen);

fn chunk() -> Chunk {
    Chunk { payload: vec![1; 1000].into() }
}

/// One message and no end. Holds `held` until it is dropped.
fn one_and_no_end<T: Send + 'static>(item: T, held: WhenDropped) -> Pin<Box<dyn Stream<Item = T> + Send>> {
    let all = stream::iter([item]).chain(stream::pending());
    Box::pin(all.inspect(move |_| _ = &held))
}

type Chunks = Pin<Box<dyn Stream<Item = Result<Chunk, Status>> + Send>>;

#[tonic::async_trait]
impl Bench for Waits {
    async fn echo(&self, request: Request<Chunk>) -> Result<Response<Chunk>, Status> {
        Ok(Response::new(request.into_inner()))
    }

    type DownloadStream = Chunks;

    /// Endless unless `count` is 1.
    async fn download(&self, request: Request<Transfer>) -> Result<Response<Chunks>, Status> {
        if request.get_ref().count == 1 {
            let held = WhenDropped(Arc::clone(&self.0.handler_dropped));
            return Ok(Response::new(one_and_no_end(Ok(chunk()), held)));
        }
        let made = Arc::clone(&self.0.made);
        let endless = stream::repeat_with(move || {
            made.fetch_add(1, Ordering::Relaxed);
            Ok(chunk())
        });
        Ok(Response::new(Box::pin(endless)))
    }

    /// Waits for all messages.
    async fn upload(&self, request: Request<Streaming<Chunk>>) -> Result<Response<Total>, Status> {
        let _held = WhenDropped(Arc::clone(&self.0.handler_dropped));
        let mut chunks = request.into_inner();
        let mut total = Total::default();
        while chunks.message().await?.is_some() {
            self.0.begun.notify_one();
            total.count += 1;
        }
        Ok(Response::new(total))
    }

    type ExchangeStream = Chunks;

    /// Refuses the call once it has begun.
    async fn exchange(&self, request: Request<Streaming<Chunk>>) -> Result<Response<Chunks>, Status> {
        request.into_inner().message().await?;
        Err(Status::resource_exhausted("enough"))
    }
}

async fn scene() -> (Scene, BenchClient<grpc_ipc::Channel>, Seen) {
    let seen = Seen::default();
    let waits = BenchServer::new(Waits(seen.clone()));
    let scene = Scene::new(|server| server.add_service(Says::hello().server()).add_service(waits)).await;
    let client = BenchClient::new(scene.channel.clone());
    (scene, client, seen)
}

fn requests(seen: &Seen) -> impl Stream<Item = Chunk> + Send + 'static {
    one_and_no_end(chunk(), WhenDropped(Arc::clone(&seen.requests_dropped)))
}

const SOON: Duration = Duration::from_millis(20);

fn late<T>(message: T) -> Request<T> {
    let mut request = Request::new(message);
    request.set_timeout(SOON);
    request
}

const ONE: Transfer = Transfer { count: 1, size: 0 };

#[test]
fn a_stream_of_responses_ends_at_the_deadline() {
    run("a_stream_of_responses_ends_at_the_deadline", || async {
        let (scene, mut client, seen) = scene().await;
        // The first message may be late as well.
        let status = match client.download(late(ONE)).await {
            Err(status) => status,
            Ok(response) => {
                let mut chunks = response.into_inner();
                loop {
                    match chunks.message().await {
                        Ok(chunk) => assert!(chunk.is_some(), "the stream has ended"),
                        Err(status) => break status,
                    }
                }
            }
        };
        assert_eq!(status.code(), Code::DeadlineExceeded, "{status:?}");
        seen.handler_dropped.notified().await;
        assert_eq!(scene.general(), (0, 0));
    });
}

#[test]
fn a_stream_of_requests_ends_at_the_deadline() {
    run("a_stream_of_requests_ends_at_the_deadline", || async {
        let (scene, mut client, seen) = scene().await;
        let status = client.upload(late(requests(&seen))).await.unwrap_err();
        assert_eq!(status.code(), Code::DeadlineExceeded, "{status:?}");
        seen.handler_dropped.notified().await;
        seen.requests_dropped.notified().await;
        assert_eq!(scene.general(), (0, 0));
    });
}

#[test]
fn a_stream_of_responses_that_is_dropped_is_cancelled() {
    run("a_stream_of_responses_that_is_dropped_is_cancelled", || async {
        let (scene, mut client, seen) = scene().await;
        let mut chunks = client.download(ONE).await.unwrap().into_inner();
        assert_eq!(chunks.message().await.unwrap(), Some(chunk()));
        assert!(chunks.message().now_or_never().is_none());
        assert!(seen.handler_dropped.notified().now_or_never().is_none());
        drop(chunks);
        seen.handler_dropped.notified().await;
        assert_eq!(scene.general(), (0, 0));
    });
}

#[test]
fn an_upload_that_is_dropped_is_cancelled() {
    run("an_upload_that_is_dropped_is_cancelled", || async {
        let (scene, mut client, seen) = scene().await;
        {
            let mut call = Box::pin(client.upload(requests(&seen)));
            assert!(poll!(&mut call).is_pending());
            seen.begun.notified().await;
            assert!(seen.handler_dropped.notified().now_or_never().is_none());
            assert!(seen.requests_dropped.notified().now_or_never().is_none());
        }
        seen.handler_dropped.notified().await;
        seen.requests_dropped.notified().await;
        assert_eq!(scene.general(), (0, 0));
    });
}

#[test]
fn requests_are_not_taken_after_an_early_answer() {
    run("requests_are_not_taken_after_an_early_answer", || async {
        let (scene, mut client, seen) = scene().await;
        let status = client.exchange(requests(&seen)).await.map(drop).unwrap_err();
        assert_eq!((status.code(), status.message()), (Code::ResourceExhausted, "enough"));
        seen.requests_dropped.notified().await;
        assert_eq!(scene.general(), (0, 0));
    });
}

/// Unread responses delay neither the server nor the client's other calls, and take a limited amount of memory.
#[test]
fn an_endless_stream_waits_for_its_reader() {
    run("an_endless_stream_waits_for_its_reader", || async {
        let (scene, mut client, seen) = scene().await;
        let mut chunks = client.download(Transfer { count: 0, size: 0 }).await.unwrap().into_inner();
        for _ in 0..100 {
            assert_eq!(chunks.message().await.unwrap(), Some(chunk()));
            assert_eq!(client.echo(chunk()).await.unwrap().into_inner(), chunk());
        }
        let most = 100 + (16 << 20) / 1000;
        let made = seen.made.load(Ordering::Relaxed);
        assert!(made <= most, "{made} messages for 100 that were read");
        assert_eq!(scene.general(), (0, 0));
    });
}
