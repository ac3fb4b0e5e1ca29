//! One request, a stream of responses.
//!
//! ```text
//! cargo run -p topics --bin server_streaming
//! ```
//!
//! prints
//!
//! ```text
//! tick 1
//! tick 2
//! tick 3
//! the server has ended the stream
//! ```

use std::pin::Pin;
use std::time::Duration;

use grpc_ipc::Server;
use grpc_ipc::tonic::{Request, Response, Status, async_trait};
use tokio_stream::{Stream, StreamExt as _};

mod topics {
    grpc_ipc::include_proto!("topics");
}

use topics::clock_client::ClockClient;
use topics::clock_server::{Clock, ClockServer};
use topics::{Tick, WatchRequest};

const ADDRESS: &str = "local:topics-server-streaming";

struct MyClock;

#[async_trait]
impl Clock for MyClock {
    type WatchStream = Pin<Box<dyn Stream<Item = Result<Tick, Status>> + Send>>;

    async fn watch(&self, request: Request<WatchRequest>) -> Result<Response<Self::WatchStream>, Status> {
        let numbers = 1..=request.into_inner().ticks;
        // An `Err` in the stream would end it with that status.
        let ticks = tokio_stream::iter(numbers).map(|number| Ok(Tick { number }));
        Ok(Response::new(Box::pin(ticks.throttle(Duration::from_millis(50)))))
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let server = Server::builder().add_service(ClockServer::new(MyClock)).listen(ADDRESS).bind().await?;
    tokio::spawn(server.serve());

    let mut clock = ClockClient::connect(ADDRESS).await?;
    let mut ticks = clock.watch(WatchRequest { ticks: 3 }).await?.into_inner();
    // `message` returns `None` when the stream has ended well, and the status when it has not.
    while let Some(Tick { number }) = ticks.message().await? {
        println!("tick {number}");
    }
    println!("the server has ended the stream");
    Ok(())
}
