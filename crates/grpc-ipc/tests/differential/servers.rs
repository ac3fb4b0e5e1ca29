//! The kinds of servers, and their handler.

use std::future::pending;
use std::panic::AssertUnwindSafe;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use grpc_ipc::{AccessPolicy, Authorize, Channel, ConnectOptions, Http2Options, MethodPath, Peer, Server};
use grpc_ipc_conformance::unique_name;
use grpc_ipc_proto::bench::bench_server::{Bench, BenchServer};
use grpc_ipc_proto::bench::{Chunk, Total, Transfer};
use grpc_ipc_proto::tonic_generated::bench::bench_server as tonics;
use tonic::{Request, Response, Status, Streaming};
use tower_layer::layer_fn;

use crate::call::{Does, HANG, Handler};
use crate::clients::fields;
use crate::streams::{self, Chunks};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ServerKind {
    Direct,
    /// Behind rules that let everybody in.
    Authorized,
    /// Behind a layer that does nothing.
    General,
    /// As tonic generates it.
    Tonics,
}

pub(crate) const SERVERS: [ServerKind; 4] =
    [ServerKind::Direct, ServerKind::Authorized, ServerKind::General, ServerKind::Tonics];

impl ServerKind {
    pub(crate) fn is_direct(self) -> bool {
        matches!(self, Self::Direct | Self::Authorized)
    }
}

/// A server of each limit, and a channel that is connected to it.
pub(crate) struct Scene {
    pub(crate) channel: Channel,
    pub(crate) handlers: Handlers,
    served: Arc<AtomicU64>,
}

impl Scene {
    pub(crate) async fn new(kind: ServerKind, options: &Http2Options) -> Self {
        let address = grpc_ipc::Address::local(unique_name("differential")).unwrap();
        let handlers = Handlers::default();
        let server = Server::builder().listen(address.clone()).http2(options.clone());
        let server = match kind {
            ServerKind::Direct => server.add_service(BenchServer::new(handlers.clone())),
            ServerKind::Authorized => {
                let anyone = Authorize::new(AccessPolicy::dangerous_allow_anyone());
                server.add_service(BenchServer::new(handlers.clone())).layer(anyone)
            }
            ServerKind::General => {
                server.add_service(BenchServer::new(handlers.clone())).layer(layer_fn(|services| services))
            }
            ServerKind::Tonics => server.add_service(tonics::BenchServer::new(handlers.clone())),
        };
        let server = server.bind().await.unwrap();
        let served = server.general_calls();
        tokio::spawn(server.serve());
        let channel = Channel::connect(ConnectOptions::new(address).http2(options.clone())).await.unwrap();
        Self { channel, handlers, served }
    }

    /// How many calls have gone the general way, in the client and in the server.
    pub(crate) fn general(&self) -> (u64, u64) {
        (self.channel.general_calls(), self.served.load(Ordering::Relaxed))
    }
}

/// Does what the test says, and keeps what it sees.
#[derive(Clone, Default)]
pub(crate) struct Handlers {
    pub(crate) next: Arc<Mutex<Option<Handler>>>,
    pub(crate) next_streaming: Arc<Mutex<Option<streams::Handler>>>,
    pub(crate) seen: Arc<Mutex<Vec<String>>>,
    /// How many run.
    pub(crate) running: Arc<AtomicUsize>,
}

struct Running(Arc<AtomicUsize>);

impl Drop for Running {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

impl Handlers {
    async fn answer_streaming(
        &self,
        request: Request<Option<Streaming<Chunk>>>,
    ) -> Result<Response<Chunks>, Status> {
        let (metadata, extensions, chunks) = request.into_parts();
        let handler = self.next_streaming.lock().unwrap().clone().unwrap();
        let path = extensions.get::<MethodPath>().unwrap().as_str().to_owned();
        let peer = extensions.get::<Peer>().is_some();
        let seen = |seen| self.seen.lock().unwrap().push(format!("{path} {peer} {seen}"));
        handler.answer(&metadata, chunks, seen).await
    }

    async fn answer(&self, request: Request<Chunk>) -> Result<Response<Chunk>, Status> {
        let (metadata, extensions, chunk) = request.into_parts();
        if metadata.contains_key(HANG) {
            return pending().await;
        }
        let handler = self.next.lock().unwrap().clone().unwrap();
        let path = extensions.get::<MethodPath>().unwrap().as_str().to_owned();
        let peer = extensions.get::<Peer>().is_some();
        let payload = chunk.payload.len();
        assert!(chunk.payload.iter().all(|byte| *byte == b'x'));
        let seen = format!("{payload} {path} {peer} {:?}", fields(&metadata));
        self.seen.lock().unwrap().push(seen);
        self.running.fetch_add(1, Ordering::SeqCst);
        let _running = Running(Arc::clone(&self.running));
        for _ in 0..handler.waits {
            tokio::task::yield_now().await;
        }
        match handler.does {
            Does::Answer(size, metadata) => {
                let mut response = Response::new(Chunk { payload: vec![b'x'; size].into() });
                *response.metadata_mut() = metadata;
                Ok(response)
            }
            Does::Fail(status) => Err(*status),
            Does::Panic => std::panic::resume_unwind(Box::new(AssertUnwindSafe("as the test wants it"))),
            Does::Hang => pending().await,
        }
    }
}

macro_rules! bench {
    ($service:path) => {
        #[tonic::async_trait]
        impl $service for Handlers {
            async fn echo(&self, request: Request<Chunk>) -> Result<Response<Chunk>, Status> {
                self.answer(request).await
            }

            type DownloadStream = Chunks;

            async fn download(
                &self,
                request: Request<Transfer>,
            ) -> Result<Response<Self::DownloadStream>, Status> {
                self.answer_streaming(request.map(|_| None)).await
            }

            async fn upload(&self, request: Request<Streaming<Chunk>>) -> Result<Response<Total>, Status> {
                streams::total(self.answer_streaming(request.map(Some)).await?).await
            }

            type ExchangeStream = Chunks;

            async fn exchange(
                &self,
                request: Request<Streaming<Chunk>>,
            ) -> Result<Response<Self::ExchangeStream>, Status> {
                self.answer_streaming(request.map(Some)).await
            }
        }
    };
}

bench!(Bench);
bench!(tonics::Bench);
