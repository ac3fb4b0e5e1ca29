//! One implementation and one caller compile with the code of both generators, and each client calls each server.

use std::pin::Pin;

use grpc_ipc::memory::Network;
use grpc_ipc::{AccessPolicy, Channel, Server};
use grpc_ipc_conformance::run;
use grpc_ipc_proto::bench::{Chunk, Total, Transfer};
use tonic::codegen::tokio_stream::{self, Stream, StreamExt as _};
use tonic::{Code, Request, Response, Status, Streaming};

/// Starts a server with the services that `build` adds, and returns a channel to it.
async fn serve(build: impl FnOnce(Server) -> Server) -> Channel {
    let network = Network::new();
    let listener = network.listen("bench", AccessPolicy::default()).unwrap();
    let server = build(Server::builder()).listener(listener).bind().await.unwrap();
    tokio::spawn(server.serve());
    Channel::from_connector(network.connector("bench", AccessPolicy::default()))
}

fn chunk(length: usize) -> Chunk {
    Chunk { payload: vec![1; length].into() }
}

/// A program written for tonic, with the generated code in `$generated`.
macro_rules! written_for_tonic {
    ($module:ident, $generated:path) => {
        mod $module {
            use super::*;
            use $generated as generated;

            use generated::bench_client::BenchClient;
            use generated::bench_server::{Bench, BenchServer};

            struct MyBench;

            #[tonic::async_trait]
            impl Bench for MyBench {
                type DownloadStream = Pin<Box<dyn Stream<Item = Result<Chunk, Status>> + Send>>;
                type ExchangeStream = Streaming<Chunk>;

                async fn echo(&self, request: Request<Chunk>) -> Result<Response<Chunk>, Status> {
                    match request.get_ref().payload.is_empty() {
                        true => Err(Status::invalid_argument("empty")),
                        false => Ok(Response::new(request.into_inner())),
                    }
                }

                async fn download(
                    &self,
                    request: Request<Transfer>,
                ) -> Result<Response<Self::DownloadStream>, Status> {
                    let Transfer { count, size } = request.into_inner();
                    let chunks: Vec<_> = (0..count).map(|_| Ok(chunk(size as usize))).collect();
                    Ok(Response::new(Box::pin(tokio_stream::iter(chunks))))
                }

                async fn upload(
                    &self,
                    request: Request<Streaming<Chunk>>,
                ) -> Result<Response<Total>, Status> {
                    let mut chunks = request.into_inner();
                    let mut total = Total::default();
                    while let Some(chunk) = chunks.message().await? {
                        total.count += 1;
                        total.bytes += chunk.payload.len() as u64;
                    }
                    Ok(Response::new(total))
                }

                async fn exchange(
                    &self,
                    request: Request<Streaming<Chunk>>,
                ) -> Result<Response<Self::ExchangeStream>, Status> {
                    Ok(Response::new(request.into_inner()))
                }
            }

            pub(super) fn add(server: Server) -> Server {
                server.add_service(BenchServer::new(MyBench).max_encoding_message_size(1 << 20))
            }

            pub(super) async fn call(channel: Channel) {
                let mut client = BenchClient::new(channel).max_decoding_message_size(1 << 20);
                assert_eq!(client.echo(chunk(3)).await.unwrap().into_inner(), chunk(3));
                let error = client.echo(Request::new(chunk(0))).await.unwrap_err();
                assert_eq!((error.code(), error.message()), (Code::InvalidArgument, "empty"));

                let chunks = client.download(Transfer { count: 3, size: 4 }).await.unwrap().into_inner();
                let chunks: Vec<Chunk> = chunks.map(Result::unwrap).collect().await;
                assert_eq!(chunks, [chunk(4), chunk(4), chunk(4)]);

                let total = client.upload(tokio_stream::iter([chunk(1), chunk(2)])).await.unwrap();
                assert_eq!(total.into_inner(), Total { count: 2, bytes: 3 });

                let mut chunks = client
                    .exchange(Request::new(tokio_stream::iter([chunk(1), chunk(2)])))
                    .await
                    .unwrap()
                    .into_inner();
                assert_eq!(chunks.message().await.unwrap(), Some(chunk(1)));
                assert_eq!(chunks.message().await.unwrap(), Some(chunk(2)));
                assert_eq!(chunks.message().await.unwrap(), None);
            }
        }
    };
}

written_for_tonic!(ours, grpc_ipc_proto::bench);
written_for_tonic!(tonics, grpc_ipc_proto::tonic_generated::bench);

#[test]
fn each_client_calls_each_server() {
    run("each_client_calls_each_server", || async {
        // In a task, because the futures of calls are `Send`.
        for add in [ours::add, tonics::add] {
            tokio::spawn(ours::call(serve(add).await)).await.unwrap();
            tokio::spawn(tonics::call(serve(add).await)).await.unwrap();
        }
    });
}
