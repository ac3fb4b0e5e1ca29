use bytes::Bytes;
use futures_util::{
    StreamExt,
    stream::{self, Repeat, Take},
};
use grpc_ipc_proto::bench::{Chunk, Total, Transfer, bench_server};
use tonic::{Request, Response, Status, Streaming};

/// The calls that are measured. A handler adds as little as it can to what the transport costs.
pub(super) struct Bench;

#[tonic::async_trait]
impl bench_server::Bench for Bench {
    async fn echo(&self, request: Request<Chunk>) -> Result<Response<Chunk>, Status> {
        Ok(Response::new(request.into_inner()))
    }

    type DownloadStream = Take<Repeat<Result<Chunk, Status>>>;

    async fn download(&self, request: Request<Transfer>) -> Result<Response<Self::DownloadStream>, Status> {
        let Transfer { count, size } = request.into_inner();
        // Always ready, unlike tokio_stream::iter, which pauses after a number of items: tonic fills its buffer
        // before it sends, and flow control is what paces the stream.
        let chunk = Chunk { payload: Bytes::from(vec![0; size as usize]) };
        Ok(Response::new(stream::repeat(Ok(chunk)).take(count as usize)))
    }

    async fn upload(&self, request: Request<Streaming<Chunk>>) -> Result<Response<Total>, Status> {
        let mut chunks = request.into_inner();
        let mut total = Total::default();
        while let Some(chunk) = chunks.message().await? {
            total.count += 1;
            total.bytes += chunk.payload.len() as u64;
        }
        Ok(Response::new(total))
    }

    /// The incoming stream itself: a chunk is read only when the one before it was taken for sending.
    type ExchangeStream = Streaming<Chunk>;

    async fn exchange(
        &self,
        request: Request<Streaming<Chunk>>,
    ) -> Result<Response<Self::ExchangeStream>, Status> {
        Ok(Response::new(request.into_inner()))
    }
}
