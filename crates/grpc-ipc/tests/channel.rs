//! A channel whose server reaches its limit of calls, shuts down, or restarts.

mod util;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use futures_util::poll;
use grpc_ipc::memory::{MemoryConnector, MemoryStream, Network};
use grpc_ipc::{
    AccessPolicy, Address, Channel, ConnectError, ConnectOptions, Connector, Http2Options, Server,
};
use grpc_ipc_conformance::{LIMIT, Watchdog, run};
use tokio::runtime::{Builder, Runtime};
use tokio::sync::Notify;
use tokio::task::JoinSet;
use tokio::time::Instant;
use tonic::Code;
use util::{DRAIN, MyGreeter, Running, greet};

async fn serve(network: &Network, greeter: &MyGreeter, streams: u32) -> Running {
    let listener = network.listen("greeter", AccessPolicy::default()).unwrap();
    let server = Server::builder()
        .add_service(greeter.service())
        .http2(Http2Options::new().max_concurrent_streams(streams))
        .listener(listener);
    Running::start(server.bind().await.unwrap(), DRAIN)
}

#[test]
fn calls_beyond_the_servers_limit_get_another_connection() {
    run("calls_beyond_the_servers_limit_get_another_connection", || async {
        let (network, greeter) = (Network::new(), MyGreeter::default());
        let running = serve(&network, &greeter, 2).await;
        let channel = Channel::from_connector(network.connector("greeter", AccessPolicy::default()));
        greet(channel.clone(), "first").await.unwrap();
        let mut calls = JoinSet::new();
        for _ in 0..9 {
            calls.spawn(greet(channel.clone(), "wait"));
            // All of them run at the same time.
            greeter.called.notified().await;
        }
        for _ in 0..9 {
            greeter.go_on.notify_one();
            calls.join_next().await.unwrap().unwrap().unwrap();
        }
        drop(channel);
        running.stop().await.unwrap().unwrap();
    });
}

/// It has waited for the first connection together with another call, which takes its only stream. On one thread,
/// pending work is done when every task has had a turn.
#[test]
fn a_call_that_finds_its_connection_full_gets_another() {
    let _watchdog = Watchdog::start("a_call_that_finds_its_connection_full_gets_another", LIMIT);
    let runtime = Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let (network, greeter) = (Network::new(), MyGreeter::default());
        let _running = serve(&network, &greeter, 1).await;
        let go_on = Arc::<Notify>::default();
        let connector = network.connector("greeter", AccessPolicy::default());
        let channel = Channel::from_connector(Late { connector, go_on: Arc::clone(&go_on) });
        let mut second = Box::pin(greet(channel.clone(), "world"));
        assert!(poll!(&mut second).is_pending());
        let _first = tokio::spawn(greet(channel, "wait"));
        go_on.notify_one();
        greeter.called.notified().await;
        // Another connection may be opened.
        go_on.notify_one();
        // The server's limit is known by then.
        for _ in 0..1_000 {
            tokio::task::yield_now().await;
        }
        second.await.unwrap();
    });
}

#[test]
fn calls_beyond_what_all_connections_take_wait() {
    run("calls_beyond_what_all_connections_take_wait", || async {
        let (network, greeter) = (Network::new(), MyGreeter::default());
        let running = serve(&network, &greeter, 1).await;
        let channel = Channel::from_connector(network.connector("greeter", AccessPolicy::default()));
        let mut calls = JoinSet::new();
        for _ in 0..100 {
            calls.spawn(greet(channel.clone(), "world"));
        }
        while let Some(call) = calls.join_next().await {
            call.unwrap().unwrap();
        }
        drop(channel);
        running.stop().await.unwrap().unwrap();
    });
}

#[test]
fn calls_go_on_while_servers_come_and_go() {
    run("calls_go_on_while_servers_come_and_go", || async {
        let (network, greeter) = (Network::new(), MyGreeter::default());
        let channel = Channel::from_connector(network.connector("greeter", AccessPolicy::default()));
        for _ in 0..5 {
            let running = serve(&network, &greeter, 100).await;
            let calling = Arc::new(());
            let mut calls = JoinSet::new();
            for _ in 0..8 {
                let (channel, calling) = (channel.clone(), Arc::downgrade(&calling));
                calls.spawn(async move {
                    let mut answered = 0_u32;
                    while calling.upgrade().is_some() {
                        match greet(channel.clone(), "world").await {
                            Ok(_) => answered += 1,
                            // The next connection found no server: there is none between two of them.
                            Err(status) => {
                                assert_eq!(status.code(), Code::Unavailable);
                                assert!(status.message().contains("nothing is there"), "{status:?}");
                                break;
                            }
                        }
                    }
                    answered
                });
            }
            greet(channel.clone(), "world").await.unwrap();
            // The server answers the calls that it has accepted; the others are retried.
            running.stop().await.unwrap().unwrap();
            drop(calling);
            while let Some(answered) = calls.join_next().await {
                answered.unwrap();
            }
        }
    });
}

/// A server that keeps ending idle and old connections causes no call to fail.
#[test]
fn calls_outlive_their_connections() {
    run("calls_outlive_their_connections", || async {
        let network = Network::new();
        let listener = network.listen("greeter", AccessPolicy::default()).unwrap();
        let moment = Duration::from_millis(1);
        let server = Server::builder()
            .add_service(MyGreeter::default().service())
            .http2(Http2Options::new().max_connection_idle(moment).max_connection_age(3 * moment))
            .listener(listener);
        let _running = Running::start(server.bind().await.unwrap(), DRAIN);
        let attempts = Arc::<AtomicUsize>::default();
        let connector = Few { limit: usize::MAX, attempts: Arc::clone(&attempts), ..Few::new(&network, 0) };
        let channel = Channel::from_connector(connector);
        let mut calls = 0;
        while attempts.load(Ordering::Relaxed) < 50 {
            greet(channel.clone(), "world").await.unwrap();
            calls += 1;
            if calls % 10 == 0 {
                tokio::time::sleep(2 * moment).await;
            }
        }
    });
}

#[test]
fn a_deadline_passes_also_while_a_call_waits_for_a_stream() {
    run("a_deadline_passes_also_while_a_call_waits_for_a_stream", || async {
        let (network, greeter) = (Network::new(), MyGreeter::default());
        let running = serve(&network, &greeter, 0).await;
        let channel = Channel::from_connector(network.connector("greeter", AccessPolicy::default()));
        let mut request = tonic::Request::new(grpc_ipc_proto::greet::HelloRequest { name: "x".to_owned() });
        request.set_timeout(Duration::from_millis(20));
        let mut client = grpc_ipc_proto::greet::greeter_client::GreeterClient::new(channel);
        let status = client.say_hello(request).await.unwrap_err();
        assert_eq!(status.code(), Code::DeadlineExceeded, "{status:?}");
        drop(client);
        running.stop().await.unwrap().unwrap();
    });
}

#[test]
fn a_stream_that_is_freed_on_another_connection_is_used() {
    run("a_stream_that_is_freed_on_another_connection_is_used", || async {
        let (network, greeter) = (Network::new(), MyGreeter::default());
        let _running = serve(&network, &greeter, 1).await;
        let channel = Channel::from_connector(Few::new(&network, 2));
        greet(channel.clone(), "world").await.unwrap();
        let mut calls = JoinSet::new();
        for _ in 0..2 {
            calls.spawn(greet(channel.clone(), "wait"));
            greeter.called.notified().await;
        }
        // Both connections are full, and there cannot be a third. The first one with room takes the third call.
        for _ in 0..20 {
            let third = tokio::spawn(greet(channel.clone(), "world"));
            for _ in 0..20 {
                tokio::task::yield_now().await;
            }
            greeter.go_on.notify_one();
            calls.join_next().await.unwrap().unwrap().unwrap();
            third.await.unwrap().unwrap();
            calls.spawn(greet(channel.clone(), "wait"));
            greeter.called.notified().await;
        }
        calls.abort_all();
    });
}

#[test]
fn connections_that_cannot_be_made_are_not_tried_in_a_loop() {
    run("connections_that_cannot_be_made_are_not_tried_in_a_loop", || async {
        let (network, greeter) = (Network::new(), MyGreeter::default());
        let _running = serve(&network, &greeter, 1).await;
        let few = Few::new(&network, 1);
        let attempts = Arc::clone(&few.attempts);
        let channel = Channel::from_connector(few);
        greet(channel.clone(), "world").await.unwrap();
        let first = tokio::spawn(greet(channel.clone(), "wait"));
        greeter.called.notified().await;
        let second = tokio::spawn(greet(channel.clone(), "world"));
        for _ in 0..1000 {
            tokio::task::yield_now().await;
        }
        greeter.go_on.notify_one();
        first.await.unwrap().unwrap();
        second.await.unwrap().unwrap();
        let attempts = attempts.load(Ordering::Relaxed);
        assert!(attempts < 100, "{attempts} attempts");
    });
}

/// Makes at most this many connections.
struct Few {
    connector: MemoryConnector,
    limit: usize,
    attempts: Arc<AtomicUsize>,
}

impl Few {
    fn new(network: &Network, limit: usize) -> Self {
        let connector = network.connector("greeter", AccessPolicy::default());
        Self { connector, limit, attempts: Arc::default() }
    }
}

impl Connector for Few {
    type Connection = MemoryStream;

    async fn connect(&self, deadline: Instant) -> Result<MemoryStream, ConnectError> {
        if self.attempts.fetch_add(1, Ordering::Relaxed) >= self.limit {
            return Err(ConnectError::Refused { address: self.address().clone() });
        }
        self.connector.connect(deadline).await
    }

    fn address(&self) -> &Address {
        self.connector.address()
    }
}

/// Never connects: it waits, or panics.
struct Stuck {
    connector: MemoryConnector,
    panics: bool,
    begun: Arc<Notify>,
    _alive: Arc<()>,
}

impl Stuck {
    fn new(panics: bool, begun: &Arc<Notify>, alive: &Arc<()>) -> Self {
        let connector = Network::new().connector("greeter", AccessPolicy::default());
        Self { connector, panics, begun: Arc::clone(begun), _alive: Arc::clone(alive) }
    }
}

impl Connector for Stuck {
    type Connection = MemoryStream;

    async fn connect(&self, _: Instant) -> Result<MemoryStream, ConnectError> {
        self.begun.notify_one();
        for _ in 0..100 {
            tokio::task::yield_now().await;
        }
        assert!(!self.panics, "a connector that panics");
        std::future::pending().await
    }

    fn address(&self) -> &Address {
        self.connector.address()
    }
}

#[test]
fn a_channel_that_is_dropped_while_it_connects_lets_go_of_everything() {
    run("a_channel_that_is_dropped_while_it_connects_lets_go_of_everything", || async {
        let (begun, alive) = (Arc::new(Notify::new()), Arc::new(()));
        let channel = Channel::from_connector(Stuck::new(false, &begun, &alive));
        let call = tokio::spawn(greet(channel.clone(), "world"));
        begun.notified().await;
        call.abort();
        assert!(call.await.is_err());
        drop(channel);
        // The attempt has a task of its own, which may run on another thread.
        while Arc::strong_count(&alive) > 1 {
            tokio::task::yield_now().await;
        }
    });
}

#[test]
fn a_connector_that_panics_leaves_nobody_waiting() {
    run("a_connector_that_panics_leaves_nobody_waiting", || async {
        let (begun, alive) = (Arc::new(Notify::new()), Arc::new(()));
        let channel = Channel::from_connector(Stuck::new(true, &begun, &alive));
        let calls = [tokio::spawn(greet(channel.clone(), "a")), tokio::spawn(greet(channel.clone(), "b"))];
        for call in calls {
            assert_eq!(call.await.unwrap().unwrap_err().code(), Code::Internal);
        }
    });
}

#[test]
fn a_timeout_of_any_length_is_one() {
    run("a_timeout_of_any_length_is_one", || async {
        let server =
            Server::builder().add_service(MyGreeter::default().service()).listen("http://127.0.0.1:0");
        let server = server.bind().await.unwrap();
        let options = ConnectOptions::new(&server.local_addresses()[0]).connect_timeout(Duration::MAX);
        let _running = Running::start(server, Duration::ZERO);
        greet(Channel::connect(options).await.unwrap(), "world").await.unwrap();
    });
}

/// Connects when told to.
struct Late {
    connector: MemoryConnector,
    go_on: Arc<Notify>,
}

impl Connector for Late {
    type Connection = MemoryStream;

    async fn connect(&self, deadline: Instant) -> Result<MemoryStream, ConnectError> {
        self.go_on.notified().await;
        self.connector.connect(deadline).await
    }

    fn address(&self) -> &Address {
        self.connector.address()
    }
}

/// Never completes its second connection.
struct SecondHangs {
    connector: MemoryConnector,
    attempts: Arc<AtomicUsize>,
}

impl Connector for SecondHangs {
    type Connection = MemoryStream;

    async fn connect(&self, deadline: Instant) -> Result<MemoryStream, ConnectError> {
        if self.attempts.fetch_add(1, Ordering::Relaxed) == 1 {
            std::future::pending::<()>().await;
        }
        self.connector.connect(deadline).await
    }

    fn address(&self) -> &Address {
        self.connector.address()
    }
}

/// A runtime may end before the additional connection that it is opening is complete.
#[test]
fn a_channel_grows_after_its_runtime_has_ended() {
    let _watchdog = Watchdog::start("a_channel_grows_after_its_runtime_has_ended", LIMIT);
    let servers = Runtime::new().unwrap();
    let (network, greeter) = (Network::new(), MyGreeter::default());
    let _running = servers.block_on(serve(&network, &greeter, 1));
    let attempts = Arc::<AtomicUsize>::default();
    let connector = network.connector("greeter", AccessPolicy::default());
    let channel = Channel::from_connector(SecondHangs { connector, attempts: Arc::clone(&attempts) });

    let first = Runtime::new().unwrap();
    first.block_on(async {
        greet(channel.clone(), "first").await.unwrap();
        tokio::spawn(greet(channel.clone(), "wait"));
        greeter.called.notified().await;
        tokio::spawn(greet(channel.clone(), "world"));
        while attempts.load(Ordering::Relaxed) < 2 {
            tokio::task::yield_now().await;
        }
    });
    drop(first);

    Runtime::new().unwrap().block_on(async {
        greet(channel.clone(), "first").await.unwrap();
        tokio::spawn(greet(channel.clone(), "wait"));
        greeter.called.notified().await;
        greet(channel, "world").await.unwrap();
    });
}
