//! The helper process: does work that may be slow, may crash, or needs other rights than the
//! program.
//!
//! The program starts it with the address to listen on. It ends when the program closes its
//! standard input, which also happens when the program crashes.

use std::pin::Pin;
use std::time::Duration;

use anyhow::Context as _;
use grpc_ipc::Server;
use grpc_ipc::tonic::{Request, Response, Status, async_trait};
use tokio::io::AsyncReadExt as _;
use tokio::sync::mpsc;
use tokio_stream::Stream;
use tokio_stream::wrappers::ReceiverStream;

use {{crate_name}}::converter::converter_server::{Converter, ConverterServer};
use {{crate_name}}::converter::{Document, Progress};

struct MyConverter;

#[async_trait]
impl Converter for MyConverter {
    type ConvertStream = Pin<Box<dyn Stream<Item = Result<Progress, Status>> + Send>>;

    async fn convert(
        &self,
        request: Request<Document>,
    ) -> Result<Response<Self::ConvertStream>, Status> {
        let Document { name, pages } = request.into_inner();
        if name == "crash.txt" {
            std::process::abort();
        }
        let (progress, received) = mpsc::channel(1);
        tokio::spawn(async move {
            for page in 1..=pages {
                // The work for a page. Once the program has cancelled the call, sending fails, and
                // the work ends.
                tokio::time::sleep(Duration::from_millis(20)).await;
                if progress.send(Ok(Progress { page, pages })).await.is_err() {
                    return;
                }
            }
        });
        Ok(Response::new(Box::pin(ReceiverStream::new(received))))
    }
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let address = std::env::args()
        .nth(1)
        .context("the program starts this helper; it is not run by hand")?;
    let program_has_gone = async {
        // The program writes nothing to it, so the read ends when the program does.
        _ = tokio::io::stdin().read_u8().await;
    };
    Server::builder()
        .add_service(ConverterServer::new(MyConverter))
        .listen(address.as_str())
        .serve_with_shutdown(program_has_gone, Duration::from_secs(1))
        .await?;
    // The runtime would wait for the read of standard input.
    std::process::exit(0)
}
