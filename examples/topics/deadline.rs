//! A deadline ends a call that takes too long, in the client and in the server.
//!
//! ```text
//! cargo run -p topics --bin deadline
//! ```
//!
//! prints
//!
//! ```text
//! client: DeadlineExceeded after 100 ms
//! server: the handler was dropped
//! ```
//!
//! `ConnectOptions::timeout` gives every call of a channel a deadline, and `Server::timeout` every call that a server
//! answers.

use std::time::Duration;

use grpc_ipc::Server;
use grpc_ipc::tonic::{Request, Response, Status, async_trait};
use tokio::sync::mpsc;

mod topics {
    grpc_ipc::include_proto!("topics");
}

use topics::greeter_client::GreeterClient;
use topics::greeter_server::{Greeter, GreeterServer};
use topics::{HelloReply, HelloRequest};

const ADDRESS: &str = "local:topics-deadline";
const LIMIT: Duration = Duration::from_millis(100);

struct SlowGreeter {
    dropped: mpsc::UnboundedSender<()>,
}

#[async_trait]
impl Greeter for SlowGreeter {
    async fn say_hello(&self, _: Request<HelloRequest>) -> Result<Response<HelloReply>, Status> {
        let _guard = Guard(self.dropped.clone());
        // The server drops the handler here, as at any other `await`, when the deadline passes.
        tokio::time::sleep(Duration::from_secs(3600)).await;
        Ok(Response::new(HelloReply { message: "Hello at last".to_owned() }))
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
    let greeter = GreeterServer::new(SlowGreeter { dropped });
    let server = Server::builder().add_service(greeter).listen(ADDRESS).bind().await?;
    tokio::spawn(server.serve());

    let mut greeter = GreeterClient::connect(ADDRESS).await?;
    let mut request = Request::new(HelloRequest { name: "Ada".to_owned() });
    request.set_timeout(LIMIT);
    let status = greeter.say_hello(request).await.expect_err("the handler sleeps for an hour");
    println!("client: {:?} after {} ms", status.code(), LIMIT.as_millis());
    was_dropped.recv().await;
    println!("server: the handler was dropped");
    Ok(())
}
