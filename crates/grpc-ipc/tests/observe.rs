//! The events of connections and calls that programs receive.

mod util;

use std::sync::{Arc, Mutex};
use std::time::Duration;

use grpc_ipc::memory::Network;
use grpc_ipc::{
    AccessPolicy, Channel, ConnectOptions, End, Event, Http2Options, ListenOptions, RecordCalls, Refusal,
    Server,
};
use grpc_ipc_conformance::{LIMIT, Watchdog, run};
use grpc_ipc_proto::greet::greeter_client::GreeterClient;
use grpc_ipc_proto::greet::greeter_server::{Greeter, GreeterServer};
use grpc_ipc_proto::greet::{HelloReply, HelloRequest};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tonic::{Code, Request, Response, Status};
use tower_layer::Layer as _;
use util::{DRAIN, MyGreeter, Running, greet};

/// An observer's event, without its borrows.
#[derive(Debug)]
enum Told {
    Connected { id: u64, peer: String, address: String },
    Refused { peer: String, why: String, too_many: bool },
    ConnectFailed { error: String },
    Disconnected { id: u64, end: End, calls: u64, received: u64, sent: u64 },
}

fn observer() -> (impl Fn(&Event<'_>) + Send + Sync + 'static, UnboundedReceiver<Told>) {
    let (tell, told) = unbounded_channel();
    (move |event: &Event<'_>| copy(event, &tell), told)
}

fn copy(event: &Event<'_>, tell: &UnboundedSender<Told>) {
    let told = match event {
        Event::Connected { connection, .. } => Told::Connected {
            id: connection.id(),
            peer: connection.peer().to_string(),
            address: connection.address().to_string(),
        },
        Event::Refused { peer, why, .. } => Told::Refused {
            peer: peer.to_string(),
            why: why.to_string(),
            too_many: matches!(why, Refusal::TooManyConnections),
        },
        Event::ConnectFailed { error, .. } => Told::ConnectFailed { error: error.to_string() },
        Event::Disconnected { connection, end, traffic, .. } => Told::Disconnected {
            id: connection.id(),
            end: (*end).clone(),
            calls: traffic.calls,
            received: traffic.bytes_received,
            sent: traffic.bytes_sent,
        },
        other => panic!("{other:?}"),
    };
    // The test may have ended.
    _ = tell.send(told);
}

struct Scene {
    network: Network,
    running: Running,
    told: UnboundedReceiver<Told>,
}

async fn serve(build: impl FnOnce(Server) -> Server) -> Scene {
    let network = Network::new();
    let listener = network.listen("observed", AccessPolicy::default()).unwrap();
    let (observer, told) = observer();
    let server = Server::builder().add_service(MyGreeter::default().service()).observe(observer);
    let running = Running::start(build(server).listener(listener).bind().await.unwrap(), DRAIN);
    Scene { network, running, told }
}

impl Scene {
    fn connect(&self) -> Channel {
        Channel::from_connector(self.network.connector("observed", AccessPolicy::default()))
    }
}

#[test]
fn a_server_tells_of_its_connections() {
    run("a_server_tells_of_its_connections", || async {
        let mut scene = serve(|server| server).await;
        let mut ids = Vec::new();
        for round in 1..=2 {
            let channel = scene.connect();
            for _ in 0..round {
                greet(channel.clone(), "world").await.unwrap();
            }
            let Some(Told::Connected { id, peer, address }) = scene.told.recv().await else { panic!() };
            assert_eq!(peer, format!("memory:user=?,pid={}", std::process::id()));
            assert_eq!(address, "memory:observed");
            drop(channel);
            let told = scene.told.recv().await.unwrap();
            let Told::Disconnected { id: ended, end, calls, received, sent } = told else {
                panic!("{told:?}")
            };
            assert_eq!((ended, calls), (id, round));
            assert!(matches!(end, End::PeerWentAway | End::PeerClosed), "{end:?}");
            assert!(received > 100 && sent > 100, "{received} {sent}");
            ids.push(id);
        }
        assert_ne!(ids[0], ids[1]);
    });
}

#[test]
fn it_tells_how_they_have_ended() {
    let name = "it_tells_how_they_have_ended";
    let _watchdog = Watchdog::start(name, LIMIT);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build();
    runtime.unwrap().block_on(async {
        let http2 = || Http2Options::new();
        let second = Duration::from_secs(1);
        type Expected = fn(&End) -> bool;
        let cases: [(_, Expected); 2] = [
            (http2().max_connection_idle(second), |end| matches!(end, End::Idle)),
            (http2().max_connection_age(second), |end| matches!(end, End::Age)),
        ];
        for (http2, expected) in cases {
            let mut scene = serve(|server| server.http2(http2)).await;
            let channel = scene.connect();
            greet(channel.clone(), "world").await.unwrap();
            assert!(matches!(scene.told.recv().await, Some(Told::Connected { .. })));
            let told = scene.told.recv().await.unwrap();
            let Told::Disconnected { end, .. } = told else { panic!("{told:?}") };
            assert!(expected(&end) && end.is_normal(), "{end:?}");
        }
        let mut scene = serve(|server| server).await;
        let channel = scene.connect();
        greet(channel.clone(), "world").await.unwrap();
        assert!(matches!(scene.told.recv().await, Some(Told::Connected { .. })));
        scene.running.stop().await.unwrap().unwrap();
        let told = scene.told.recv().await.unwrap();
        assert!(matches!(told, Told::Disconnected { end: End::WentAway, .. }), "{told:?}");
    });
}

/// A peer that breaks a rule, and one that is another program.
#[test]
fn failures_are_told_apart_from_normal_ends() {
    run("failures_are_told_apart_from_normal_ends", || async {
        use grpc_ipc::Connector as _;
        use tokio::io::AsyncWriteExt as _;

        let mut scene = serve(|server| server).await;
        let connector = scene.network.connector("observed", AccessPolicy::default());
        let deadline = tokio::time::Instant::now() + Duration::from_secs(20);
        let mut raw = connector.connect(deadline).await.unwrap();
        raw.write_all(b"GET / HTTP/1.1\r\n\r\n").await.unwrap();
        assert!(matches!(scene.told.recv().await, Some(Told::Connected { .. })));
        let told = scene.told.recv().await.unwrap();
        let Told::Disconnected { end, calls: 0, .. } = told else { panic!("{told:?}") };
        assert!(matches!(end, End::Failed(_)) && !end.is_normal(), "{end:?}");
    });
}

#[test]
fn a_server_tells_whom_it_refuses() {
    run("a_server_tells_whom_it_refuses", || async {
        let (observe, mut told) = observer();
        let options = ListenOptions::new("http://127.0.0.1:0").access(AccessPolicy::users([]));
        let server = Server::builder().listen(options).observe(observe).bind().await.unwrap();
        let address = server.local_addresses()[0].clone();
        let _running = Running::start(server, DRAIN);
        Channel::connect(address).await.unwrap_err();
        let Some(Told::Refused { peer, why, too_many: false }) = told.recv().await else { panic!() };
        assert!(peer.starts_with("tcp:127.0.0.1:"), "{peer}");
        assert!(why.contains("the access policy allows"), "{why}");

        let mut scene = serve(|server| server.max_connections_per_user(1)).await;
        let first = scene.connect();
        greet(first.clone(), "world").await.unwrap();
        assert!(matches!(scene.told.recv().await, Some(Told::Connected { .. })));
        greet(scene.connect(), "world").await.unwrap_err();
        let told = scene.told.recv().await.unwrap();
        assert!(matches!(told, Told::Refused { too_many: true, .. }), "{told:?}");
    });
}

#[test]
fn a_channel_tells_of_its_connections() {
    run("a_channel_tells_of_its_connections", || async {
        let server = Server::builder().add_service(MyGreeter::default().service());
        let server = server.listen("http://127.0.0.1:0").bind().await.unwrap();
        let address = server.local_addresses()[0].clone();
        let running = Running::start(server, DRAIN);
        let (observe, mut told) = observer();
        let channel = Channel::connect(ConnectOptions::new(address.clone()).observe(observe)).await.unwrap();
        greet(channel.clone(), "world").await.unwrap();
        let Some(Told::Connected { id, address: at, .. }) = told.recv().await else { panic!() };
        assert_eq!(at, address.to_string());
        running.stop().await.unwrap().unwrap();
        let ended = told.recv().await.unwrap();
        let Told::Disconnected { id: same, end: End::PeerWentAway, calls: 1, received, sent } = ended else {
            panic!("{ended:?}")
        };
        assert_eq!(same, id);
        assert!(received > 100 && sent > 100, "{received} {sent}");
        greet(channel, "world").await.unwrap_err();
        let failed = told.recv().await.unwrap();
        let Told::ConnectFailed { error } = failed else { panic!("{failed:?}") };
        assert!(error.contains(&address.to_string()), "{error}");
    });
}

#[test]
fn an_observer_that_panics_breaks_nothing() {
    run("an_observer_that_panics_breaks_nothing", || async {
        let mut scene =
            serve(|server| server.observe(|_: &Event<'_>| panic!("an observer panics")).max_connections(1))
                .await;
        for _ in 0..2 {
            greet(scene.connect(), "world").await.unwrap();
            // Others receive their events.
            assert!(matches!(scene.told.recv().await, Some(Told::Connected { .. })));
            assert!(matches!(scene.told.recv().await, Some(Told::Disconnected { .. })));
        }
    });
}

#[test]
fn observers_leave_calls_direct() {
    run("observers_leave_calls_direct", || async {
        let network = Network::new();
        let listener = network.listen("observed", AccessPolicy::default()).unwrap();
        let server =
            Server::builder().add_service(MyGreeter::default().service()).observe(|_: &Event<'_>| ());
        let server = server.tag_peers(|_| 7_u32).listener(listener).bind().await.unwrap();
        let general = server.general_calls();
        let _running = Running::start(server, DRAIN);
        let channel = Channel::from_connector(network.connector("observed", AccessPolicy::default()));
        for _ in 0..3 {
            greet(channel.clone(), "world").await.unwrap();
        }
        assert!(general.load(std::sync::atomic::Ordering::Relaxed) <= 1);
    });
}

#[test]
fn a_peer_carries_the_programs_tag() {
    struct PlugIn(String);

    run("a_peer_carries_the_programs_tag", || async {
        for is_general in [false, true] {
            let service = GreeterServer::with_interceptor(MyGreeter::default(), |request: Request<()>| {
                let peer = request.extensions().get::<grpc_ipc::Peer>().unwrap();
                Err(Status::aborted(&peer.tag::<PlugIn>().unwrap().0))
            });
            let server = Server::builder().add_service(service);
            let server = server.tag_peers(|peer| PlugIn(format!("spell checker, {}", peer.transport())));
            let server = if is_general { server.trace_fn(|_| tracing::Span::none()) } else { server };
            let network = Network::new();
            let listener = network.listen("tagged", AccessPolicy::default()).unwrap();
            let _running = Running::start(server.listener(listener).bind().await.unwrap(), DRAIN);
            let channel = Channel::from_connector(network.connector("tagged", AccessPolicy::default()));
            let status = greet(channel, "world").await.unwrap_err();
            assert_eq!((status.code(), status.message()), (Code::Aborted, "spell checker, memory"));
        }
    });
}

#[test]
fn calls_are_recorded_at_both_ends() {
    run("calls_are_recorded_at_both_ends", || async {
        let records = Arc::<Mutex<Vec<String>>>::default();
        let recorder = |layer: RecordCalls, side: &'static str| {
            let records = Arc::clone(&records);
            layer.on_call(move |call| {
                let peer = if call.peer.is_some() { "peer" } else { "no peer" };
                records.lock().unwrap().push(format!("{side} {} {:?} {peer}", call.path, call.code));
            })
        };
        let server = Server::builder().add_service(MyGreeter::default().service());
        let server = server.layer(recorder(RecordCalls::server(), "server"));
        let network = Network::new();
        let listener = network.listen("recorded", AccessPolicy::default()).unwrap();
        let running = Running::start(server.listener(listener).bind().await.unwrap(), DRAIN);
        let channel = Channel::from_connector(network.connector("recorded", AccessPolicy::default()));
        let channel = recorder(RecordCalls::client(), "client").layer(channel);
        let mut client = GreeterClient::new(channel);
        client.say_hello(HelloRequest { name: "world".to_owned() }).await.unwrap();
        let mut late = Request::new(HelloRequest { name: "wait".to_owned() });
        late.set_timeout(Duration::from_millis(20));
        client.say_hello(late).await.unwrap_err();
        drop(client);
        running.stop().await.unwrap().unwrap();
        let mut records = records.lock().unwrap().clone();
        records.sort();
        // The engine ends a call at its deadline, and drops the handler's call.
        let method = "/greet.Greeter/SayHello";
        let expected = [
            format!("client {method} DeadlineExceeded no peer"),
            format!("client {method} Ok no peer"),
            format!("server {method} Cancelled peer"),
            format!("server {method} Ok peer"),
        ];
        assert_eq!(records, expected);
    });
}

/// A call is recorded as its client observes it.
#[test]
fn a_call_whose_handler_panics_is_recorded_as_its_client_sees_it() {
    run("a_call_whose_handler_panics_is_recorded_as_its_client_sees_it", || async {
        let codes = Arc::<Mutex<Vec<Code>>>::default();
        let network = Network::new();
        let listener = network.listen("recorded", AccessPolicy::default()).unwrap();
        let recorded = Arc::clone(&codes);
        let server = Server::builder()
            .add_service(GreeterServer::new(Panics))
            .layer(RecordCalls::server().on_call(move |call| recorded.lock().unwrap().push(call.code)));
        let running = Running::start(server.listener(listener).bind().await.unwrap(), DRAIN);
        let channel = Channel::from_connector(network.connector("recorded", AccessPolicy::default()));
        let status = GreeterClient::new(channel).say_hello(HelloRequest::default()).await.unwrap_err();
        running.stop().await.unwrap().unwrap();
        assert_eq!(status.code(), Code::Unknown);
        assert_eq!(*codes.lock().unwrap(), [Code::Unknown]);
    });
}

struct Panics;

#[tonic::async_trait]
impl Greeter for Panics {
    async fn say_hello(&self, _: Request<HelloRequest>) -> Result<Response<HelloReply>, Status> {
        tokio::task::yield_now().await;
        panic!("as the test wants it")
    }
}
