use bytes::Bytes;
use futures_util::{
    StreamExt,
    future::Either,
    stream::{self, Repeat, Take},
};
use grpc_ipc_proto::bench::{Chunk, Total, Transfer};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Response, Status, Streaming};

/// The metadata that a handler sends back, if asked to.
pub(crate) const ECHOED: &str = "x-bench-echoed";

/// The metadata that requests a download of awaited messages.
pub(crate) const AWAITED: &str = "x-bench-awaited";

/// The measured calls. A handler adds as little as possible to the cost of the transport.
#[derive(Clone, Copy)]
pub(super) struct Bench {
    /// Whether `Echo` sends metadata back.
    pub(super) echo_metadata: bool,
}

/// A stream of `count` items, each sent by a task that waits until it can send the next one.
pub(crate) fn awaited<T: Clone + Send + 'static>(count: u32, item: T) -> ReceiverStream<T> {
    let (sender, receiver) = mpsc::channel(1);
    tokio::spawn(async move {
        for _ in 0..count {
            if sender.send(item.clone()).await.is_err() {
                break;
            }
        }
    });
    ReceiverStream::new(receiver)
}

/// The service, for the code of one generator.
macro_rules! bench {
    ($code:path) => {
        const _: () = {
            use $code as code;

            #[tonic::async_trait]
            impl code::bench_server::Bench for Bench {
                async fn echo(&self, request: Request<Chunk>) -> Result<Response<Chunk>, Status> {
                    if self.echo_metadata {
                        let echoed = request.metadata().get(ECHOED).cloned();
                        let mut response = Response::new(request.into_inner());
                        if let Some(echoed) = echoed {
                            response.metadata_mut().insert(ECHOED, echoed);
                        }
                        return Ok(response);
                    }
                    Ok(Response::new(request.into_inner()))
                }

                type DownloadStream =
                    Either<Take<Repeat<Result<Chunk, Status>>>, ReceiverStream<Result<Chunk, Status>>>;

                async fn download(
                    &self,
                    request: Request<Transfer>,
                ) -> Result<Response<Self::DownloadStream>, Status> {
                    let is_awaited = request.metadata().contains_key(AWAITED);
                    let Transfer { count, size } = request.into_inner();
                    let chunk = Chunk { payload: Bytes::from(vec![0; size as usize]) };
                    Ok(Response::new(if is_awaited {
                        Either::Right(awaited(count, Ok(chunk)))
                    } else {
                        // Always ready, unlike tokio_stream::iter, which pauses after a number of items. tonic fills
                        // its buffer before it sends, and flow control paces the stream.
                        Either::Left(stream::repeat(Ok(chunk)).take(count as usize))
                    }))
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

                /// The incoming stream itself. A chunk is read only when the previous one was taken for sending.
                type ExchangeStream = Streaming<Chunk>;

                async fn exchange(
                    &self,
                    request: Request<Streaming<Chunk>>,
                ) -> Result<Response<Self::ExchangeStream>, Status> {
                    Ok(Response::new(request.into_inner()))
                }
            }
        };
    };
}

bench!(grpc_ipc_proto::bench);
bench!(grpc_ipc_proto::tonic_generated::bench);
