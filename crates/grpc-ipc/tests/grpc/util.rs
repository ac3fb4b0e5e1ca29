//! A channel and a server, with the peer that also tests the engine.

#[path = "../../../grpc-ipc-http2/tests/util/frame.rs"]
#[expect(dead_code, reason = "the tests of RFC 9113 use the rest")]
pub(crate) mod frame;
#[path = "../../../grpc-ipc-http2/tests/util/hpack.rs"]
#[expect(dead_code, reason = "the tests of RFC 9113 use the rest")]
pub(crate) mod hpack;
#[path = "../../../grpc-ipc-http2/tests/util/raw.rs"]
#[expect(dead_code, reason = "the tests of RFC 9113 use the rest")]
pub(crate) mod raw;
#[path = "../../../grpc-ipc-http2/tests/util/unary.rs"]
mod unary;

/// The peer's requirements on the engine under test.
mod engine {
    pub(crate) const TELLS_ERRORS_APART: bool = true;
}

/// The peer's requirements on the service under test.
mod service {
    pub(crate) const STILL_SERVES: &str = "/not.Used/Here";
    pub(crate) const LARGE: usize = usize::MAX;
}

use std::panic::Location;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use bytes::Bytes;
use futures_util::StreamExt as _;
use futures_util::stream::{self, BoxStream};
use grpc_ipc::{
    Address, Channel, ConnectError, ConnectOptions, Connector, Http2Options, Listener, Peer, PeerStream,
    Server,
};
use grpc_ipc_proto::bench::bench_client::BenchClient;
use grpc_ipc_proto::bench::bench_server::{Bench, BenchServer};
use grpc_ipc_proto::bench::{Chunk, Total, Transfer};
use raw::RawPeer;
use tempfile::TempDir;
use tokio::io::{DuplexStream, copy_bidirectional, duplex};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::sync::oneshot;
use tokio::time::Instant;
use tonic::metadata::MetadataMap;
use tonic::{Request, Response, Status, Streaming};
use tower_layer::layer_fn;

const BUFFER: usize = 4 << 20;

/// The fields of a call to `method`.
pub(crate) const fn call(method: &str) -> [(&str, &str); 6] {
    [
        (":method", "POST"),
        (":scheme", "http"),
        (":path", method),
        (":authority", "localhost"),
        ("te", "trailers"),
        ("content-type", "application/grpc"),
    ]
}

pub(crate) const ECHO: &str = "/ipc.bench.Bench/Echo";
pub(crate) const UPLOAD: &str = "/ipc.bench.Bench/Upload";
pub(crate) const EXCHANGE: &str = "/ipc.bench.Bench/Exchange";

/// The fields of a gRPC response.
pub(crate) const OK: [(&str, &str); 2] = [(":status", "200"), ("content-type", "application/grpc")];
pub(crate) const STATUS_OK: [(&str, &str); 1] = [("grpc-status", "0")];

/// `fields`, followed by more.
pub(crate) fn and<'a>(fields: &[(&'a str, &'a str)], more: &[(&'a str, &'a str)]) -> Vec<(&'a str, &'a str)> {
    [fields, more].concat()
}

/// A chunk on the wire.
pub(crate) fn message(payload: &[u8]) -> Vec<u8> {
    let length = u8::try_from(payload.len()).unwrap();
    assert!(length < 0x80);
    [&[0, 0, 0, 0, length + 2, 0x0a, length], payload].concat()
}

pub(crate) fn chunk(payload: &'static str) -> Chunk {
    Chunk { payload: Bytes::from_static(payload.as_bytes()) }
}

pub(crate) const FAILURE: &str = "100 % \u{20ac}\r\n";

/// The service's observations.
#[derive(Debug)]
pub(crate) enum Seen {
    /// A call with this metadata.
    Call(MetadataMap),
    Chunk(Result<Bytes, Status>),
    /// The end of a stream of requests, and its trailers.
    End(Option<MetadataMap>),
}

/// - `Echo` answers with its request, or with [`FAILURE`] if that is `fail`;
/// - `Download` answers with the requested number of chunks;
/// - `Upload` reads in a task that continues after the call, and answers after it;
/// - `Exchange` echoes, and continues after an error of a request.
struct TestBench(UnboundedSender<Seen>);

#[tonic::async_trait]
impl Bench for TestBench {
    async fn echo(&self, request: Request<Chunk>) -> Result<Response<Chunk>, Status> {
        let (metadata, _, chunk) = request.into_parts();
        if chunk.payload == "fail" {
            return Err(Status::aborted(FAILURE));
        }
        // Received metadata may be sent back.
        let mut response = Response::new(chunk);
        *response.metadata_mut() = metadata.clone();
        self.tell(Seen::Call(metadata));
        Ok(response)
    }

    type DownloadStream = BoxStream<'static, Result<Chunk, Status>>;

    async fn download(&self, request: Request<Transfer>) -> Result<Response<Self::DownloadStream>, Status> {
        let Transfer { count, size } = request.into_inner();
        let chunk = Chunk { payload: vec![7; size as usize].into() };
        Ok(Response::new(stream::iter((0..count).map(move |_| Ok(chunk.clone()))).boxed()))
    }

    async fn upload(&self, request: Request<Streaming<Chunk>>) -> Result<Response<Total>, Status> {
        let (metadata, _, mut chunks) = request.into_parts();
        self.tell(Seen::Call(metadata));
        let seen = self.0.clone();
        let read = tokio::spawn(async move {
            let mut total = Total::default();
            loop {
                let chunk = chunks.message().await;
                let told = chunk.clone().map(|chunk| chunk.map(|chunk| chunk.payload)).transpose();
                match told {
                    Some(chunk) => _ = seen.send(Seen::Chunk(chunk)),
                    None => _ = seen.send(Seen::End(chunks.trailers().await?)),
                }
                match chunk? {
                    Some(chunk) => {
                        total.count += 1;
                        total.bytes += chunk.payload.len() as u64;
                    }
                    None => return Ok::<_, Status>(total),
                }
            }
        });
        Ok(Response::new(read.await.unwrap()?))
    }

    type ExchangeStream = BoxStream<'static, Result<Chunk, Status>>;

    async fn exchange(
        &self,
        request: Request<Streaming<Chunk>>,
    ) -> Result<Response<Self::ExchangeStream>, Status> {
        let seen = self.0.clone();
        let chunks = request.into_inner().filter_map(move |chunk| {
            _ = seen.send(Seen::Chunk(chunk.clone().map(|chunk| chunk.payload)));
            async { chunk.ok().map(Ok) }
        });
        Ok(Response::new(chunks.boxed()))
    }
}

impl TestBench {
    fn tell(&self, seen: Seen) {
        // A test that does not need it has dropped the receiver.
        _ = self.0.send(seen);
    }
}

/// A listener with one connection.
struct RawListener(Option<DuplexStream>, Address);

impl Listener for RawListener {
    type Connection = PeerStream<DuplexStream>;

    async fn accept(&mut self) -> Self::Connection {
        match self.0.take() {
            Some(io) => PeerStream::new(io, Peer::this_process("memory")),
            None => std::future::pending().await,
        }
    }

    fn local_address(&self) -> &Address {
        &self.1
    }
}

/// Runs a test against a server, with the service's observations. Prefaces and settings have been exchanged. It runs
/// with direct calls where possible and with none, in memory and over sockets.
#[track_caller]
pub(crate) fn server(test: impl AsyncFnMut(RawPeer, UnboundedReceiver<Seen>)) {
    server_with(|server| server, test);
}

/// The same, with additions of `build` to the server.
#[track_caller]
pub(crate) fn server_with(
    build: impl Fn(Server) -> Server,
    mut test: impl AsyncFnMut(RawPeer, UnboundedReceiver<Seen>),
) {
    for (over, is_direct) in
        [(Over::Memory, true), (Over::Memory, false), (Over::Unix, true), (Over::Tcp, false)]
    {
        grpc_ipc_conformance::run(&Location::caller().to_string(), async || {
            let (ours, mut theirs) = duplex(BUFFER);
            let (sender, seen) = unbounded_channel();
            let mut server = build(Server::builder()).add_service(BenchServer::new(TestBench(sender)));
            if !is_direct {
                server = server.layer(layer_fn(|inner| inner));
            }
            let directory = TempDir::new().unwrap();
            let serving = match over.address(&directory) {
                None => server.listener(RawListener(Some(theirs), address())).bind().await.unwrap(),
                Some(address) => {
                    let server = server.listen(address).bind().await.unwrap();
                    let options = ConnectOptions::new(server.local_addresses()[0].clone());
                    let connector = options.into_connector().unwrap();
                    let deadline = Instant::now() + Duration::from_secs(20);
                    let mut socket = connector.connect(deadline).await.unwrap();
                    // An error means that one of the two ends is gone, and then the other one goes as well.
                    tokio::spawn(async move { _ = copy_bidirectional(&mut theirs, &mut socket).await });
                    server
                }
            };
            let (stop, stopped) = oneshot::channel::<()>();
            let stopped = async { _ = stopped.await };
            let serving = tokio::spawn(serving.serve_with_shutdown(stopped, Duration::from_secs(20)));
            let mut peer = RawPeer::new(ours);
            peer.greet_server(&[]).await;
            test(peer, seen).await;
            drop(stop);
            serving.await.unwrap().unwrap();
        });
    }
}

/// The bytes between the peer and the server.
#[derive(Clone, Copy)]
enum Over {
    Memory,
    Unix,
    Tcp,
}

impl Over {
    /// The server's address. A platform without Unix sockets has TCP instead.
    fn address(self, directory: &TempDir) -> Option<String> {
        match self {
            Self::Memory => None,
            Self::Unix if cfg!(unix) => Some(format!("unix:{}", directory.path().join("s").display())),
            Self::Unix | Self::Tcp => Some("http://127.0.0.1:0".to_owned()),
        }
    }
}

/// Connects to the peer of the test.
struct RawConnector(UnboundedSender<DuplexStream>, Address);

impl Connector for RawConnector {
    type Connection = PeerStream<DuplexStream>;

    async fn connect(&self, _: Instant) -> Result<Self::Connection, ConnectError> {
        let (ours, theirs) = duplex(BUFFER);
        self.0.send(ours).map_err(|_| ConnectError::NotFound { address: address() })?;
        Ok(PeerStream::new(theirs, Peer::this_process("memory")))
    }

    fn address(&self) -> &Address {
        &self.1
    }
}

fn address() -> Address {
    static NUMBER: AtomicU32 = AtomicU32::new(0);
    Address::local(format!("raw-{}", NUMBER.fetch_add(1, Ordering::Relaxed))).unwrap()
}

/// The other ends of a channel's connections.
pub(crate) struct Peers {
    pub(crate) channel: Channel,
    connections: UnboundedReceiver<DuplexStream>,
}

impl Peers {
    /// The other end of the next connection, before any bytes.
    pub(crate) async fn accept(&mut self) -> RawPeer {
        RawPeer::new(self.connections.recv().await.expect("a connection"))
    }

    /// The other end of the next connection, after the preface. The channel's calls are still to be read.
    pub(crate) async fn next(&mut self) -> RawPeer {
        let mut peer = self.accept().await;
        peer.expect_preface().await;
        peer.send(frame::settings(&[])).await;
        peer.expect_settings().await;
        peer
    }
}

/// Runs a test against a client.
#[track_caller]
pub(crate) fn client(test: impl AsyncFnOnce(Peers, BenchClient<Channel>)) {
    client_with(Http2Options::new(), test);
}

/// The same, with options of the client.
#[track_caller]
pub(crate) fn client_with(http2: Http2Options, test: impl AsyncFnOnce(Peers, BenchClient<Channel>)) {
    grpc_ipc_conformance::run(&Location::caller().to_string(), async || {
        let (sender, receiver) = unbounded_channel();
        let options = ConnectOptions::from_connector(RawConnector(sender, address())).http2(http2);
        let channel = Channel::lazy(options).unwrap();
        test(Peers { channel: channel.clone(), connections: receiver }, BenchClient::new(channel)).await;
    });
}

/// The server of a client that has made a call, after which all calls are direct.
pub(crate) async fn connected(peers: &mut Peers, client: &BenchClient<Channel>) -> RawPeer {
    let mut first = client.clone();
    let first = tokio::spawn(async move { first.echo(chunk("x")).await });
    let mut peer = peers.next().await;
    peer.expect_message(1).await;
    peer.send_all(&[
        frame::headers(1, &OK),
        frame::data(1, message(b"x")),
        frame::headers(1, &STATUS_OK).end_stream(),
    ])
    .await;
    first.await.unwrap().unwrap();
    peer
}

/// The response to a unary call that is answered with these frames of stream 1. There are two such calls: the first of
/// a connection takes the general path, and the second is direct.
#[track_caller]
pub(crate) fn answer(frames: &[frame::Frame], mut test: impl AsyncFnMut(Result<Response<Chunk>, Status>)) {
    for is_direct in [false, true] {
        client(async |mut peers, client| {
            let call = |mut client: BenchClient<Channel>| async move { client.echo(chunk("x")).await };
            let first = tokio::spawn(call(client.clone()));
            let mut peer = peers.next().await;
            peer.expect_message(1).await;
            let call = if is_direct {
                let ok = [frame::headers(1, &OK), frame::data(1, message(b"x"))];
                peer.send_all(&ok).await;
                peer.send(frame::headers(1, &STATUS_OK).end_stream()).await;
                first.await.unwrap().unwrap();
                let second = tokio::spawn(call(client));
                peer.expect_message(3).await;
                second
            } else {
                first
            };
            let stream = if is_direct { 3 } else { 1 };
            let of_call = |frame: &frame::Frame| frame::Frame { stream, ..frame.clone() };
            peer.send_all(&frames.iter().map(of_call).collect::<Vec<_>>()).await;
            test(call.await.unwrap()).await;
            assert_eq!(peers.channel.general_calls(), 1);
        });
    }
}

/// The status of a unary call that is answered with these frames.
#[track_caller]
pub(crate) fn status(frames: &[frame::Frame]) -> Status {
    let mut statuses = Vec::new();
    answer(frames, async |answer| statuses.push(answer.expect_err("the call has failed")));
    let seen = |status: &Status| format!("{status:?}");
    assert_eq!(seen(&statuses[0]), seen(&statuses[1]), "both ways");
    statuses.swap_remove(0)
}
