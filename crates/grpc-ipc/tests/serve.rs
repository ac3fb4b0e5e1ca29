//! `Server` and `Channel` together, over the transports that run everywhere and in memory.

mod util;

use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::time::Duration;

use futures_core::Stream;
use futures_util::{StreamExt as _, stream};
use grpc_ipc::memory::Network;
use grpc_ipc::{
    AccessPolicy, BindError, Channel, ConnectError, ConnectOptions, Http2Options, ListenOptions, ServeError,
    Server,
};
use grpc_ipc_conformance::{LIMIT, Watchdog, run};
use grpc_ipc_proto::bench::bench_client::BenchClient;
use grpc_ipc_proto::bench::bench_server::{Bench, BenchServer};
use grpc_ipc_proto::bench::{Chunk, Total, Transfer};
use grpc_ipc_proto::greet::greeter_client::GreeterClient;
use grpc_ipc_proto::greet::greeter_server::{Greeter, GreeterServer};
use grpc_ipc_proto::greet::{HelloReply, HelloRequest};
use tokio::io::AsyncReadExt as _;
use tokio::runtime::Builder;
use tokio::sync::Semaphore;
use tonic::{Code, Request, Response, Status, Streaming};
use util::{DRAIN, MyGreeter, Running, greet};

#[test]
fn any_transport_serves() {
    run("any_transport_serves", || async {
        let network = Network::new();
        let listener = network.listen("greeter", AccessPolicy::default()).unwrap();
        let server = Server::builder().add_service(MyGreeter::default().service()).listener(listener);
        let server = server.bind().await.unwrap();
        assert_eq!(server.local_addresses()[0].to_string(), "memory:greeter");
        let running = Running::start(server, DRAIN);

        let channel = Channel::from_connector(network.connector("greeter", AccessPolicy::default()));
        assert_eq!(channel.peer(), None, "before the first call");
        let expected = format!("Hello world, memory:user=?,pid={}", std::process::id());
        assert_eq!(greet(channel.clone(), "world").await.unwrap(), expected);
        assert!(channel.peer().unwrap().is_this_process());
        drop(channel);
        running.stop().await.unwrap().unwrap();
    });
}

#[test]
fn tcp_serves_whoever_asks() {
    run("tcp_serves_whoever_asks", || async {
        let server =
            Server::builder().add_service(MyGreeter::default().service()).listen("http://127.0.0.1:0");
        let server = server.bind().await.unwrap();
        let address = server.local_addresses()[0].clone();
        let running = Running::start(server, DRAIN);
        let channel = Channel::connect(&address).await.unwrap();
        let greeting = greet(channel, "world").await.unwrap();
        assert!(greeting.starts_with("Hello world, tcp:127.0.0.1:"), "{greeting}");

        let taken = Server::builder().listen(&address).bind().await.unwrap_err();
        assert!(matches!(taken, ServeError::Bind(BindError::InUse { .. })), "{taken:?}");

        // A policy that depends on the identity refuses everyone.
        let wary = ConnectOptions::new(&address).access(AccessPolicy::default());
        let error = Channel::connect(wary).await.unwrap_err();
        assert!(matches!(error, ConnectError::Untrusted { .. }), "{error:?}");
        running.stop().await.unwrap().unwrap();
        let error = Channel::connect(&address).await.unwrap_err();
        assert!(matches!(error, ConnectError::Refused { .. }), "{error:?}");
    });
}

#[test]
fn tcp_refuses_whom_a_policy_wants_to_know() {
    run("tcp_refuses_whom_a_policy_wants_to_know", || async {
        let options = ListenOptions::new("http://127.0.0.1:0").access(AccessPolicy::same_user());
        let server = Server::builder().add_service(MyGreeter::default().service()).listen(options);
        let server = server.bind().await.unwrap();
        let address = server.local_addresses()[0].clone();
        let _running = Running::start(server, DRAIN);
        // TCP may lose the answer, because the client has sent data that is not read.
        let error = Channel::connect(&address).await.unwrap_err();
        assert!(matches!(error, ConnectError::Rejected { .. } | ConnectError::Closed { .. }), "{error:?}");
        let status = greet(Channel::lazy(&address).unwrap(), "world").await.unwrap_err();
        assert!(matches!(status.code(), Code::PermissionDenied | Code::Unavailable), "{status:?}");
    });
}

#[test]
fn several_listeners_serve_at_once() {
    run("several_listeners_serve_at_once", || async {
        let network = Network::new();
        let mut server = Server::builder().add_service(MyGreeter::default().service());
        for name in ["a", "b"] {
            server = server.listener(network.listen(name, AccessPolicy::default()).unwrap());
        }
        let server = server.listen("http://127.0.0.1:0").bind().await.unwrap();
        let tcp = server.local_addresses()[2].clone();
        let running = Running::start(server, DRAIN);
        for name in ["a", "b"] {
            let channel = Channel::from_connector(network.connector(name, AccessPolicy::default()));
            assert!(greet(channel, name).await.unwrap().starts_with(&format!("Hello {name}, memory:")));
        }
        let channel = Channel::connect(tcp).await.unwrap();
        assert!(greet(channel, "c").await.unwrap().starts_with("Hello c, tcp:"));
        running.stop().await.unwrap().unwrap();
    });
}

#[test]
fn a_server_without_an_address_says_so() {
    run("a_server_without_an_address_says_so", || async {
        let error = Server::builder().serve().await.unwrap_err();
        assert_eq!(error.to_string(), "the server has no address: call Server::listen or Server::listener");
    });
}

#[test]
fn an_address_that_cannot_be_served_says_why() {
    run("an_address_that_cannot_be_served_says_why", || async {
        let bind =
            async |address: &str| Server::builder().listen(address).bind().await.unwrap_err().to_string();
        let connect = async |address: &str| Channel::connect(address).await.unwrap_err().to_string();
        let wrong = "address \"unix:\" has no path: expected for example unix:/run/greeter.sock";
        assert_eq!(bind("unix:").await, wrong);
        assert_eq!(connect("unix:").await, wrong);
        if cfg!(unix) {
            let why = "named pipes are on Windows only; use unix:PATH or local:NAME";
            assert_eq!(bind("npipe:x").await, format!("cannot listen on npipe:x: {why}"));
            assert_eq!(connect("npipe:x").await, format!("cannot connect to npipe:x: {why}"));
        }
    });
}

#[test]
fn one_wrong_address_lets_go_of_the_others() {
    run("one_wrong_address_lets_go_of_the_others", || async {
        let network = Network::new();
        let listener = network.listen("a", AccessPolicy::default()).unwrap();
        Server::builder().listener(listener).listen("unix:").bind().await.unwrap_err();
        network.listen("a", AccessPolicy::default()).expect("the name is free again");
    });
}

#[test]
fn a_lazy_channel_tries_again_at_each_call() {
    run("a_lazy_channel_tries_again_at_each_call", || async {
        let network = Network::new();
        let channel = Channel::from_connector(network.connector("greeter", AccessPolicy::default()));
        for _ in 0..2 {
            let status = greet(channel.clone(), "world").await.unwrap_err();
            assert_eq!(status.code(), Code::Unavailable);
            assert_eq!(
                status.message(),
                "cannot connect to memory:greeter: nothing is there; is the server running?"
            );
        }
        // It finds several servers with the same name, one after the other.
        for _ in 0..3 {
            let listener = network.listen("greeter", AccessPolicy::default()).unwrap();
            let server = Server::builder().add_service(MyGreeter::default().service()).listener(listener);
            let running = Running::start(server.bind().await.unwrap(), DRAIN);
            // The call that finds the old connection broken may fail; it is not sent twice.
            while let Err(status) = greet(channel.clone(), "world").await {
                assert!(matches!(status.code(), Code::Unavailable | Code::Cancelled), "{status:?}");
            }
            running.stop().await.unwrap().unwrap();
        }
    });
}

#[test]
fn shutdown_lets_calls_finish_and_takes_no_more() {
    run("shutdown_lets_calls_finish_and_takes_no_more", || async {
        let (network, greeter) = (Network::new(), MyGreeter::default());
        let listener = network.listen("greeter", AccessPolicy::default()).unwrap();
        let server = Server::builder().add_service(greeter.service()).listener(listener);
        let running = Running::start(server.bind().await.unwrap(), DRAIN);
        let channel = Channel::from_connector(network.connector("greeter", AccessPolicy::default()));
        let call = tokio::spawn(greet(channel, "wait"));
        greeter.called.notified().await;

        let stopping = running.stop();
        // The name is free at once, while the call continues.
        while network.listen("greeter", AccessPolicy::default()).is_err() {
            tokio::task::yield_now().await;
        }
        assert!(!call.is_finished() && !stopping.is_finished());
        greeter.go_on.notify_one();
        assert!(call.await.unwrap().unwrap().starts_with("Hello wait"));
        stopping.await.unwrap().unwrap();
    });
}

#[test]
fn shutdown_ends_at_its_deadline() {
    run("shutdown_ends_at_its_deadline", || async {
        let (network, greeter) = (Network::new(), MyGreeter::default());
        let listener = network.listen("greeter", AccessPolicy::default()).unwrap();
        let server = Server::builder().add_service(greeter.service()).listener(listener);
        let running = Running::start(server.bind().await.unwrap(), Duration::from_millis(50));
        let connector = network.connector("greeter", AccessPolicy::default());

        // A client that never sends a byte, and a call that never ends.
        let deadline = tokio::time::Instant::now() + DRAIN;
        let mut silent = grpc_ipc::Connector::connect(&connector, deadline).await.unwrap();
        let call = tokio::spawn(greet(Channel::from_connector(connector), "wait"));
        greeter.called.notified().await;
        running.stop().await.unwrap().unwrap();

        let status = call.await.unwrap().unwrap_err();
        assert!(matches!(status.code(), Code::Unavailable | Code::Cancelled), "{status:?}");
        let mut rest = Vec::new();
        silent.read_to_end(&mut rest).await.unwrap();
    });
}

/// Counted until it is dropped.
struct Alive(Arc<AtomicUsize>);

impl Drop for Alive {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

/// Never answers. Counts the existing handlers.
#[derive(Clone)]
struct Counting {
    alive: Arc<AtomicUsize>,
    called: Arc<Semaphore>,
}

impl Counting {
    fn new() -> Self {
        Self { alive: Arc::default(), called: Arc::new(Semaphore::new(0)) }
    }
}

#[tonic::async_trait]
impl Greeter for Counting {
    async fn say_hello(&self, _: Request<HelloRequest>) -> Result<Response<HelloReply>, Status> {
        self.alive.fetch_add(1, Ordering::SeqCst);
        let _alive = Alive(Arc::clone(&self.alive));
        self.called.add_permits(1);
        std::future::pending().await
    }
}

#[test]
fn no_handler_is_left_when_shutdown_returns() {
    const CALLS: u32 = 300;
    run("no_handler_is_left_when_shutdown_returns", || async {
        for in_place in [true, false] {
            let (network, counting) = (Network::new(), Counting::new());
            let listener = network.listen("greeter", AccessPolicy::default()).unwrap();
            let server = Server::builder()
                .add_service(GreeterServer::new(counting.clone()))
                .http2(Http2Options::new().poll_in_place(in_place))
                .listener(listener);
            let running = Running::start(server.bind().await.unwrap(), Duration::ZERO);
            let channel = Channel::from_connector(network.connector("greeter", AccessPolicy::default()));
            for _ in 0..CALLS {
                tokio::spawn(greet(channel.clone(), "world"));
            }
            counting.called.acquire_many(CALLS).await.unwrap().forget();
            running.stop().await.unwrap().unwrap();
            assert_eq!(counting.alive.load(Ordering::SeqCst), 0);
        }
    });
}

/// Blocks its thread until the test drops the other end.
struct Blocking(mpsc::Sender<()>, Arc<Mutex<mpsc::Receiver<()>>>);

#[tonic::async_trait]
impl Greeter for Blocking {
    async fn say_hello(&self, _: Request<HelloRequest>) -> Result<Response<HelloReply>, Status> {
        self.0.send(()).unwrap();
        self.1.lock().unwrap().recv().unwrap_err();
        Ok(Response::new(HelloReply::default()))
    }
}

#[test]
fn handlers_that_block_their_threads_are_counted() {
    for in_place in [true, false] {
        let _watchdog = Watchdog::start("handlers_that_block_their_threads_are_counted", LIMIT);
        let runtime = || Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        let (servers, clients) = (runtime(), runtime());
        let (called, is_called) = mpsc::channel();
        let (release, released) = mpsc::channel();
        let network = Network::new();
        let listener = network.listen("greeter", AccessPolicy::default()).unwrap();
        let service = GreeterServer::new(Blocking(called, Arc::new(Mutex::new(released))));
        let server = Server::builder()
            .add_service(service)
            .http2(Http2Options::new().poll_in_place(in_place))
            .listener(listener);
        let running =
            servers.block_on(async { Running::start(server.bind().await.unwrap(), Duration::ZERO) });
        let channel = Channel::from_connector(network.connector("greeter", AccessPolicy::default()));
        clients.spawn(greet(channel, "world"));
        is_called.recv().unwrap();
        let error = servers.block_on(running.stop()).unwrap().unwrap_err();
        assert!(matches!(error, ServeError::StillRunning { handlers: 1 }), "{error:?}");
        drop(release);
    }
}

#[test]
fn a_stream_that_is_cut_ends_as_unavailable() {
    run("a_stream_that_is_cut_ends_as_unavailable", || async {
        let network = Network::new();
        let listener = network.listen("bench", AccessPolicy::default()).unwrap();
        let server = Server::builder().add_service(BenchServer::new(Endless)).listener(listener);
        let running = Running::start(server.bind().await.unwrap(), Duration::ZERO);
        let channel = Channel::from_connector(network.connector("bench", AccessPolicy::default()));
        let transfer = Transfer { count: 1, size: 1 };
        let mut chunks = BenchClient::new(channel).download(transfer).await.unwrap().into_inner();
        assert!(chunks.message().await.unwrap().is_some());
        let stopping = running.stop();
        let status = chunks.message().await.unwrap_err();
        assert_eq!(status.code(), Code::Unavailable, "{status:?}");
        stopping.await.unwrap().unwrap();
    });
}

/// Sends one chunk, then nothing, without an end.
struct Endless;

type Chunks = Pin<Box<dyn Stream<Item = Result<Chunk, Status>> + Send>>;

#[tonic::async_trait]
impl Bench for Endless {
    type DownloadStream = Chunks;
    type ExchangeStream = Chunks;

    async fn echo(&self, request: Request<Chunk>) -> Result<Response<Chunk>, Status> {
        Ok(Response::new(request.into_inner()))
    }

    async fn download(&self, _: Request<Transfer>) -> Result<Response<Chunks>, Status> {
        Ok(Response::new(Box::pin(stream::iter([Ok(Chunk::default())]).chain(stream::pending()))))
    }

    async fn upload(&self, _: Request<Streaming<Chunk>>) -> Result<Response<Total>, Status> {
        Err(Status::unimplemented("not needed here"))
    }

    async fn exchange(&self, _: Request<Streaming<Chunk>>) -> Result<Response<Chunks>, Status> {
        Err(Status::unimplemented("not needed here"))
    }
}

#[test]
fn a_deadline_ends_a_call_at_any_point() {
    run("a_deadline_ends_a_call_at_any_point", || async {
        let network = Network::new();
        let listener = network.listen("both", AccessPolicy::default()).unwrap();
        let greeter = MyGreeter::default();
        let server = Server::builder().add_service(BenchServer::new(Endless)).add_service(greeter.service());
        let running = Running::start(server.listener(listener).bind().await.unwrap(), Duration::ZERO);
        let channel = Channel::from_connector(network.connector("both", AccessPolicy::default()));

        // Before the response begins, and in the middle of it.
        let mut request = Request::new(HelloRequest { name: "wait".to_owned() });
        request.set_timeout(Duration::from_millis(50));
        let status = GreeterClient::new(channel.clone()).say_hello(request).await.unwrap_err();
        assert_eq!(status.code(), Code::DeadlineExceeded, "{status:?}");

        let mut request = Request::new(Transfer { count: 1, size: 1 });
        request.set_timeout(Duration::from_millis(50));
        let response = BenchClient::new(channel).download(request).await;
        let status = match response {
            Ok(response) => {
                let mut chunks = response.into_inner();
                loop {
                    match chunks.message().await {
                        Ok(chunk) => assert!(chunk.is_some(), "an end"),
                        Err(status) => break status,
                    }
                }
            }
            Err(status) => status,
        };
        assert_eq!(status.code(), Code::DeadlineExceeded, "{status:?}");
        running.stop().await.unwrap().unwrap();
    });
}

#[test]
fn a_channel_notices_that_its_server_was_replaced() {
    run("a_channel_notices_that_its_server_was_replaced", || async {
        let serve = async || {
            let server = Server::builder().add_service(MyGreeter::default().service());
            server.listen("http://127.0.0.1:0").bind().await.unwrap()
        };
        let first = serve().await;
        let address = first.local_addresses()[0].clone();
        let first = Running::start(first, Duration::ZERO);
        let channel = Channel::connect(&address).await.unwrap();
        first.stop().await.unwrap().unwrap();
        let second = Server::builder().add_service(MyGreeter::default().service()).listen(&address);
        let second = Running::start(second.bind().await.unwrap(), DRAIN);
        // Connected, but not called until now.
        assert!(greet(channel, "world").await.unwrap().starts_with("Hello world"));
        second.stop().await.unwrap().unwrap();
    });
}

#[test]
fn any_limit_of_connections_is_one() {
    run("any_limit_of_connections_is_one", || async {
        for limit in [0, usize::MAX] {
            let network = Network::new();
            let listener = network.listen("greeter", AccessPolicy::default()).unwrap();
            let server = Server::builder().add_service(MyGreeter::default().service()).listener(listener);
            let running = Running::start(server.max_connections(limit).bind().await.unwrap(), DRAIN);
            let channel = Channel::from_connector(network.connector("greeter", AccessPolicy::default()));
            greet(channel, "world").await.unwrap();
            running.stop().await.unwrap().unwrap();
        }
    });
}

#[test]
fn connections_over_the_limit_wait() {
    run("connections_over_the_limit_wait", || async {
        let (network, greeter) = (Network::new(), MyGreeter::default());
        let listener = network.listen("greeter", AccessPolicy::default()).unwrap();
        let server = Server::builder().add_service(greeter.service()).listener(listener).max_connections(1);
        let running = Running::start(server.bind().await.unwrap(), DRAIN);
        let channel = || Channel::from_connector(network.connector("greeter", AccessPolicy::default()));
        let first = channel();
        greet(first.clone(), "first").await.unwrap();
        let second = tokio::spawn(greet(channel(), "wait"));
        // The first connection stays open. The second call reaches the handler only when the first has ended.
        for _ in 0..20 {
            greet(first.clone(), "first").await.unwrap();
        }
        assert!(futures_util::FutureExt::now_or_never(greeter.called.notified()).is_none());
        drop(first);
        greeter.called.notified().await;
        greeter.go_on.notify_one();
        second.await.unwrap().unwrap();
        running.stop().await.unwrap().unwrap();
    });
}

/// Counts the requests that pass.
#[derive(Clone, Default)]
struct Count(Arc<AtomicUsize>);

impl<S> tower_layer::Layer<S> for Count {
    type Service = Counted<S>;

    fn layer(&self, inner: S) -> Counted<S> {
        Counted { inner, count: Arc::clone(&self.0) }
    }
}

#[derive(Clone)]
struct Counted<S> {
    inner: S,
    count: Arc<AtomicUsize>,
}

impl<S: tower_service::Service<R>, R> tower_service::Service<R> for Counted<S> {
    type Response = S::Response;
    type Error = S::Error;
    type Future = S::Future;

    fn poll_ready(&mut self, cx: &mut std::task::Context<'_>) -> std::task::Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: R) -> S::Future {
        self.count.fetch_add(1, Ordering::Relaxed);
        self.inner.call(request)
    }
}

#[test]
fn a_layer_sees_every_request() {
    run("a_layer_sees_every_request", || async {
        let (network, count) = (Network::new(), Count::default());
        let listener = network.listen("greeter", AccessPolicy::default()).unwrap();
        let server = Server::builder()
            .layer(count.clone())
            .add_service(MyGreeter::default().service())
            .listener(listener);
        let running = Running::start(server.bind().await.unwrap(), DRAIN);
        let channel = Channel::from_connector(network.connector("greeter", AccessPolicy::default()));
        for _ in 0..3 {
            greet(channel.clone(), "world").await.unwrap();
        }
        assert_eq!(count.0.load(Ordering::Relaxed), 3);
        running.stop().await.unwrap().unwrap();
    });
}

#[test]
fn the_error_of_a_layer_is_the_status_of_the_call() {
    run("the_error_of_a_layer_is_the_status_of_the_call", || async {
        let network = Network::new();
        let listener = network.listen("greeter", AccessPolicy::default()).unwrap();
        let server = Server::builder()
            .add_service(MyGreeter::default().service())
            .layer(tower::timeout::TimeoutLayer::new(Duration::from_millis(10)))
            .listener(listener);
        let running = Running::start(server.bind().await.unwrap(), DRAIN);
        let channel = Channel::from_connector(network.connector("greeter", AccessPolicy::default()));
        let status = greet(channel.clone(), "wait").await.unwrap_err();
        assert_eq!(status.message(), "request timed out");
        assert!(greet(channel, "world").await.is_ok());
        running.stop().await.unwrap().unwrap();
    });
}
