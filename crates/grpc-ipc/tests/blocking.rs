//! Blocking clients: calls of all kinds, deadlines, cancellation, and calls from many threads.

use std::pin::Pin;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use futures_util::{Stream, StreamExt as _, stream};
use grpc_ipc::blocking::{Cancellation, Channel, Messages, messages};
use grpc_ipc::memory::Network;
use grpc_ipc::{AccessPolicy, ConnectError, Server, ServerHandle};
use grpc_ipc_conformance::{LIMIT, Watchdog};
use grpc_ipc_proto::bench::bench_blocking_client::BenchBlockingClient;
use grpc_ipc_proto::bench::bench_server::{Bench, BenchServer};
use grpc_ipc_proto::bench::{Chunk, Total, Transfer};
use tokio::sync::Notify;
use tonic::metadata::MetadataMap;
use tonic::{Code, Request, Response, Status, Streaming};

const DRAIN: Duration = Duration::from_secs(20);

/// Never answers an empty echo.
#[derive(Clone, Default)]
struct Service {
    called: Arc<Notify>,
    cancelled: Arc<Notify>,
}

struct Dropped(Arc<Notify>);

impl Drop for Dropped {
    fn drop(&mut self) {
        self.0.notify_one();
    }
}

#[tonic::async_trait]
impl Bench for Service {
    type DownloadStream = Pin<Box<dyn Stream<Item = Result<Chunk, Status>> + Send>>;
    type ExchangeStream = Pin<Box<dyn Stream<Item = Result<Chunk, Status>> + Send>>;

    async fn echo(&self, request: Request<Chunk>) -> Result<Response<Chunk>, Status> {
        if request.get_ref().payload.is_empty() {
            let _dropped = Dropped(Arc::clone(&self.cancelled));
            self.called.notify_one();
            std::future::pending::<()>().await;
        }
        let (metadata, _, chunk) = request.into_parts();
        let mut response = Response::new(chunk);
        if let Some(value) = metadata.get("x-said") {
            response.metadata_mut().insert("x-said", value.clone());
        }
        Ok(response)
    }

    /// After `count` chunks, it continues without an end, or fails if `size` is 0.
    async fn download(&self, request: Request<Transfer>) -> Result<Response<Self::DownloadStream>, Status> {
        let Transfer { count, size } = request.into_inner();
        let chunk = move |_| Ok(Chunk { payload: vec![7; size as usize].into() });
        let chunks = stream::iter(0..count).map(chunk);
        let dropped = Dropped(Arc::clone(&self.cancelled));
        Ok(Response::new(match size {
            0 => chunks.chain(stream::iter([Err(Status::data_loss("no more"))])).boxed(),
            1 => chunks.chain(stream::pending()).inspect(move |_| _ = &dropped).boxed(),
            _ => chunks.boxed(),
        }))
    }

    async fn upload(&self, request: Request<Streaming<Chunk>>) -> Result<Response<Total>, Status> {
        let mut chunks = request.into_inner();
        let mut total = Total::default();
        while let Some(chunk) = chunks.message().await? {
            total.count += 1;
            total.bytes += chunk.payload.len() as u64;
        }
        Ok(Response::new(total))
    }

    async fn exchange(
        &self,
        request: Request<Streaming<Chunk>>,
    ) -> Result<Response<Self::ExchangeStream>, Status> {
        Ok(Response::new(request.into_inner().boxed()))
    }
}

fn scene(test: &str) -> (Watchdog, Service, ServerHandle, BenchBlockingClient) {
    let (watchdog, network, service) = (Watchdog::start(test, LIMIT), Network::new(), Service::default());
    let listener = network.listen("bench", AccessPolicy::default()).unwrap();
    let server = Server::builder().add_service(BenchServer::new(service.clone())).listener(listener);
    let server = server.spawn().unwrap();
    let connector = network.connector("bench", AccessPolicy::default());
    let channel = Channel::from_channel(grpc_ipc::Channel::from_connector(connector));
    (watchdog, service, server, BenchBlockingClient::new(channel))
}

fn chunk(payload: &'static str) -> Chunk {
    Chunk { payload: payload.into() }
}

#[test]
fn calls_of_all_kinds() {
    let (_watchdog, _, server, mut client) = scene("calls_of_all_kinds");
    let mut request = Request::new(chunk("hello"));
    request.metadata_mut().insert("x-said", "this".parse().unwrap());
    let reply = client.echo(request).unwrap();
    assert_eq!(
        (reply.metadata().get("x-said").unwrap(), &reply.get_ref().payload[..]),
        (&"this".parse().unwrap(), &b"hello"[..])
    );

    let mut chunks = client.download(Transfer { count: 100, size: 1_000 }).unwrap().into_inner();
    assert_eq!(chunks.by_ref().map(|chunk| chunk.unwrap().payload.len()).sum::<usize>(), 100_000);
    assert!(chunks.next().is_none() && chunks.trailers().is_some());
    let mut failing = client.download(Transfer { count: 2, size: 0 }).unwrap().into_inner();
    assert!(failing.next().unwrap().is_ok() && failing.next().unwrap().is_ok());
    assert_eq!(failing.next().unwrap().unwrap_err().code(), Code::DataLoss);
    assert!(failing.next().is_none());

    let total = client.upload((0..1_000).map(|_| chunk("0123456789"))).unwrap().into_inner();
    assert_eq!((total.count, total.bytes), (1_000, 10_000));
    assert_eq!(client.upload([]).unwrap().into_inner().count, 0);

    let (sender, requests) = messages(1);
    let mut replies = client.exchange(requests.metadata(MetadataMap::new())).unwrap().into_inner();
    for said in ["one", "two", "three"] {
        sender.send(chunk(said)).unwrap();
        assert_eq!(replies.next().unwrap().unwrap().payload, said);
    }
    drop(sender);
    assert!(replies.next().is_none());
    let echoed = client.exchange(vec![chunk("a"), chunk("b")]).unwrap().into_inner();
    assert_eq!(echoed.map(|chunk| chunk.unwrap().payload).collect::<Vec<_>>(), ["a", "b"]);
    server.shutdown(DRAIN).unwrap();
}

#[test]
fn many_threads_call_at_the_same_time() {
    let (_watchdog, _, server, client) = scene("many_threads_call_at_the_same_time");
    thread::scope(|scope| {
        for thread in 0..8_u32 {
            let mut client = client.clone();
            scope.spawn(move || {
                for call in 0..100 {
                    let payload = format!("{thread} {call}");
                    let reply = client.echo(Chunk { payload: payload.clone().into() }).unwrap();
                    assert_eq!(reply.into_inner().payload, payload);
                }
            });
        }
    });
    assert_eq!(server.stats().accepted_connections(), 1);
    server.shutdown(DRAIN).unwrap();
}

#[test]
fn a_deadline_ends_a_call() {
    let (_watchdog, _, server, mut client) = scene("a_deadline_ends_a_call");
    let mut request = Request::new(Chunk::default());
    request.set_timeout(Duration::from_millis(20));
    assert_eq!(client.echo(request).unwrap_err().code(), Code::DeadlineExceeded);
    // A stream that does not end, and one that is sent.
    let mut request = Request::new(Transfer { count: 1, size: 1 });
    request.set_timeout(Duration::from_millis(50));
    let mut chunks = client.download(request).unwrap().into_inner();
    assert!(chunks.next().unwrap().is_ok());
    assert_eq!(chunks.next().unwrap().unwrap_err().code(), Code::DeadlineExceeded);
    let (sender, requests) = messages(1);
    let status = client.upload(requests.timeout(Duration::from_millis(20))).unwrap_err();
    assert_eq!(status.code(), Code::DeadlineExceeded);
    while sender.send(chunk("late")).is_ok() {}
    server.shutdown(DRAIN).unwrap();
}

#[test]
fn another_thread_cancels_a_call() {
    let (_watchdog, service, server, mut client) = scene("another_thread_cancels_a_call");
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let cancellation = Cancellation::new();
    let mut request = Request::new(Chunk::default());
    cancellation.apply_to(&mut request);
    let called = Arc::clone(&service.called);
    let canceller = cancellation.clone();
    let cancelling = thread::spawn(move || {
        runtime.block_on(called.notified());
        canceller.cancel();
        runtime
    });
    assert_eq!(client.echo(request).unwrap_err().code(), Code::Cancelled);
    let runtime = cancelling.join().unwrap();
    runtime.block_on(service.cancelled.notified());
    // A later call with it ends at once.
    let requests = Messages::from([chunk("never")]).cancellation(&cancellation);
    assert_eq!(client.upload(requests).unwrap_err().code(), Code::Cancelled);

    // A stream of responses, while a thread waits for it.
    let cancellation = Cancellation::new();
    let mut request = Request::new(Transfer { count: 1, size: 1 });
    cancellation.apply_to(&mut request);
    let mut chunks = client.download(request).unwrap().into_inner();
    assert!(chunks.next().unwrap().is_ok());
    let cancelling = thread::spawn(move || cancellation.cancel());
    assert_eq!(chunks.next().unwrap().unwrap_err().code(), Code::Cancelled);
    cancelling.join().unwrap();
    runtime.block_on(service.cancelled.notified());

    // A stream that is dropped.
    let mut chunks = client.download(Transfer { count: 1, size: 1 }).unwrap().into_inner();
    assert!(chunks.next().unwrap().is_ok());
    drop(chunks);
    runtime.block_on(service.cancelled.notified());
    server.shutdown(DRAIN).unwrap();
}

#[test]
fn a_server_that_ends_is_heard_of_without_a_call() {
    let (_watchdog, _, server, mut client) = scene("a_server_that_ends_is_heard_of_without_a_call");
    client.echo(chunk("hello")).unwrap();
    // It would wait for a client that nothing drives, and end it after a second.
    let stats = server.stats();
    server.shutdown(DRAIN).unwrap();
    assert_eq!(stats.open_connections(), 0);
    assert_eq!(client.echo(chunk("hello")).unwrap_err().code(), Code::Unavailable);
}

#[test]
fn inside_of_an_asynchronous_task_it_says_what_to_do() {
    let (_watchdog, _, server, client) = scene("inside_of_an_asynchronous_task_it_says_what_to_do");
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let mut inside = client.clone();
    let status = runtime.block_on(async { inside.echo(chunk("hello")) }).unwrap_err();
    assert_eq!(status.code(), Code::FailedPrecondition);
    assert!(status.message().contains("spawn_blocking"), "{status:?}");
    let error = runtime.block_on(async { Channel::connect("http://127.0.0.1:1") }).unwrap_err();
    assert!(matches!(error, ConnectError::Unsupported { .. }), "{error:?}");

    // There, and where a runtime is only the context, blocking is possible.
    let mut beside = client.clone();
    runtime.block_on(runtime.spawn_blocking(move || beside.echo(chunk("hello")))).unwrap().unwrap();
    let _context = runtime.enter();
    client.clone().echo(chunk("hello")).unwrap();
    server.shutdown(DRAIN).unwrap();
}

#[test]
fn connecting_blocks_until_there_is_a_connection() {
    let _watchdog = Watchdog::start("connecting_blocks_until_there_is_a_connection", LIMIT);
    let server =
        Server::builder().add_service(BenchServer::new(Service::default())).listen("http://127.0.0.1:0");
    let server = server.spawn().unwrap();
    let mut client = BenchBlockingClient::connect(&server.local_addresses()[0]).unwrap();
    assert_eq!(client.echo(chunk("hello")).unwrap().into_inner().payload, "hello");
    let address = server.local_addresses()[0].clone();
    server.shutdown(DRAIN).unwrap();
    let error = Channel::connect(&address).unwrap_err();
    assert!(matches!(error, ConnectError::Refused { .. }), "{error:?}");
    let mut lazy = BenchBlockingClient::new(Channel::lazy(&address).unwrap());
    assert_eq!(lazy.echo(chunk("hello")).unwrap_err().code(), Code::Unavailable);
}
