//! A server that describes itself, leaves when asked, and ends when it is idle.

mod util;

use std::pin::pin;
use std::time::Duration;

use futures_util::stream;
use grpc_ipc::memory::{MemoryListener, MemoryStream, Network};
use grpc_ipc::{
    AccessPolicy, Address, Announcement, BoundServer, Channel, Connector as _, Listener, ServeError, Server,
};
use grpc_ipc_conformance::{LIMIT, Watchdog, run};
use grpc_ipc_proto::bench::bench_client::BenchClient;
use grpc_ipc_proto::bench::bench_server::{Bench, BenchServer};
use grpc_ipc_proto::bench::{Chunk, Total, Transfer};
use tokio::sync::Notify;
use tokio::task::JoinHandle;
use tokio::time::Instant;
use tonic::{Code, Request, Response, Status, Streaming};
use util::{DRAIN, MyGreeter, Running, greet};

const IDLE: Duration = Duration::from_secs(60);

async fn server(network: &Network, greeter: &MyGreeter, set: impl FnOnce(Server) -> Server) -> BoundServer {
    let listener = network.listen("server", AccessPolicy::default()).unwrap();
    set(Server::builder().add_service(greeter.service()).listener(listener)).bind().await.unwrap()
}

fn channel(network: &Network) -> Channel {
    Channel::from_connector(network.connector("server", AccessPolicy::default()))
}

/// A server with a call under way.
struct Busy {
    network: Network,
    greeter: MyGreeter,
    serving: JoinHandle<Result<(), ServeError>>,
    channel: Channel,
    call: JoinHandle<Result<String, Status>>,
}

impl Busy {
    async fn start(announcement: Announcement) -> Self {
        let (network, greeter) = (Network::new(), MyGreeter::default());
        let announce = |server: Server| server.announce(announcement);
        let serving = tokio::spawn(server(&network, &greeter, announce).await.serve());
        let channel = channel(&network);
        let call = tokio::spawn(greet(channel.clone(), "wait"));
        greeter.called.notified().await;
        Self { network, greeter, serving, channel, call }
    }
}

#[test]
fn a_server_says_who_it_is() {
    run("a_server_says_who_it_is", || async {
        let network = Network::new();
        let announce = |server: Server| server.announce(Announcement::new("greeter", "1.2.3"));
        let running = Running::start(server(&network, &MyGreeter::default(), announce).await, DRAIN);
        let described = channel(&network).describe().await.unwrap();
        assert_eq!((&*described.name, &*described.version), ("greeter", "1.2.3"));
        assert_eq!(described.pid, std::process::id());
        assert!(described.started.elapsed().unwrap() < Duration::from_secs(3600));
        running.stop().await.unwrap().unwrap();

        let running = Running::start(server(&network, &MyGreeter::default(), |server| server).await, DRAIN);
        assert_eq!(channel(&network).describe().await.unwrap_err().code(), Code::Unimplemented);
        running.stop().await.unwrap().unwrap();
    });
}

#[test]
fn a_server_leaves_when_it_is_asked_to() {
    run("a_server_leaves_when_it_is_asked_to", || async {
        let Busy { network, greeter, serving, channel, call } =
            Busy::start(Announcement::new("greeter", "1")).await;
        let pid = std::process::id();
        let other = channel.ask_to_leave(Some(pid + 1)).await.unwrap_err();
        assert_eq!(other.code(), Code::FailedPrecondition, "{other:?}");
        channel.ask_to_leave(Some(pid)).await.unwrap();
        // The name is free while the call continues.
        network.listen("server", AccessPolicy::default()).expect("the server has given up its name");
        assert!(!call.is_finished() && !serving.is_finished());
        greeter.go_on.notify_one();
        call.await.unwrap().unwrap();
        serving.await.unwrap().unwrap();
    });
}

/// Otherwise the client's next call could reach the server that has just been stopped.
#[test]
fn a_server_answers_that_it_leaves_when_its_name_is_free() {
    run("a_server_answers_that_it_leaves_when_its_name_is_free", || async {
        let network = Network::new();
        let announce = |server: Server| server.announce(Announcement::new("greeter", "1"));
        let mut serving = pin!(server(&network, &MyGreeter::default(), announce).await.serve());
        let channel = channel(&network);
        tokio::select! {
            ended = &mut serving => panic!("{ended:?}"),
            described = channel.describe() => drop(described.unwrap()),
        }

        // The connection has a task of its own, and continues while nobody polls the server.
        let asked = tokio::spawn(async move { channel.ask_to_leave(None).await });
        for _ in 0..100_000 {
            tokio::task::yield_now().await;
        }
        assert!(!asked.is_finished(), "the server still has its name");
        network.listen("server", AccessPolicy::default()).map(drop).unwrap_err();
        let asked = async {
            asked.await.unwrap().unwrap();
            network.listen("server", AccessPolicy::default()).map(drop)
        };
        let (ended, is_free) = tokio::join!(serving, asked);
        ended.unwrap();
        is_free.expect("the server has given up its name");
    });
}

/// Both are ready when the server is polled, and either may come first.
#[test]
fn a_server_that_is_stopped_when_it_is_asked_to_leave_answers() {
    run("a_server_that_is_stopped_when_it_is_asked_to_leave_answers", || async {
        for _ in 0..20 {
            let network = Network::new();
            let announce = |server: Server| server.announce(Announcement::new("greeter", "1"));
            let server = server(&network, &MyGreeter::default(), announce).await;
            let (stats, stop) = (server.stats(), Notify::new());
            let mut serving = pin!(server.serve_with_shutdown(stop.notified(), DRAIN));
            let channel = channel(&network);
            tokio::select! {
                ended = &mut serving => panic!("{ended:?}"),
                described = channel.describe() => drop(described.unwrap()),
            }
            let asked = tokio::spawn(async move { channel.ask_to_leave(None).await });
            while stats.calls_started() < 2 {
                tokio::task::yield_now().await;
            }
            stop.notify_one();
            let (ended, asked) = tokio::join!(serving, asked);
            ended.unwrap();
            asked.unwrap().unwrap();
        }
    });
}

#[test]
fn calls_end_when_a_server_that_leaves_has_drained_for_long_enough() {
    run("calls_end_when_a_server_that_leaves_has_drained_for_long_enough", || async {
        let announcement = Announcement::new("greeter", "1").drain(Duration::from_millis(20));
        let Busy { serving, channel, call, .. } = Busy::start(announcement).await;
        channel.ask_to_leave(None).await.unwrap();
        serving.await.unwrap().unwrap();
        call.await.unwrap().unwrap_err();
    });
}

/// The call that asks it is a running call, too.
#[test]
fn a_server_that_leaves_without_draining_says_so() {
    let _watchdog = Watchdog::start("a_server_that_leaves_without_draining_says_so", LIMIT);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build();
    runtime.unwrap().block_on(async {
        for _ in 0..100 {
            let announcement = Announcement::new("greeter", "1").drain(Duration::ZERO);
            let Busy { serving, channel, call, .. } = Busy::start(announcement).await;
            channel.ask_to_leave(None).await.unwrap();
            serving.await.unwrap().unwrap();
            call.await.unwrap().unwrap_err();
        }
    });
}

#[test]
fn a_server_may_refuse_to_leave() {
    run("a_server_may_refuse_to_leave", || async {
        let network = Network::new();
        let announcement = Announcement::new("greeter", "1").allow_leave(false);
        let server = server(&network, &MyGreeter::default(), |server| server.announce(announcement)).await;
        let running = Running::start(server, DRAIN);
        let refused = channel(&network).ask_to_leave(None).await.unwrap_err();
        assert_eq!(refused.code(), Code::Unimplemented, "{refused:?}");
        running.stop().await.unwrap().unwrap();
    });
}

/// A connection without calls does not keep it up, and a call does. The clock advances when no task can run.
#[test]
fn an_idle_server_ends() {
    let _watchdog = Watchdog::start("an_idle_server_ends", LIMIT);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build();
    runtime.unwrap().block_on(async {
        let (network, greeter) = (Network::new(), MyGreeter::default());
        let idle = |server: Server| server.exit_when_idle(IDLE);
        let serving = tokio::spawn(server(&network, &greeter, idle).await.serve());
        let channel = channel(&network);
        greet(channel.clone(), "world").await.unwrap();
        let call = tokio::spawn(greet(channel.clone(), "wait"));
        greeter.called.notified().await;
        tokio::time::sleep(10 * IDLE).await;
        assert!(!serving.is_finished(), "a call is under way");
        greeter.go_on.notify_one();
        call.await.unwrap().unwrap();
        let answered = Instant::now();
        serving.await.unwrap().unwrap();
        let after = answered.elapsed();
        assert!((IDLE..IDLE * 3 / 2).contains(&after), "{after:?}");
        let status = greet(channel, "world").await.unwrap_err();
        assert_eq!(status.code(), Code::Unavailable, "there is nobody: {status:?}");
    });
}

/// Nothing is sent on it in either direction, and its handler has answered.
#[test]
fn a_silent_stream_keeps_an_idle_server() {
    let _watchdog = Watchdog::start("a_silent_stream_keeps_an_idle_server", LIMIT);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build();
    runtime.unwrap().block_on(async {
        let network = Network::new();
        let listener = network.listen("server", AccessPolicy::default()).unwrap();
        let server = Server::builder().add_service(BenchServer::new(Silent)).listener(listener);
        let serving = tokio::spawn(server.exit_when_idle(IDLE).bind().await.unwrap().serve());
        let channel = channel(&network);
        // The first call takes the general path, and the second one is direct.
        let mut client = BenchClient::new(channel.clone());
        for general_calls in [1, 1] {
            let replies = client.exchange(stream::pending::<Chunk>()).await.unwrap();
            tokio::time::sleep(10 * IDLE).await;
            assert_eq!(channel.general_calls(), general_calls);
            assert!(!serving.is_finished(), "a call is under way");
            network
                .listen("server", AccessPolicy::default())
                .map(drop)
                .expect_err("the server has the address");
            drop(replies);
        }
        serving.await.unwrap().unwrap();
    });
}

/// Its streams send nothing.
struct Silent;

#[tonic::async_trait]
impl Bench for Silent {
    async fn echo(&self, _: Request<Chunk>) -> Result<Response<Chunk>, Status> {
        unreachable!()
    }

    type DownloadStream = stream::Pending<Result<Chunk, Status>>;

    async fn download(&self, _: Request<Transfer>) -> Result<Response<Self::DownloadStream>, Status> {
        unreachable!()
    }

    async fn upload(&self, _: Request<Streaming<Chunk>>) -> Result<Response<Total>, Status> {
        unreachable!()
    }

    type ExchangeStream = stream::Pending<Result<Chunk, Status>>;

    async fn exchange(&self, _: Request<Streaming<Chunk>>) -> Result<Response<Self::ExchangeStream>, Status> {
        Ok(Response::new(stream::pending()))
    }
}

/// The client that started it may need some time.
#[test]
fn a_server_waits_for_its_first_client() {
    let _watchdog = Watchdog::start("a_server_waits_for_its_first_client", LIMIT);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build();
    runtime.unwrap().block_on(async {
        let (network, began) = (Network::new(), Instant::now());
        let idle = |server: Server| server.exit_when_idle(Duration::from_millis(10));
        server(&network, &MyGreeter::default(), idle).await.serve().await.unwrap();
        assert_eq!(began.elapsed().as_secs(), 5);
    });
}

/// This listener accepts nothing before the server has decided to leave.
#[test]
fn whoever_had_connected_before_is_served() {
    run("whoever_had_connected_before_is_served", || async {
        let network = Network::new();
        let mut listener = network.listen("server", AccessPolicy::default()).unwrap();
        let connector = network.connector("server", AccessPolicy::default());
        let deadline = Instant::now() + DRAIN;
        let early = connector.connect(deadline).await.unwrap();
        let late = connector.connect(deadline).await.unwrap();
        assert!(listener.accept_last().await.is_some());
        let error = connector.connect(deadline).await.map(drop).unwrap_err();
        assert_eq!(error.kind(), std::io::ErrorKind::NotFound);
        network.listen("server", AccessPolicy::default()).expect("the name is free");
        assert!(listener.accept_last().await.is_some());
        assert!(listener.accept_last().await.is_none());
        drop((early, late));
    });
}

/// Accepts one client; those after it stay in the backlog until the server gives up its address.
struct AcceptsOne(MemoryListener, bool);

impl Listener for AcceptsOne {
    type Connection = MemoryStream;

    async fn accept(&mut self) -> MemoryStream {
        if self.1 {
            std::future::pending::<()>().await;
        }
        let stream = self.0.accept().await;
        self.1 = true;
        stream
    }

    async fn accept_last(&mut self) -> Option<MemoryStream> {
        self.0.accept_last().await
    }

    fn local_address(&self) -> &Address {
        self.0.local_address()
    }
}

#[test]
fn a_call_that_arrives_when_the_server_ends_is_answered() {
    let _watchdog = Watchdog::start("a_call_that_arrives_when_the_server_ends_is_answered", LIMIT);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build();
    runtime.unwrap().block_on(async {
        let network = Network::new();
        let listener = AcceptsOne(network.listen("server", AccessPolicy::default()).unwrap(), false);
        let server = Server::builder().add_service(MyGreeter::default().service()).listener(listener);
        let server = server.exit_when_idle(Duration::from_secs(1)).bind().await.unwrap();
        let serving = tokio::spawn(server.serve());
        let first = channel(&network);
        greet(first.clone(), "first").await.unwrap();
        greet(channel(&network), "late").await.unwrap();
        serving.await.unwrap().unwrap();
        drop(first);
    });
}
