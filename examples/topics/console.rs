//! A console program that hosts a server: it shows each call, and ends on Ctrl-C or SIGTERM.
//!
//! ```text
//! cargo run -p topics --bin console [ADDRESS]
//! ```
//!
//! prints on Linux, when `greet.py` and then `greet.js` have called it, and it is told to stop:
//!
//! ```text
//! listening on unix:/run/user/1000/topics.sock
//! unix:uid=1000,pid=4242: Hello Ada
//! unix:uid=1000,pid=4343: Hello Grace
//! stopped
//! ```

use std::time::Duration;

use grpc_ipc::tonic::{Request, Response, Status, async_trait};
use grpc_ipc::{Peer, Server, shutdown_signal};

mod topics {
    grpc_ipc::include_proto!("topics");
}

use topics::greeter_server::{Greeter, GreeterServer};
use topics::{HelloReply, HelloRequest};

struct MyGreeter;

#[async_trait]
impl Greeter for MyGreeter {
    async fn say_hello(&self, request: Request<HelloRequest>) -> Result<Response<HelloReply>, Status> {
        let message = format!("Hello {}", request.get_ref().name);
        if let Some(peer) = request.extensions().get::<Peer>() {
            println!("{peer}: {message}");
        }
        Ok(Response::new(HelloReply { message }))
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let address = std::env::args().nth(1).unwrap_or_else(|| "local:topics".to_owned());
    // Before the server is reachable, so that it can be told to stop as soon as it is.
    let stop = shutdown_signal()?;
    let server = Server::builder().add_service(GreeterServer::new(MyGreeter)).listen(address).bind().await?;
    println!("listening on {}", server.local_addresses()[0]);
    // Calls under way have 5 seconds to end.
    server.serve_with_shutdown(stop, Duration::from_secs(5)).await?;
    println!("stopped");
    Ok(())
}
