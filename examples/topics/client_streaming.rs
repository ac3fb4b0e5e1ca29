//! A stream of requests, one response.
//!
//! ```text
//! cargo run -p topics --bin client_streaming
//! ```
//!
//! prints
//!
//! ```text
//! 3 numbers, 42 in total
//! ```

use grpc_ipc::Server;
use grpc_ipc::tonic::{Request, Response, Status, Streaming, async_trait};

mod topics {
    grpc_ipc::include_proto!("topics");
}

use topics::adder_client::AdderClient;
use topics::adder_server::{Adder, AdderServer};
use topics::{Number, Total};

const ADDRESS: &str = "local:topics-client-streaming";

struct MyAdder;

#[async_trait]
impl Adder for MyAdder {
    async fn sum(&self, request: Request<Streaming<Number>>) -> Result<Response<Total>, Status> {
        let mut requests = request.into_inner();
        let mut total = Total { value: 0, numbers: 0 };
        while let Some(Number { value }) = requests.message().await? {
            total.value += value;
            total.numbers += 1;
        }
        Ok(Response::new(total))
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let server = Server::builder().add_service(AdderServer::new(MyAdder)).listen(ADDRESS).bind().await?;
    tokio::spawn(server.serve());

    let mut adder = AdderClient::connect(ADDRESS).await?;
    // The client sends as fast as the server reads. To send as values come up, use a channel and
    // `tokio_stream::wrappers::ReceiverStream`.
    let numbers = tokio_stream::iter([7, 14, 21].map(|value| Number { value }));
    let Total { value, numbers } = adder.sum(numbers).await?.into_inner();
    println!("{numbers} numbers, {value} in total");
    Ok(())
}
