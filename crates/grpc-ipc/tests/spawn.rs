//! `Server::spawn`: a server for a program without a runtime.

mod util;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, mpsc};
use std::thread;
use std::time::Duration;

use grpc_ipc::memory::{MemoryStream, Network};
use grpc_ipc::{
    AccessPolicy, Address, BindError, Channel, ConnectError, Connector as _, Listener, ServeError, Server,
    ServerHandle,
};
use grpc_ipc_conformance::{LIMIT, Watchdog, run, unique_name};
use grpc_ipc_proto::greet::greeter_server::{Greeter, GreeterServer};
use grpc_ipc_proto::greet::{HelloReply, HelloRequest};
use tokio::io::AsyncReadExt as _;
use tokio::runtime::{Builder, Runtime};
use tokio::time::Instant;
use tonic::{Code, Request, Response, Status};
use util::{DRAIN, MyGreeter, greet};

fn watch(test: &str) -> Watchdog {
    Watchdog::start(test, LIMIT)
}

/// A client's runtime, which continues while the test blocks.
fn client() -> Runtime {
    Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap()
}

fn spawn(network: &Network, name: &str, greeter: &MyGreeter) -> ServerHandle {
    let listener = network.listen(name, AccessPolicy::default()).unwrap();
    Server::builder().add_service(greeter.service()).listener(listener).spawn().unwrap()
}

fn channel(network: &Network, name: &str) -> Channel {
    Channel::from_connector(network.connector(name, AccessPolicy::default()))
}

#[test]
fn it_serves_and_shuts_down_without_a_runtime() {
    let _watchdog = watch("it_serves_and_shuts_down_without_a_runtime");
    let server = Server::builder().add_service(MyGreeter::default().service()).listen("http://127.0.0.1:0");
    let server = server.spawn().unwrap();
    let address = server.local_addresses()[0].clone();
    assert_eq!(format!("{server:?}"), format!("ServerHandle {{ local_addresses: [{address:?}], .. }}"));

    let client = client();
    let channel = client.block_on(Channel::connect(&address)).unwrap();
    let greeted = client.block_on(greet(channel, "world")).unwrap();
    assert!(greeted.starts_with("Hello world, tcp:127.0.0.1:"), "{greeted}");
    assert!(!server.is_finished());

    server.shutdown(DRAIN).unwrap();
    let error = client.block_on(Channel::connect(&address)).unwrap_err();
    assert!(matches!(error, ConnectError::Refused { .. }), "{error:?}");
}

#[test]
fn an_address_that_cannot_be_served_is_an_error() {
    let _watchdog = watch("an_address_that_cannot_be_served_is_an_error");
    let first = Server::builder().listen("http://127.0.0.1:0").spawn().unwrap();
    let taken = Server::builder().listen(&first.local_addresses()[0]).spawn().unwrap_err();
    assert!(matches!(taken, ServeError::Bind(BindError::InUse { .. })), "{taken:?}");
    first.shutdown(DRAIN).unwrap();
    let error = Server::builder().spawn().unwrap_err();
    assert!(matches!(error, ServeError::NoListener), "{error:?}");
}

#[test]
fn shutdown_lets_calls_finish() {
    let _watchdog = watch("shutdown_lets_calls_finish");
    let (network, greeter, client) = (Network::new(), MyGreeter::default(), client());
    let server = spawn(&network, "greeter", &greeter);
    let call = client.spawn(greet(channel(&network, "greeter"), "wait"));
    client.block_on(greeter.called.notified());

    let stopping = thread::spawn(|| server.shutdown(DRAIN));
    // The name is free at once, while the call continues.
    while network.listen("greeter", AccessPolicy::default()).is_err() {
        thread::yield_now();
    }
    assert!(!call.is_finished() && !stopping.is_finished());
    greeter.go_on.notify_one();
    assert!(client.block_on(call).unwrap().unwrap().starts_with("Hello wait"));
    stopping.join().unwrap().unwrap();
}

#[test]
fn shutdown_ends_at_its_deadline() {
    let _watchdog = watch("shutdown_ends_at_its_deadline");
    let (network, greeter, client) = (Network::new(), MyGreeter::default(), client());
    let server = spawn(&network, "greeter", &greeter);
    let call = client.spawn(greet(channel(&network, "greeter"), "wait"));
    client.block_on(greeter.called.notified());
    server.shutdown(Duration::from_millis(50)).unwrap();
    assert_cut(client.block_on(call).unwrap());
}

#[test]
fn dropping_the_handle_stops_the_server() {
    let _watchdog = watch("dropping_the_handle_stops_the_server");
    let (network, greeter, client) = (Network::new(), MyGreeter::default(), client());
    let server = spawn(&network, "greeter", &greeter);
    let connector = network.connector("greeter", AccessPolicy::default());
    let mut silent = client.block_on(connector.connect(Instant::now() + DRAIN)).unwrap();
    let call = client.spawn(greet(channel(&network, "greeter"), "wait"));
    client.block_on(greeter.called.notified());
    drop(server);
    assert_cut(client.block_on(call).unwrap());
    client.block_on(silent.read_to_end(&mut Vec::new())).unwrap();
    network.listen("greeter", AccessPolicy::default()).expect("the name is free again");
}

/// Fails unless the call ended with its connection.
#[track_caller]
fn assert_cut(call: Result<String, Status>) {
    let status = call.unwrap_err();
    assert!(matches!(status.code(), Code::Unavailable | Code::Cancelled), "{status:?}");
}

#[test]
fn two_servers_at_a_time() {
    let _watchdog = watch("two_servers_at_a_time");
    let (network, client) = (Network::new(), client());
    let [first, second] = ["first", "second"].map(|name| spawn(&network, name, &MyGreeter::default()));
    for name in ["first", "second"] {
        client.block_on(greet(channel(&network, name), name)).unwrap();
    }
    first.shutdown(DRAIN).unwrap();
    client.block_on(greet(channel(&network, "second"), "second")).unwrap();
    second.shutdown(DRAIN).unwrap();
}

/// It blocks, but does not panic, and the handle may be dropped there.
#[test]
fn it_works_inside_a_runtime() {
    run("it_works_inside_a_runtime", || async {
        let network = Network::new();
        for name in ["first", "second"] {
            let server = spawn(&network, name, &MyGreeter::default());
            greet(channel(&network, name), "world").await.unwrap();
            match name {
                "first" => server.shutdown(DRAIN).unwrap(),
                _ => drop(server),
            }
        }
    });
}

#[test]
fn a_client_that_nobody_drives_is_waited_for_no_longer_than_the_drain() {
    let _watchdog = watch("a_client_that_nobody_drives_is_waited_for_no_longer_than_the_drain");
    let network = Network::new();
    let server = spawn(&network, "greeter", &MyGreeter::default());
    let client = Builder::new_current_thread().enable_all().build().unwrap();
    client.block_on(greet(channel(&network, "greeter"), "world")).unwrap();
    server.shutdown(Duration::from_millis(50)).unwrap();
}

#[test]
fn many_threads_may_hold_a_handle() {
    fn assert_send_and_sync<T: Send + Sync>() {}
    assert_send_and_sync::<ServerHandle>();
}

/// Blocks its thread until the test drops the other end of `released`.
struct Blocking {
    in_place: bool,
    /// Receives the name of the thread.
    called: mpsc::Sender<Option<String>>,
    released: Arc<Mutex<mpsc::Receiver<()>>>,
}

impl Blocking {
    fn spawn(
        network: &Network,
        in_place: bool,
    ) -> (ServerHandle, mpsc::Receiver<Option<String>>, mpsc::Sender<()>) {
        let listener = network.listen("blocking", AccessPolicy::default()).unwrap();
        let (called, is_called) = mpsc::channel();
        let (release, released) = mpsc::channel();
        let service = GreeterServer::new(Self { in_place, called, released: Arc::new(Mutex::new(released)) });
        let server = Server::builder().add_service(service).listener(listener).spawn().unwrap();
        (server, is_called, release)
    }
}

#[tonic::async_trait]
impl Greeter for Blocking {
    async fn say_hello(&self, _: Request<HelloRequest>) -> Result<Response<HelloReply>, Status> {
        let (called, released) = (self.called.clone(), Arc::clone(&self.released));
        let block = move || {
            called.send(thread::current().name().map(str::to_owned)).unwrap();
            released.lock().unwrap().recv().unwrap_err();
        };
        match self.in_place {
            true => block(),
            false => tokio::task::spawn_blocking(block).await.unwrap(),
        }
        Ok(Response::new(HelloReply::default()))
    }
}

#[test]
fn a_handler_that_blocks_the_thread_is_left_behind() {
    let _watchdog = watch("a_handler_that_blocks_the_thread_is_left_behind");
    let (network, client) = (Network::new(), client());
    let (server, called, release) = Blocking::spawn(&network, true);
    let call = client.spawn(greet(channel(&network, "blocking"), "world"));
    assert_eq!(called.recv().unwrap().as_deref(), Some("grpc-ipc-server"));
    let error = server.shutdown(Duration::ZERO).unwrap_err();
    assert!(matches!(error, ServeError::Blocked), "{error:?}");

    // When the handler releases the thread, the server ends.
    drop(release);
    _ = client.block_on(call).unwrap();
    while network.listen("blocking", AccessPolicy::default()).is_err() {
        thread::yield_now();
    }
}

#[test]
fn shutdown_does_not_wait_for_blocking_work() {
    let _watchdog = watch("shutdown_does_not_wait_for_blocking_work");
    let (network, client) = (Network::new(), client());
    let (server, called, release) = Blocking::spawn(&network, false);
    let call = client.spawn(greet(channel(&network, "blocking"), "world"));
    called.recv().unwrap();
    server.shutdown(Duration::from_millis(50)).unwrap();
    assert_cut(client.block_on(call).unwrap());
    drop(release);
}

/// Panics once it is told to.
struct Panicking {
    address: Address,
    told: tokio::sync::oneshot::Receiver<()>,
}

impl Panicking {
    fn spawn() -> (ServerHandle, tokio::sync::oneshot::Sender<()>) {
        let (tell, told) = tokio::sync::oneshot::channel();
        let listener = Self { address: Address::custom("test", "panicking"), told };
        (Server::builder().listener(listener).spawn().unwrap(), tell)
    }
}

impl Listener for Panicking {
    type Connection = MemoryStream;

    async fn accept(&mut self) -> MemoryStream {
        _ = (&mut self.told).await;
        panic!("told to");
    }

    fn local_address(&self) -> &Address {
        &self.address
    }
}

#[test]
fn a_panic_of_a_listener_reaches_who_waits() {
    let _watchdog = watch("a_panic_of_a_listener_reaches_who_waits");
    let (server, tell) = Panicking::spawn();
    let waiting = thread::spawn(|| server.wait());
    assert!(!waiting.is_finished());
    drop(tell);
    let panic = waiting.join().unwrap_err();
    assert_eq!(panic.downcast_ref(), Some(&"told to"));

    let (server, tell) = Panicking::spawn();
    drop(tell);
    while !server.is_finished() {
        thread::yield_now();
    }
    let panic = catch_unwind(AssertUnwindSafe(|| server.shutdown(DRAIN))).unwrap_err();
    assert_eq!(panic.downcast_ref(), Some(&"told to"));
}

#[test]
fn handlers_run_on_as_many_threads_as_wanted() {
    let _watchdog = watch("handlers_run_on_as_many_threads_as_wanted");
    let (network, client) = (Network::new(), client());
    let listener = network.listen("blocking", AccessPolicy::default()).unwrap();
    let (called, is_called) = mpsc::channel();
    let (release, released) = mpsc::channel();
    let released = Arc::new(Mutex::new(released));
    let service = GreeterServer::new(Blocking { in_place: true, called, released });
    let server = Server::builder().add_service(service).listener(listener).worker_threads(2).spawn().unwrap();
    // Each call is on a connection of its own, and blocks its thread.
    let calls: Vec<_> = (0..2).map(|_| client.spawn(greet(channel(&network, "blocking"), "world"))).collect();
    for _ in &calls {
        assert_eq!(is_called.recv().unwrap().as_deref(), Some("grpc-ipc-server"));
    }
    drop(release);
    for call in calls {
        client.block_on(call).unwrap().unwrap();
    }
    server.shutdown(DRAIN).unwrap();
}

#[test]
fn it_runs_on_a_runtime_that_is_there() {
    let _watchdog = watch("it_runs_on_a_runtime_that_is_there");
    let (network, client) = (Network::new(), client());
    let listener = || network.listen("greeter", AccessPolicy::default()).unwrap();
    let on = |runtime: &Runtime| {
        let server = Server::builder().add_service(MyGreeter::default().service()).listener(listener());
        server.spawn_on(runtime.handle()).unwrap()
    };
    let server = on(&client);
    client.block_on(greet(channel(&network, "greeter"), "world")).unwrap();
    assert!(!server.is_finished());
    server.shutdown(DRAIN).unwrap();

    // The server ends with its runtime.
    let other = self::client();
    let server = on(&other);
    drop(other);
    let error = server.wait().unwrap_err();
    assert!(matches!(error, ServeError::RuntimeEnded), "{error:?}");

    let error = Server::builder().spawn_on(client.handle()).unwrap_err();
    assert!(matches!(error, ServeError::NoListener), "{error:?}");
    let single = Builder::new_current_thread().build().unwrap();
    let inside = single.block_on(async { Server::builder().listener(listener()).spawn_on(single.handle()) });
    assert!(matches!(inside, Err(ServeError::InsideRuntime)), "{inside:?}");
    let one_worker = Builder::new_multi_thread().worker_threads(1).build().unwrap();
    let (runtime, server) = (one_worker.handle().clone(), Server::builder().listener(listener()));
    let inside = one_worker.spawn(async move { server.spawn_on(&runtime) });
    let inside = one_worker.block_on(inside).unwrap();
    assert!(matches!(inside, Err(ServeError::InsideRuntime)), "{inside:?}");
}

#[test]
fn it_counts_connections_and_calls() {
    let _watchdog = watch("it_counts_connections_and_calls");
    let (greeter, client) = (MyGreeter::default(), client());
    let server = Server::builder()
        .add_service(greeter.service())
        .max_connections_per_user(1)
        // Not TCP: Windows may discard the answer to a client when its connection is reset.
        .listen(Address::local(unique_name("counts")).unwrap())
        .spawn()
        .unwrap();
    let (stats, address) = (server.stats(), server.local_addresses()[0].clone());
    let first = client.block_on(Channel::connect(&address)).unwrap();
    for name in ["first", "second"] {
        client.block_on(greet(first.clone(), name)).unwrap();
    }
    let error = client.block_on(Channel::connect(&address)).unwrap_err();
    assert!(matches!(error, ConnectError::TooManyConnections { .. }), "{error:?}");
    let call = client.spawn(greet(first.clone(), "wait"));
    client.block_on(greeter.called.notified());
    let now = |stats: &grpc_ipc::ServerStats| {
        let connections =
            (stats.open_connections(), stats.accepted_connections(), stats.refused_connections());
        (connections, stats.calls_started(), stats.calls_running(), stats.general_calls())
    };
    assert_eq!(now(&stats), ((1, 1, 1), 3, 1, 0));
    greeter.go_on.notify_one();
    client.block_on(call).unwrap().unwrap();
    server.shutdown(DRAIN).unwrap();
    assert_eq!(now(&stats), ((0, 1, 1), 3, 0, 0));
}
