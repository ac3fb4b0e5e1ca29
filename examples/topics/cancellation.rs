//! A client cancels a call by dropping it. The server then drops the handler and its stream.
//!
//! ```text
//! cargo run -p topics --bin cancellation
//! ```
//!
//! prints
//!
//! ```text
//! client: tick 1
//! client: tick 2
//! client: enough
//! server: the stream was dropped
//! ```
//!
//! A unary call is cancelled in the same way: drop the future of the call, for instance with `tokio::select!`. The
//! server does not stop what the handler has passed to `tokio::spawn` or `spawn_blocking`. Have such work check whether
//! its receiver still exists, or stop it with a `tokio_util::sync::DropGuard`.

use std::pin::Pin;
use std::time::Duration;

use grpc_ipc::Server;
use grpc_ipc::tonic::{Request, Response, Status, async_trait};
use tokio::sync::mpsc;
use tokio_stream::{Stream, StreamExt as _};

mod topics {
    grpc_ipc::include_proto!("topics");
}

use topics::clock_client::ClockClient;
use topics::clock_server::{Clock, ClockServer};
use topics::{Tick, WatchRequest};

const ADDRESS: &str = "local:topics-cancellation";

struct MyClock {
    dropped: mpsc::UnboundedSender<()>,
}

#[async_trait]
impl Clock for MyClock {
    type WatchStream = Pin<Box<dyn Stream<Item = Result<Tick, Status>> + Send>>;

    async fn watch(&self, request: Request<WatchRequest>) -> Result<Response<Self::WatchStream>, Status> {
        let guard = Guard(self.dropped.clone());
        let ticks = tokio_stream::iter(1..=request.into_inner().ticks).map(move |number| {
            // The stream owns the guard.
            let _ = &guard;
            Ok(Tick { number })
        });
        Ok(Response::new(Box::pin(ticks.throttle(Duration::from_millis(50)))))
    }
}

/// Reports that it was dropped.
struct Guard(mpsc::UnboundedSender<()>);

impl Drop for Guard {
    fn drop(&mut self) {
        _ = self.0.send(());
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let (dropped, mut was_dropped) = mpsc::unbounded_channel();
    let clock = ClockServer::new(MyClock { dropped });
    let server = Server::builder().add_service(clock).listen(ADDRESS).bind().await?;
    tokio::spawn(server.serve());

    let mut clock = ClockClient::connect(ADDRESS).await?;
    let mut ticks = clock.watch(WatchRequest { ticks: u32::MAX }).await?.into_inner();
    while let Some(Tick { number }) = ticks.message().await? {
        println!("client: tick {number}");
        if number == 2 {
            break;
        }
    }
    println!("client: enough");
    drop(ticks);
    was_dropped.recv().await;
    println!("server: the stream was dropped");
    Ok(())
}
