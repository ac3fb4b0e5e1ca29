//! The limit of calls for each connection, the tracing of requests, and the addresses of TCP clients.

mod util;

use std::sync::{Arc, Mutex};

use grpc_ipc::memory::Network;
use grpc_ipc::{AccessPolicy, Channel, MethodPath, Peer, Server};
use grpc_ipc_conformance::run;
use tonic::{Code, Request, Status};
use util::{DRAIN, MyGreeter, Running, greet};

async fn serve(greeter: &MyGreeter, build: impl FnOnce(Server) -> Server) -> (Running, Network) {
    let network = Network::new();
    let listener = network.listen("greeter", AccessPolicy::default()).unwrap();
    let server = build(Server::builder().add_service(greeter.service())).listener(listener);
    (Running::start(server.bind().await.unwrap(), DRAIN), network)
}

fn connect(network: &Network) -> Channel {
    Channel::from_connector(network.connector("greeter", AccessPolicy::default()))
}

#[test]
fn calls_beyond_the_limit_of_a_connection_wait() {
    run("calls_beyond_the_limit_of_a_connection_wait", || async {
        let greeter = MyGreeter::default();
        let (_running, network) = serve(&greeter, |server| server.concurrency_limit_per_connection(1)).await;
        let channel = connect(&network);
        let first = tokio::spawn(greet(channel.clone(), "wait"));
        greeter.called.notified().await;
        let second = tokio::spawn(greet(channel.clone(), "second"));
        // Each connection has its own limit.
        greet(connect(&network), "other").await.unwrap();
        assert!(!second.is_finished());
        greeter.go_on.notify_one();
        first.await.unwrap().unwrap();
        second.await.unwrap().unwrap();
    });
}

#[test]
fn calls_beyond_the_limit_are_shed() {
    run("calls_beyond_the_limit_are_shed", || async {
        let greeter = MyGreeter::default();
        let build = |server: Server| server.load_shed(true).concurrency_limit_per_connection(1);
        let (_running, network) = serve(&greeter, build).await;
        let channel = connect(&network);
        for _ in 0..2 {
            let first = tokio::spawn(greet(channel.clone(), "wait"));
            greeter.called.notified().await;
            let status = greet(channel.clone(), "second").await.unwrap_err();
            let expected = "Too many active requests for the connection";
            assert_eq!((status.code(), status.message()), (Code::ResourceExhausted, expected));
            greeter.go_on.notify_one();
            first.await.unwrap().unwrap();
            greet(channel.clone(), "third").await.unwrap();
        }
    });
}

#[test]
fn each_request_has_a_span_that_the_program_makes() {
    run("each_request_has_a_span_that_the_program_makes", || async {
        let seen = Arc::<Mutex<Vec<String>>>::default();
        let traced = Arc::clone(&seen);
        let build = |server: Server| {
            server.trace_fn(move |request| {
                let [peer, path] = [
                    request.extensions().get::<Peer>().map(Peer::to_string),
                    request.extensions().get::<MethodPath>().map(MethodPath::to_string),
                ];
                traced.lock().unwrap().push(format!("{} {}", path.unwrap(), peer.unwrap()));
                tracing::info_span!("request", path = request.uri().path())
            })
        };
        let (_running, network) = serve(&MyGreeter::default(), build).await;
        let channel = connect(&network);
        for _ in 0..2 {
            greet(channel.clone(), "world").await.unwrap();
        }
        let expected = format!("/greet.Greeter/SayHello memory:user=?,pid={}", std::process::id());
        assert_eq!(*seen.lock().unwrap(), [expected.clone(), expected]);
    });
}

#[test]
fn the_address_of_a_peer_over_tcp_is_known() {
    run("the_address_of_a_peer_over_tcp_is_known", || async {
        // On the direct path, and on the general path.
        for is_traced in [false, true] {
            let greeter = MyGreeter::default();
            let service = grpc_ipc_proto::greet::greeter_server::GreeterServer::with_interceptor(
                greeter,
                |request: Request<()>| {
                    let peer = request.extensions().get::<Peer>().unwrap();
                    let address = peer.remote_addr().unwrap();
                    assert!(address.ip().is_loopback() && address.port() != 0, "{address}");
                    assert_eq!(peer.to_string(), format!("tcp:{address}"));
                    #[cfg(feature = "tonic-transport")]
                    assert_eq!(request.remote_addr(), Some(address));
                    Err(Status::aborted("checked"))
                },
            );
            let server = Server::builder().add_service(service).listen("http://127.0.0.1:0");
            let server = match is_traced {
                true => server.trace_fn(|_| tracing::Span::none()),
                false => server,
            };
            let server = server.bind().await.unwrap();
            let address = server.local_addresses()[0].clone();
            let _running = Running::start(server, DRAIN);
            let channel = Channel::connect(address).await.unwrap();
            assert_eq!(greet(channel, "world").await.unwrap_err().code(), Code::Aborted);
        }
    });
}
