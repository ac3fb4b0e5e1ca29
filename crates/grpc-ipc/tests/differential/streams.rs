//! Calls with streams of messages.

use std::pin::Pin;

use futures_util::StreamExt as _;
use futures_util::stream::{self, Stream};
use grpc_ipc::Http2Options;
use grpc_ipc_conformance::run;
use grpc_ipc_proto::bench::bench_client::BenchClient;
use grpc_ipc_proto::bench::{Chunk, Total, Transfer};
use grpc_ipc_proto::tonic_generated::bench::bench_client as tonics;
use tonic::{Request, Response, Status, Streaming};

use crate::call::{LIMIT, metadata, size, status};
use crate::clients::{CLIENTS, ClientKind, fields};
use crate::other::Other;
use crate::random::Random;
use crate::servers::{SERVERS, Scene};
use crate::{is_given_up, options_are_usual, with_our_code};

/// The messages of a client, and the actions of a handler.
#[derive(Clone, Debug)]
pub(crate) struct Call {
    kind: Kind,
    sends: Vec<usize>,
    /// Waits before each message that it sends.
    waits: usize,
    metadata: tonic::metadata::MetadataMap,
    limit_encoding: Option<usize>,
    limit_decoding: Option<usize>,
    pub(crate) handler: Handler,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Download,
    Upload,
    Exchange,
}

#[derive(Clone, Debug)]
pub(crate) struct Handler {
    /// Whether it reads all requests first, or none.
    reads: bool,
    /// Waits before the answer, and before each message.
    waits: usize,
    answers: Vec<usize>,
    metadata: tonic::metadata::MetadataMap,
    /// The status instead of an answer.
    fails: Option<Box<Status>>,
    /// The status after the answers.
    ends_with: Option<Box<Status>>,
    panics: bool,
}

fn sizes(random: &mut Random) -> Vec<usize> {
    let count = random.pick(&[0, 1, 1, 2, 3, 20, 200]);
    (0..count).map(|_| if count > 3 { random.below(300) } else { size(random).min(1 << 17) }).collect()
}

impl Call {
    fn random(random: &mut Random) -> Self {
        let kind = random.pick(&[Kind::Download, Kind::Upload, Kind::Exchange]);
        let limit = |random: &mut Random| random.one_in(6).then(|| LIMIT - 2 + random.below(8));
        let failure = |random: &mut Random, one_in| random.one_in(one_in).then(|| Box::new(status(random)));
        Self {
            kind,
            sends: if kind == Kind::Download { vec![1] } else { sizes(random) },
            waits: random.pick(&[0, 0, 1, 3]),
            metadata: metadata(random),
            limit_encoding: limit(random),
            limit_decoding: limit(random),
            handler: Handler {
                reads: !random.one_in(6),
                waits: random.pick(&[0, 0, 1, 3]),
                answers: if kind == Kind::Upload { vec![1] } else { sizes(random) },
                metadata: metadata(random),
                fails: failure(random, 6),
                ends_with: failure(random, 4).filter(|_| kind != Kind::Upload),
                panics: random.one_in(12),
            },
        }
    }

    fn is_usual(&self) -> bool {
        !self.metadata.keys().any(crate::call::is_reserved)
    }
}

async fn wait(times: usize) {
    for _ in 0..times {
        tokio::task::yield_now().await;
    }
}

fn chunk(size: usize) -> Chunk {
    Chunk { payload: (0..size as u32).map(|at| (at.wrapping_mul(0x9e37_79b9) >> 24) as u8).collect() }
}

/// The length of a chunk, after checking its bytes.
fn shown(received: &Chunk) -> usize {
    let length = received.payload.len();
    assert!(*received == chunk(length), "the bytes of a message of {length}");
    length
}

pub(crate) type Chunks = Pin<Box<dyn Stream<Item = Result<Chunk, Status>> + Send>>;

impl Handler {
    /// The handler's observations, and its answer.
    pub(crate) async fn answer(
        self,
        metadata: &tonic::metadata::MetadataMap,
        request: Option<Streaming<Chunk>>,
        seen: impl FnOnce(String),
    ) -> Result<Response<Chunks>, Status> {
        let mut read = Vec::new();
        let mut failed = None;
        if let Some(mut request) = request.filter(|_| self.reads) {
            loop {
                match request.message().await {
                    Ok(Some(chunk)) => read.push(shown(&chunk)),
                    Ok(None) => break,
                    Err(status) => {
                        failed = Some(status);
                        break;
                    }
                }
            }
        }
        let error = failed.as_ref().map(|status| (status.code(), status.message().to_owned()));
        seen(format!("{read:?} {error:?} {:?}", fields(metadata)));
        if let Some(status) = failed {
            return Err(status);
        }
        wait(self.waits).await;
        if let Some(status) = self.fails {
            return Err(*status);
        }
        let (waits, panics) = (self.waits, self.panics);
        let end = self.ends_with.map(|status| Err(*status));
        let answers = stream::iter(self.answers).then(move |size| async move {
            wait(waits).await;
            Ok(chunk(size))
        });
        let panic = stream::iter(panics.then_some(())).map(|()| -> Result<Chunk, Status> {
            std::panic::resume_unwind(Box::new("as the test wants it"))
        });
        let mut response: Response<Chunks> =
            Response::new(Box::pin(answers.chain(stream::iter(end)).chain(panic)));
        *response.metadata_mut() = self.metadata;
        Ok(response)
    }
}

impl Scene {
    async fn call_streaming(&self, kind: ClientKind, call: &Call) -> String {
        *self.handlers.next_streaming.lock().unwrap() = Some(call.handler.clone());
        let channel = self.channel.clone();
        macro_rules! call {
            ($client:expr) => {{
                let mut client = $client;
                if let Some(limit) = call.limit_encoding {
                    client = client.max_encoding_message_size(limit);
                }
                if let Some(limit) = call.limit_decoding {
                    client = client.max_decoding_message_size(limit);
                }
                let waits = call.waits;
                let sent = stream::iter(call.sends.clone()).then(move |size| async move {
                    wait(waits).await;
                    chunk(size)
                });
                match call.kind {
                    Kind::Download => {
                        let mut request = Request::new(Transfer { count: 1, size: 1 });
                        *request.metadata_mut() = call.metadata.clone();
                        read(client.download(request).await).await
                    }
                    Kind::Upload => {
                        let mut request = Request::new(sent);
                        *request.metadata_mut() = call.metadata.clone();
                        match client.upload(request).await {
                            Ok(response) => {
                                format!("{:?} {:?}", response.get_ref(), fields(response.metadata()))
                            }
                            Err(status) => error(&status),
                        }
                    }
                    Kind::Exchange => {
                        let mut request = Request::new(sent);
                        *request.metadata_mut() = call.metadata.clone();
                        read(client.exchange(request).await).await
                    }
                }
            }};
        }
        let outcome = match kind {
            ClientKind::Direct => call!(BenchClient::new(channel)),
            ClientKind::Intercepted => call!(BenchClient::with_interceptor(channel, Ok)),
            ClientKind::General => call!(BenchClient::new(Other(channel))),
            ClientKind::Tonics => call!(tonics::BenchClient::new(channel)),
        };
        let seen: Vec<_> = self.handlers.seen.lock().unwrap().drain(..).collect();
        // How far a request gets before its caller breaks it off is left to chance.
        let is_broken_off = outcome.contains("encoded message length too large: found") && seen.len() < 2;
        if call.handler.panics && outcome.contains(PANICKED) {
            // So is how far its answer gets.
            return PANICKED.to_owned();
        }
        if is_broken_off { outcome } else { format!("{outcome} {seen:?}") }
    }
}

/// The caller's observation of a handler that panics.
const PANICKED: &str = "Unknown \"the handler of /";

async fn read(answer: Result<Response<Streaming<Chunk>>, Status>) -> String {
    let response = match answer {
        Ok(response) => response,
        Err(status) => return error(&status),
    };
    let mut outcome = format!("{:?}", fields(response.metadata()));
    let mut chunks = response.into_inner();
    loop {
        match chunks.message().await {
            Ok(Some(chunk)) => outcome += &format!(" {}", shown(&chunk)),
            Ok(None) => break,
            Err(status) => return outcome + &error(&status),
        }
    }
    let trailers = chunks.trailers().await.unwrap().unwrap_or_default();
    outcome + &format!(" {:?}", fields(&trailers))
}

fn error(status: &Status) -> String {
    let (code, message) = (status.code(), status.message());
    format!("{code:?} {message:?} {:?} {:?}", status.details(), fields(status.metadata()))
}

/// Converts the answer to an upload into its one message.
pub(crate) async fn total(answer: Response<Chunks>) -> Result<Response<Total>, Status> {
    let (metadata, mut chunks, extensions) = answer.into_parts();
    let mut total = Total::default();
    while let Some(chunk) = chunks.next().await {
        total.count += 1;
        total.bytes += chunk?.payload.len() as u64;
    }
    Ok(Response::from_parts(metadata, total, extensions))
}

async fn compare(seed: u64, count: usize, options: &Http2Options) {
    let mut random = Random::new(seed);
    let calls: Vec<_> = (0..count).map(|_| Call::random(&mut random)).collect();
    let mut expected: Vec<Option<String>> = vec![None; count];
    for server in SERVERS {
        let scene = Scene::new(server, options).await;
        for client in CLIENTS {
            for (number, call) in calls.iter().enumerate() {
                let which = || format!("seed {seed}, call {number}, {client:?} to {server:?}: {call:?}");
                let (channel, served) = scene.general();
                let outcome = with_our_code(&scene.call_streaming(client, call).await);
                if call.is_usual() && options_are_usual(options) {
                    let (channel_now, served_now) = scene.general();
                    assert_eq!(channel_now - channel, u64::from(!client.is_direct()), "{}", which());
                    if !is_given_up(&outcome) {
                        assert_eq!(served_now - served, u64::from(!server.is_direct()), "{}", which());
                    }
                }
                if is_given_up(&outcome) {
                    scene.settle(client).await;
                }
                let expected = expected[number].get_or_insert_with(|| outcome.clone());
                assert_eq!(outcome, *expected, "{}", which());
            }
        }
    }
}

#[test]
fn usual_connections() {
    for seed in 0..4 {
        run("streams::usual_connections", async || compare(seed, 60, &Http2Options::new()).await);
    }
}

#[test]
fn small_windows() {
    let options = Http2Options::new().initial_stream_window(100).max_stream_window(1000);
    run("streams::small_windows", async || compare(100, 40, &options).await);
}

#[test]
fn little_output() {
    let options = Http2Options::new().max_output(100).poll_in_place(false);
    run("streams::little_output", async || compare(200, 40, &options).await);
}

#[test]
fn small_header_lists() {
    let options = Http2Options::new().max_header_list_size(500).header_table_size(0);
    run("streams::small_header_lists", async || compare(300, 60, &options).await);
}
