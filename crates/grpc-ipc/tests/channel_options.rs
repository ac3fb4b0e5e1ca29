//! Options that apply to all calls of a channel, and the end of a channel. Each is tested on the general path and
//! directly.

mod util;

use std::panic::Location;
use std::pin::pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::{StreamExt as _, poll, stream};
use grpc_ipc::memory::Network;
use grpc_ipc::{
    AccessPolicy, Channel, ConnectError, ConnectOptions, ConnectivityState, RequestExt as _, Server,
    StatusExt as _,
};
use grpc_ipc_conformance::{LIMIT, Watchdog};
use grpc_ipc_proto::bench::bench_client::BenchClient;
use grpc_ipc_proto::bench::bench_server::{Bench, BenchServer};
use grpc_ipc_proto::bench::{Chunk, Total, Transfer};
use tokio::sync::Notify;
use tokio::task::JoinSet;
use tokio::time::Instant;
use tonic::{Code, Request, Response, Status, Streaming};
use tower::ServiceBuilder;
use util::{DRAIN, Running};

const SECOND: Duration = Duration::from_secs(1);

/// Runs with a clock that advances when no task can run.
#[track_caller]
fn run<F: Future<Output = ()>>(test: impl FnOnce() -> F) {
    let _watchdog = Watchdog::start(&Location::caller().to_string(), LIMIT);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build();
    runtime.unwrap().block_on(test());
}

/// `Echo` answers an empty chunk at once, and any other chunk when told to.
#[derive(Clone, Default)]
struct MyBench {
    running: Arc<AtomicUsize>,
    go_on: Arc<Notify>,
    /// The `grpc-timeout` of the last call.
    timeout: Arc<Mutex<Option<String>>>,
}

#[tonic::async_trait]
impl Bench for MyBench {
    async fn echo(&self, request: Request<Chunk>) -> Result<Response<Chunk>, Status> {
        let timeout =
            request.metadata().get("grpc-timeout").map(|timeout| timeout.to_str().unwrap().to_owned());
        *self.timeout.lock().unwrap() = timeout;
        if !request.get_ref().payload.is_empty() {
            self.running.fetch_add(1, Ordering::Relaxed);
            self.go_on.notified().await;
            self.running.fetch_sub(1, Ordering::Relaxed);
        }
        Ok(Response::new(request.into_inner()))
    }

    type DownloadStream = stream::BoxStream<'static, Result<Chunk, Status>>;

    async fn download(&self, _: Request<Transfer>) -> Result<Response<Self::DownloadStream>, Status> {
        Ok(Response::new(stream::iter([Ok(Chunk::default())]).chain(stream::pending()).boxed()))
    }

    async fn upload(&self, request: Request<Streaming<Chunk>>) -> Result<Response<Total>, Status> {
        let count = request.into_inner().count().await as u64;
        Ok(Response::new(Total { count, bytes: 0 }))
    }

    type ExchangeStream = stream::BoxStream<'static, Result<Chunk, Status>>;

    async fn exchange(
        &self,
        request: Request<Streaming<Chunk>>,
    ) -> Result<Response<Self::ExchangeStream>, Status> {
        Ok(Response::new(request.into_inner().boxed()))
    }
}

async fn serve(network: &Network, bench: &MyBench) -> Running {
    let listener = network.listen("server", AccessPolicy::default()).unwrap();
    let server = Server::builder().add_service(BenchServer::new(bench.clone())).listener(listener);
    Running::start(server.bind().await.unwrap(), DRAIN)
}

fn options(network: &Network) -> ConnectOptions {
    ConnectOptions::from_connector(network.connector("server", AccessPolicy::default()))
}

fn slow() -> Request<Chunk> {
    Request::new(Chunk { payload: "slow".into() })
}

#[test]
fn calls_without_a_deadline_get_one() {
    run(|| async {
        let (network, bench) = (Network::new(), MyBench::default());
        let _running = serve(&network, &bench).await;
        let channel = Channel::lazy(options(&network).timeout(3 * SECOND)).unwrap();
        let mut client = BenchClient::new(channel.clone());
        for _ in 0..3 {
            let start = Instant::now();
            let status = client.echo(slow()).await.unwrap_err();
            assert_eq!(status.code(), Code::DeadlineExceeded, "{status:?}");
            assert!((3 * SECOND..4 * SECOND).contains(&start.elapsed()), "{:?}", start.elapsed());
            assert!(bench.timeout.lock().unwrap().is_some(), "the server knows it");
        }
        let start = Instant::now();
        let mut chunks = client.download(Transfer::default()).await.unwrap().into_inner();
        chunks.message().await.unwrap().unwrap();
        assert_eq!(chunks.message().await.unwrap_err().code(), Code::DeadlineExceeded);
        let uploaded = client.upload(stream::pending()).await;
        assert_eq!(uploaded.unwrap_err().code(), Code::DeadlineExceeded);
        assert!((6 * SECOND..8 * SECOND).contains(&start.elapsed()), "{:?}", start.elapsed());
        assert_eq!(channel.general_calls(), 1);

        // The call's own deadline takes precedence.
        let start = Instant::now();
        let mut request = slow();
        request.set_timeout(5 * SECOND);
        client.echo(request).await.unwrap_err();
        assert!((5 * SECOND..6 * SECOND).contains(&start.elapsed()), "{:?}", start.elapsed());
        // Any duration can be sent.
        let patient = Channel::lazy(options(&network).timeout(Duration::MAX)).unwrap();
        BenchClient::new(patient).echo(Chunk::default()).await.unwrap();
    });
}

#[test]
fn calls_name_the_program_and_the_origin() {
    run(|| async {
        let (network, seen) = (Network::new(), Arc::new(Mutex::new(Vec::new())));
        let listener = network.listen("server", AccessPolicy::default()).unwrap();
        let tell = Arc::clone(&seen);
        let look = ServiceBuilder::new().map_request(move |request: http::Request<_>| {
            let agent = request.headers()["user-agent"].to_str().unwrap().to_owned();
            tell.lock().unwrap().push((agent, request.uri().authority().unwrap().to_string()));
            request
        });
        let server = Server::builder().layer(look).add_service(BenchServer::new(MyBench::default()));
        let _running = Running::start(server.listener(listener).bind().await.unwrap(), DRAIN);
        let expect = async |options: ConnectOptions, agent: &str, authority: &str| {
            let channel = Channel::lazy(options).unwrap();
            let mut client = BenchClient::new(channel.clone());
            for with_metadata in [false, false, false, true, true, true] {
                let mut request = Request::new(Chunk::default());
                if with_metadata {
                    request.metadata_mut().insert("x-id", "1".parse().unwrap());
                }
                client.echo(request).await.unwrap();
            }
            client.upload(stream::iter([Chunk::default()])).await.unwrap();
            assert_eq!(channel.general_calls(), 1);
            let seen = std::mem::take(&mut *seen.lock().unwrap());
            assert_eq!(seen, vec![(agent.to_owned(), authority.to_owned()); 7]);
        };
        let own = format!("grpc-rust-ipc/{}", env!("CARGO_PKG_VERSION"));
        expect(options(&network), &own, "localhost").await;
        let named = options(&network).user_agent("my-app/1.2").origin("http://greeter:80/x".parse().unwrap());
        expect(named, &format!("my-app/1.2 {own}"), "greeter:80").await;

        for wrong in [options(&network).user_agent("a\nb"), options(&network).origin("/x".parse().unwrap())] {
            let error = Channel::lazy(wrong).unwrap_err();
            assert!(matches!(error, ConnectError::InvalidOption { .. }), "{error:?}");
        }
    });
}

#[test]
fn so_many_calls_are_under_way_and_no_more() {
    run(|| async {
        let (network, bench) = (Network::new(), MyBench::default());
        let _running = serve(&network, &bench).await;
        let channel = Channel::lazy(options(&network).concurrency_limit(2)).unwrap();
        let client = BenchClient::new(channel.clone());
        client.clone().echo(Chunk::default()).await.unwrap();
        let mut calls = JoinSet::new();
        for _ in 0..7 {
            let mut client = client.clone();
            calls.spawn(async move { client.echo(slow()).await });
        }
        for ended in 0..7 {
            tokio::time::sleep(SECOND).await;
            assert_eq!(bench.running.load(Ordering::Relaxed), 2.min(7 - ended));
            bench.go_on.notify_one();
            calls.join_next().await.unwrap().unwrap().unwrap();
        }
        // These two calls were direct, unlike the others.
        assert_eq!(channel.general_calls(), 1 + 5);

        // A stream of responses counts until it is dropped or ends.
        let mut other = client.clone();
        let first = other.download(Transfer::default()).await.unwrap();
        let mut second = other.exchange(stream::iter([Chunk::default()])).await.unwrap().into_inner();
        let mut request = Request::new(Chunk::default());
        request.set_timeout(SECOND);
        let status = client.clone().echo(request).await.unwrap_err();
        assert_eq!(status.code(), Code::DeadlineExceeded);
        assert!(!status.may_have_been_processed());
        second.message().await.unwrap().unwrap();
        assert!(second.message().await.unwrap().is_none());
        client.clone().echo(Chunk::default()).await.unwrap();
        let third = other.download(Transfer::default()).await.unwrap();
        drop(first);
        client.clone().echo(Chunk::default()).await.unwrap();
        drop((second, third));
        // Failed calls free their place as well.
        for _ in 0..5 {
            let mut request = slow();
            request.set_timeout(SECOND);
            client.clone().echo(request).await.unwrap_err();
        }
    });
}

/// A stream whose call has waited for its turn takes the general path.
#[test]
fn a_stream_that_has_waited_is_under_way_until_its_end() {
    run(|| async {
        let (network, bench) = (Network::new(), MyBench::default());
        let _running = serve(&network, &bench).await;
        let channel = Channel::lazy(options(&network).concurrency_limit(1)).unwrap();
        let client = BenchClient::new(channel.clone());
        let first = client.clone().download(Transfer::default()).await.unwrap();
        let mut other = client.clone();
        let mut second = pin!(other.exchange(stream::iter([Chunk::default()])));
        assert!(poll!(&mut second).is_pending());
        drop(first);
        let mut second = second.await.unwrap().into_inner();
        assert_eq!(channel.general_calls(), 2);
        let mut request = Request::new(Chunk::default());
        request.set_timeout(SECOND);
        let status = client.clone().echo(request).await.unwrap_err();
        assert_eq!(status.code(), Code::DeadlineExceeded);
        second.message().await.unwrap().unwrap();
        assert!(second.message().await.unwrap().is_none());
        client.clone().echo(Chunk::default()).await.unwrap();
    });
}

#[test]
fn a_channel_that_is_closed_ends_what_it_has_begun() {
    run(|| async {
        let (network, bench) = (Network::new(), MyBench::default());
        let _running = serve(&network, &bench).await;
        let channel = Channel::lazy(options(&network).concurrency_limit(4)).unwrap();
        let client = BenchClient::new(channel.clone());
        let mut calls = JoinSet::new();
        // One call on the general path, and one direct call.
        for _ in 0..2 {
            let mut client = client.clone();
            calls.spawn(async move { client.echo(slow()).await });
            tokio::time::sleep(SECOND).await;
        }
        let mut chunks =
            client.clone().exchange(stream::iter(vec![Chunk::default(); 3])).await.unwrap().into_inner();
        let mut endless = client.clone().download(Transfer::default()).await.unwrap().into_inner();
        let mut other = client.clone();
        let mut waits = pin!(other.echo(Chunk::default()));
        assert!(poll!(&mut waits).is_pending());

        let mut closed = pin!(channel.closed());
        assert!(tokio::time::timeout(SECOND, &mut closed).await.is_err());
        channel.close();
        assert_eq!(channel.state(), ConnectivityState::Shutdown);
        for status in [waits.await.unwrap_err(), client.clone().echo(Chunk::default()).await.unwrap_err()] {
            assert_eq!(status.code(), Code::Unavailable);
            assert_eq!(status.message(), "the channel was closed by this program");
            assert!(!status.may_have_been_processed() && !status.call_error().unwrap().is_transient());
        }
        assert_eq!(channel.wait_until_ready().await.unwrap_err().code(), Code::Unavailable);

        assert!(tokio::time::timeout(SECOND, &mut closed).await.is_err());
        for _ in 0..3 {
            chunks.message().await.unwrap().unwrap();
        }
        assert!(chunks.message().await.unwrap().is_none());
        endless.message().await.unwrap().unwrap();
        bench.go_on.notify_waiters();
        while let Some(call) = calls.join_next().await {
            call.unwrap().unwrap();
        }
        assert!(tokio::time::timeout(SECOND, &mut closed).await.is_err());
        drop(endless);
        closed.await;
        channel.close();
        channel.closed().await;
    });
}

/// The calls wait for a server, for the answer to the first bytes, and for a stream.
#[test]
fn calls_that_wait_are_refused_when_the_channel_is_closed() {
    run(|| async {
        let (network, bench) = (Network::new(), MyBench::default());
        let wait = |channel: Channel| {
            tokio::spawn(async move {
                let mut request = slow();
                request.set_wait_for_ready(true);
                BenchClient::new(channel).echo(request).await
            })
        };
        let refused =
            async |channel: Channel, call: tokio::task::JoinHandle<Result<Response<Chunk>, Status>>| {
                tokio::time::sleep(SECOND).await;
                channel.close();
                let start = Instant::now();
                let status = call.await.unwrap().unwrap_err();
                assert!(!status.may_have_been_processed(), "{status:?}");
                channel.closed().await;
                assert!(start.elapsed() < SECOND, "{:?}", start.elapsed());
            };
        let nobody = Channel::lazy(options(&network)).unwrap();
        refused(nobody.clone(), wait(nobody)).await;
        let listener = network.listen("server", AccessPolicy::default()).unwrap();
        let silent = Channel::lazy(options(&network)).unwrap();
        refused(silent.clone(), wait(silent)).await;

        let server = Server::builder()
            .add_service(BenchServer::new(bench.clone()))
            .http2(grpc_ipc::Http2Options::new().max_concurrent_streams(1))
            .listener(listener);
        let _running = Running::start(server.bind().await.unwrap(), DRAIN);
        let full = Channel::lazy(options(&network).max_connections(1)).unwrap();
        let first = wait(full.clone());
        tokio::time::sleep(SECOND).await;
        let second = wait(full.clone());
        tokio::time::sleep(SECOND).await;
        full.close();
        assert!(!second.await.unwrap().unwrap_err().may_have_been_processed());
        bench.go_on.notify_one();
        first.await.unwrap().unwrap();
        full.closed().await;
    });
}
