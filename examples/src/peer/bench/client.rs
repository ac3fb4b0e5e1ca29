//! The measured clients of `ipc.bench.Bench`: one from grpc-ipc's generator, and one from tonic's.

use std::future::Future;

use bytes::Bytes;
use futures_util::Stream;
use grpc_ipc_proto::bench::Chunk;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{IntoRequest, Response, Status, Streaming, body::Body, client::GrpcService, codegen::StdError};

/// A generated client. Its methods are the generated ones, without anything around them that would be measured as well.
pub(crate) trait Client: Clone + Send + 'static {
    fn echo(
        &mut self,
        request: impl IntoRequest<Chunk> + Send,
    ) -> impl Future<Output = Result<Response<Chunk>, Status>> + Send;

    fn download(
        &mut self,
        count: u32,
        size: u32,
        awaited: bool,
    ) -> impl Future<Output = Result<Streaming<Chunk>, Status>> + Send;

    /// Returns the number of chunks that the server has counted.
    fn upload(
        &mut self,
        chunks: impl Stream<Item = Chunk> + Send + 'static,
    ) -> impl Future<Output = Result<u64, Status>> + Send;

    fn exchange(
        &mut self,
        chunks: ReceiverStream<Chunk>,
    ) -> impl Future<Output = Result<Streaming<Chunk>, Status>> + Send;
}

/// The requirements of a generated client for a channel whose calls run in tasks.
pub(crate) trait Channel:
    GrpcService<Body, Future: Send, ResponseBody: ResponseBody> + Clone + Send + 'static
{
}

impl<T> Channel for T where
    T: GrpcService<Body, Future: Send, ResponseBody: ResponseBody> + Clone + Send + 'static
{
}

/// The body of its responses.
pub(crate) trait ResponseBody:
    http_body::Body<Data = Bytes, Error: Into<StdError> + Send> + Send + 'static
{
}

impl<B> ResponseBody for B where
    B: http_body::Body<Data = Bytes, Error: Into<StdError> + Send> + Send + 'static
{
}

/// A module for the code of one generator.
macro_rules! client {
    ($(#[$documentation:meta])* $module:ident, $code:path) => {
        $(#[$documentation])*
        pub(crate) mod $module {
            use $code as code;
            use code::bench_client::BenchClient;
            use futures_util::Stream;
            use grpc_ipc_proto::bench::{Chunk, Transfer};
            use tokio_stream::wrappers::ReceiverStream;
            use tonic::{IntoRequest, Request, Response, Status, Streaming};

            use super::{Channel, Client};
            use crate::services::AWAITED;

            pub(crate) fn client<C: Channel>(channel: C) -> impl Client {
                BenchClient::new(channel).max_decoding_message_size(usize::MAX)
            }

            impl<C: Channel> Client for BenchClient<C> {
                fn echo(
                    &mut self,
                    request: impl IntoRequest<Chunk> + Send,
                ) -> impl Future<Output = Result<Response<Chunk>, Status>> + Send {
                    BenchClient::echo(self, request)
                }

                async fn download(
                    &mut self,
                    count: u32,
                    size: u32,
                    awaited: bool,
                ) -> Result<Streaming<Chunk>, Status> {
                    let mut request = Request::new(Transfer { count, size });
                    if awaited {
                        request.metadata_mut().insert(AWAITED, AWAITED.parse().expect("ASCII"));
                    }
                    Ok(BenchClient::download(self, request).await?.into_inner())
                }

                async fn upload(
                    &mut self,
                    chunks: impl Stream<Item = Chunk> + Send + 'static,
                ) -> Result<u64, Status> {
                    Ok(BenchClient::upload(self, chunks).await?.into_inner().count)
                }

                async fn exchange(
                    &mut self,
                    chunks: ReceiverStream<Chunk>,
                ) -> Result<Streaming<Chunk>, Status> {
                    Ok(BenchClient::exchange(self, chunks).await?.into_inner())
                }
            }
        }
    };
}

client! {
    /// The code for users: the peer's services are generated with it.
    generated, grpc_ipc_proto::bench
}
client! {
    /// The code from tonic's generator.
    tonics, grpc_ipc_proto::tonic_generated::bench
}
