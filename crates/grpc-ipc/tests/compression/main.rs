//! Messages that are small until they are decompressed.

#[path = "../util/mod.rs"]
mod util;

mod sys;

use std::convert::Infallible;
use std::future::{Ready, ready};
use std::io::Write as _;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::{BufMut as _, Bytes};
use flate2::Compression;
use flate2::write::GzEncoder;
use grpc_ipc::memory::Network;
use grpc_ipc::{AccessPolicy, Channel, Server};
use grpc_ipc_conformance::Watchdog;
use grpc_ipc_proto::greet::HelloRequest;
use grpc_ipc_proto::greet::greeter_client::GreeterClient;
use http_body_util::{BodyExt as _, Full};
use sys::Peak;
use tonic::body::Body;
use tonic::codec::CompressionEncoding;
use tonic::server::NamedService;
use tonic::{Code, Status};
use tower_service::Service;
use util::{DRAIN, MyGreeter, Running, greet};

/// The decompressed size of the bomb: 64 MiB.
const BOMB: usize = 64 << 20;
/// tonic's default limit for a message, and the memory needed to reach it.
const MEMORY: usize = 4 * (4 << 20);

/// A compressed gRPC message: a field of zeros.
fn bomb() -> Bytes {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    // The field `name` or `message`, which is the first one, and its length.
    encoder.write_all(&[0x0a, 0x80, 0x80, 0x80, 0x20]).unwrap();
    let zeros = vec![0; 1 << 20];
    for _ in 0..BOMB / zeros.len() {
        encoder.write_all(&zeros).unwrap();
    }
    let compressed = encoder.finish().unwrap();
    let mut message = vec![1];
    message.put_u32(compressed.len() as u32);
    message.extend(compressed);
    message.into()
}

/// A service that answers with a bomb.
#[derive(Clone)]
struct Bomber(Bytes);

impl NamedService for Bomber {
    const NAME: &'static str = "greet.Greeter";
}

impl Service<http::Request<Body>> for Bomber {
    type Response = http::Response<Body>;
    type Error = Infallible;
    type Future = Ready<Result<Self::Response, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: http::Request<Body>) -> Self::Future {
        let body = Body::new(Full::new(self.0.clone()).map_err(|never| match never {}));
        let response = http::Response::builder()
            .header("content-type", "application/grpc")
            .header("grpc-encoding", "gzip")
            .body(body);
        ready(Ok(response.unwrap()))
    }
}

/// Runs a test on this thread, whose memory is counted.
fn run(name: &str, test: impl AsyncFnOnce(Bytes)) {
    let _watchdog = Watchdog::start(name, Duration::from_secs(120));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(test(bomb()));
}

async fn serve(build: impl FnOnce(Server) -> Server) -> (Running, Channel) {
    let network = Network::new();
    let listener = network.listen("greeter", AccessPolicy::default()).unwrap();
    let server = build(Server::builder()).listener(listener).bind().await.unwrap();
    let channel = Channel::from_connector(network.connector("greeter", AccessPolicy::default()));
    (Running::start(server, DRAIN), channel)
}

#[test]
fn a_client_stops_decompressing_at_its_limit() {
    run("a_client_stops_decompressing_at_its_limit", async |bomb| {
        let (_running, channel) = serve(|server| server.add_service(Bomber(bomb))).await;
        let peak = Peak::start();
        let mut client = GreeterClient::new(channel).accept_compressed(CompressionEncoding::Gzip);
        let request = HelloRequest { name: "world".to_owned() };
        let status = client.say_hello(request).await.unwrap_err();
        assert_eq!(status.code(), Code::ResourceExhausted, "{status}");
        assert!(peak.octets() < MEMORY, "{} octets", peak.octets());
    });
}

#[test]
fn a_server_stops_decompressing_at_its_limit() {
    run("a_server_stops_decompressing_at_its_limit", async |bomb| {
        let greeter = MyGreeter::default().service().accept_compressed(CompressionEncoding::Gzip);
        let (_running, mut channel) = serve(|server| server.add_service(greeter)).await;
        let peak = Peak::start();
        let request = http::Request::post("/greet.Greeter/SayHello")
            .header("content-type", "application/grpc")
            .header("te", "trailers")
            .header("grpc-encoding", "gzip")
            .body(Body::new(Full::new(bomb).map_err(|never| match never {})));
        let response = channel.call(request.unwrap()).await.unwrap();
        let status = Status::from_header_map(response.headers()).expect("a status without a message");
        assert_eq!(status.code(), Code::ResourceExhausted, "{status}");
        assert!(peak.octets() < MEMORY, "{} octets", peak.octets());
        greet(channel, "world").await.unwrap();
    });
}
