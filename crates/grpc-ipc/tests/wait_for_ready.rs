//! A server that is not running yet, or restarts: which calls wait for it, which do not, and how often attempts are
//! made.

mod util;

use std::panic::Location;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use futures_util::{StreamExt as _, poll, stream};
use grpc_ipc::memory::{MemoryConnector, MemoryListener, MemoryStream, Network};
use grpc_ipc::{
    AccessPolicy, Address, Channel, ConnectError, ConnectOptions, ConnectivityState, Connector,
    Listener as _, RequestExt as _, Server,
};
use grpc_ipc_conformance::{LIMIT, Watchdog};
use grpc_ipc_proto::bench::bench_client::BenchClient;
use grpc_ipc_proto::bench::bench_server::{Bench, BenchServer};
use grpc_ipc_proto::bench::{Chunk, Total, Transfer};
use grpc_ipc_proto::greet::HelloRequest;
use grpc_ipc_proto::greet::greeter_client::GreeterClient;
use tokio::io::AsyncWriteExt as _;
use tokio::task::JoinSet;
use tokio::time::Instant;
use tonic::{Code, Request, Response, Status, Streaming};
use util::{DRAIN, MyGreeter, Running, greet};

const SECOND: Duration = Duration::from_secs(1);

/// Runs with a clock that advances when no task can run.
#[track_caller]
fn run<F: Future<Output = ()>>(test: impl FnOnce() -> F) {
    let _watchdog = Watchdog::start(&Location::caller().to_string(), LIMIT);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build();
    runtime.unwrap().block_on(test());
}

async fn serve(network: &Network) -> Running {
    serve_on(network.listen("server", AccessPolicy::default()).unwrap()).await
}

async fn serve_on(listener: MemoryListener) -> Running {
    let server = Server::builder()
        .add_service(MyGreeter::default().service())
        .add_service(BenchServer::new(MyBench))
        .listener(listener);
    Running::start(server.bind().await.unwrap(), DRAIN)
}

/// A connector that counts its attempts, and reports when a server may have appeared.
struct Counted {
    connector: MemoryConnector,
    attempts: Arc<AtomicUsize>,
    appears: Appears,
}

enum Appears {
    AsItDoes,
    Never,
    Always,
    /// Nobody may ask, because to watch a directory is expensive.
    NotWatched,
}

impl Counted {
    fn new(network: &Network, appears: Appears) -> (Self, Arc<AtomicUsize>) {
        let connector = network.connector("server", AccessPolicy::default());
        let attempts = Arc::<AtomicUsize>::default();
        (Self { connector, attempts: Arc::clone(&attempts), appears }, attempts)
    }
}

impl Connector for Counted {
    type Connection = MemoryStream;

    async fn connect(&self, deadline: Instant) -> Result<MemoryStream, ConnectError> {
        self.attempts.fetch_add(1, Ordering::Relaxed);
        self.connector.connect(deadline).await
    }

    async fn appears(&self) {
        match self.appears {
            Appears::AsItDoes => self.connector.appears().await,
            Appears::Never => std::future::pending().await,
            Appears::Always => {}
            Appears::NotWatched => panic!("watches for the server"),
        }
    }

    fn address(&self) -> &Address {
        self.connector.address()
    }
}

fn hello() -> Request<HelloRequest> {
    let mut request = Request::new(HelloRequest { name: "world".to_owned() });
    request.set_wait_for_ready(true);
    request
}

async fn wait_and_greet(channel: Channel) -> Result<(), Status> {
    GreeterClient::new(channel).say_hello(hello()).await.map(drop)
}

struct MyBench;

#[tonic::async_trait]
impl Bench for MyBench {
    async fn echo(&self, request: Request<Chunk>) -> Result<Response<Chunk>, Status> {
        Ok(Response::new(request.into_inner()))
    }

    type DownloadStream = stream::BoxStream<'static, Result<Chunk, Status>>;

    async fn download(&self, _: Request<Transfer>) -> Result<Response<Self::DownloadStream>, Status> {
        Ok(Response::new(stream::iter([Ok(Chunk::default())]).boxed()))
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

/// Makes a call of each kind, with this value for waiting.
async fn all_kinds(channel: Channel, wait: bool) -> Result<(), Status> {
    fn request<T>(message: T, wait: bool) -> Request<T> {
        let mut request = Request::new(message);
        request.set_wait_for_ready(wait);
        request
    }
    let client = || BenchClient::new(channel.clone());
    let chunks = || stream::iter(vec![Chunk::default(); 3]);
    let (mut unary, mut download, mut upload, mut exchange) = (client(), client(), client(), client());
    let calls = (
        unary.echo(request(Chunk::default(), wait)),
        download.download(request(Transfer::default(), wait)),
        upload.upload(request(chunks(), wait)),
        exchange.exchange(request(chunks(), wait)),
    );
    let results = tokio::join!(calls.0, calls.1, calls.2, calls.3);
    let mut statuses =
        [results.0.map(drop), results.1.map(drop), results.2.map(drop), results.3.map(drop)].into_iter();
    let first = statuses.next().unwrap();
    statuses.for_each(|status| assert_eq!(status.is_ok(), first.is_ok(), "{status:?}"));
    first
}

#[test]
fn a_server_that_runs_is_not_watched_for() {
    run(|| async {
        let network = Network::new();
        let _running = serve(&network).await;
        let connector = || Counted::new(&network, Appears::NotWatched).0;
        let channel = Channel::connect(ConnectOptions::from_connector(connector())).await.unwrap();
        wait_and_greet(channel).await.unwrap();
        wait_and_greet(Channel::from_connector(connector())).await.unwrap();
    });
}

#[test]
fn calls_of_all_kinds_wait_for_a_server_that_starts_later() {
    run(|| async {
        let network = Network::new();
        let (connector, attempts) = Counted::new(&network, Appears::AsItDoes);
        let channel = Channel::from_connector(connector);
        let waiting = tokio::spawn(all_kinds(channel.clone(), true));
        tokio::time::sleep(10 * SECOND).await;
        // Other calls fail meanwhile, at once.
        let start = Instant::now();
        let status = all_kinds(channel.clone(), false).await.unwrap_err();
        assert_eq!(status.code(), Code::Unavailable, "{status:?}");
        assert_eq!(start.elapsed(), Duration::ZERO);
        let tried = attempts.load(Ordering::Relaxed);
        assert!(tried < 30, "{tried} attempts in 10 s");

        let _running = serve(&network).await;
        let start = Instant::now();
        waiting.await.unwrap().unwrap();
        assert!(start.elapsed() < 10 * Duration::from_millis(1), "{:?} after it listened", start.elapsed());
        // And directly.
        let general = channel.general_calls();
        all_kinds(channel.clone(), true).await.unwrap();
        assert_eq!(channel.general_calls(), general);
    });
}

#[test]
fn a_channel_can_have_all_calls_wait() {
    run(|| async {
        let name = grpc_ipc_conformance::unique_name("wait");
        let channel =
            Channel::lazy(ConnectOptions::new(format!("local:{name}")).wait_for_ready(true)).unwrap();
        let mut waits = pin!(greet(channel.clone(), "world"));
        assert!(tokio::time::timeout(SECOND, &mut waits).await.is_err());
        // The call's own setting takes precedence.
        let mut request = hello();
        request.set_wait_for_ready(false);
        let status = GreeterClient::new(channel).say_hello(request).await.unwrap_err();
        assert_eq!(status.code(), Code::Unavailable, "{status:?}");
    });
}

#[test]
fn a_call_waits_until_its_deadline() {
    run(|| async {
        let network = Network::new();
        let channel = Channel::from_connector(Counted::new(&network, Appears::Never).0);
        let start = Instant::now();
        let mut request = hello();
        request.set_timeout(3 * SECOND);
        let status = GreeterClient::new(channel).say_hello(request).await.unwrap_err();
        assert_eq!(status.code(), Code::DeadlineExceeded, "{status:?}");
        assert!((3 * SECOND..4 * SECOND).contains(&start.elapsed()), "{:?}", start.elapsed());
    });
}

#[test]
fn many_calls_share_the_attempts() {
    run(|| async {
        let network = Network::new();
        let (connector, attempts) = Counted::new(&network, Appears::Never);
        let channel = Channel::from_connector(connector);
        let mut calls = JoinSet::new();
        for _ in 0..100 {
            calls.spawn(wait_and_greet(channel.clone()));
        }
        tokio::time::sleep(60 * SECOND).await;
        let tried = attempts.load(Ordering::Relaxed);
        assert!((50..90).contains(&tried), "{tried} attempts in a minute");
        let _running = serve(&network).await;
        while let Some(call) = calls.join_next().await {
            call.unwrap().unwrap();
        }
        // No attempts are made when no call waits.
        let tried = attempts.load(Ordering::Relaxed);
        tokio::time::sleep(60 * SECOND).await;
        assert_eq!(attempts.load(Ordering::Relaxed), tried);
    });
}

/// Like a directory in which something changes all the time.
#[test]
fn a_connector_that_tells_too_much_does_not_make_a_channel_spin() {
    run(|| async {
        let network = Network::new();
        let (connector, attempts) = Counted::new(&network, Appears::Always);
        let channel = Channel::from_connector(connector);
        let call = tokio::spawn(wait_and_greet(channel));
        tokio::time::sleep(SECOND).await;
        let tried = attempts.load(Ordering::Relaxed);
        assert!((100..=210).contains(&tried), "{tried} attempts in a second");
        call.abort();
        assert!(call.await.is_err());
        tokio::time::sleep(SECOND).await;
        assert!(attempts.load(Ordering::Relaxed) <= tried + 1, "nobody waits any more");
    });
}

/// On each connection, it reports that it has not processed the call.
#[test]
fn a_server_that_always_goes_away_does_not_make_a_channel_spin() {
    run(|| async {
        let network = Network::new();
        let mut listener = network.listen("server", AccessPolicy::default()).unwrap();
        let (connector, attempts) = Counted::new(&network, Appears::AsItDoes);
        let channel = Channel::from_connector(connector);
        let call = tokio::spawn(wait_and_greet(channel));
        let leaving = tokio::spawn(async move {
            let settings = [0, 0, 0, 4, 0, 0, 0, 0, 0];
            let goaway = [0, 0, 8, 7, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
            loop {
                let mut stream = listener.accept().await;
                _ = stream.write_all(&[&settings[..], &goaway].concat()).await;
            }
        });
        tokio::time::sleep(10 * SECOND).await;
        let tried = attempts.load(Ordering::Relaxed);
        assert!((10..40).contains(&tried), "{tried} attempts in 10 s");
        leaving.abort();
        assert!(leaving.await.is_err());
        let _running = serve(&network).await;
        call.await.unwrap().unwrap();
    });
}

#[test]
fn restarts_cost_no_call_that_waits() {
    run(|| async {
        let network = Network::new();
        let channel = Channel::from_connector(network.connector("server", AccessPolicy::default()));
        let calling = Arc::new(());
        let mut calls = JoinSet::new();
        for number in 0..8 {
            let (channel, calling) = (channel.clone(), Arc::downgrade(&calling));
            calls.spawn(async move {
                let mut answered = 0_u32;
                while calling.upgrade().is_some() {
                    match number % 2 {
                        0 => wait_and_greet(channel.clone()).await.unwrap(),
                        _ => all_kinds(channel.clone(), true).await.unwrap(),
                    }
                    answered += 1;
                }
                answered
            });
        }
        for _ in 0..20 {
            let running = serve(&network).await;
            wait_and_greet(channel.clone()).await.unwrap();
            running.stop().await.unwrap().unwrap();
            tokio::time::sleep(SECOND / 100).await;
        }
        let _running = serve(&network).await;
        drop(calling);
        while let Some(answered) = calls.join_next().await {
            assert!(answered.unwrap() > 0);
        }
    });
}

#[test]
fn what_does_not_pass_is_not_waited_for() {
    run(|| async {
        let network = Network::new();
        let _running = serve(&network).await;
        let channel = Channel::from_connector(network.connector("server", AccessPolicy::users([])));
        let status = wait_and_greet(channel.clone()).await.unwrap_err();
        assert_eq!(status.code(), Code::PermissionDenied, "{status:?}");
        assert_eq!(channel.state(), ConnectivityState::TransientFailure);
        assert_eq!(channel.wait_until_ready().await.unwrap_err().code(), Code::PermissionDenied);
    });
}

#[test]
fn the_state_is_told_as_it_changes() {
    use ConnectivityState::{Connecting, Idle, Ready, Shutdown, TransientFailure};

    run(|| async {
        let network = Network::new();
        let channel = Channel::from_connector(network.connector("server", AccessPolicy::default()));
        let mut states = channel.watch_state();
        assert_eq!((states.current(), channel.state()), (Idle, Idle));
        assert!(poll!(pin!(states.changed())).is_pending());

        channel.try_to_connect();
        assert_eq!(states.changed().await, Some(TransientFailure));
        // The server does not answer yet.
        let listener = network.listen("server", AccessPolicy::default()).unwrap();
        channel.try_to_connect();
        assert_eq!((states.changed().await, channel.state()), (Some(Connecting), Connecting));
        let running = serve_on(listener).await;
        channel.wait_until_ready().await.unwrap();
        assert_eq!((states.changed().await, channel.state()), (Some(Ready), Ready));
        channel.wait_until_ready().await.unwrap();

        // It is idle when the server sends GOAWAY, and no call needs another connection.
        running.stop().await.unwrap().unwrap();
        assert_eq!((states.changed().await, channel.state()), (Some(Idle), Idle));
        greet(channel.clone(), "world").await.unwrap_err();
        assert_eq!(channel.state(), TransientFailure);
        assert_eq!(states.changed().await, Some(TransientFailure));

        drop(channel);
        assert_eq!((states.current(), states.changed().await), (Shutdown, Some(Shutdown)));
        assert_eq!(states.changed().await, None);
    });
}

#[test]
fn an_attempt_that_nobody_waits_for_leaves_the_channel_idle() {
    run(|| async {
        let network = Network::new();
        // It never answers.
        let _listener = network.listen("server", AccessPolicy::default()).unwrap();
        let channel = Channel::from_connector(network.connector("server", AccessPolicy::default()));
        let mut states = channel.watch_state();
        let call = tokio::spawn(wait_and_greet(channel.clone()));
        assert_eq!(states.changed().await, Some(ConnectivityState::Connecting));
        call.abort();
        assert_eq!(states.changed().await, Some(ConnectivityState::Idle));
    });
}
