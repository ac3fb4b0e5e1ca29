//! One request, one response, and a handler that knows who calls.
//!
//! ```text
//! cargo run -p topics --bin unary
//! ```
//!
//! prints
//!
//! ```text
//! server: called by a process of my own user
//! client: Hello Ada
//! ```

use grpc_ipc::tonic::{Request, Response, Status, async_trait};
use grpc_ipc::{Peer, Server};

mod topics {
    grpc_ipc::include_proto!("topics");
}

use topics::greeter_client::GreeterClient;
use topics::greeter_server::{Greeter, GreeterServer};
use topics::{HelloReply, HelloRequest};

const ADDRESS: &str = "local:topics-unary";

struct MyGreeter;

#[async_trait]
impl Greeter for MyGreeter {
    async fn say_hello(&self, request: Request<HelloRequest>) -> Result<Response<HelloReply>, Status> {
        // The operating system says who the client is: `peer.user()`, `peer.pid()` and more.
        let peer = request.extensions().get::<Peer>();
        if peer.is_some_and(Peer::is_same_user) {
            println!("server: called by a process of my own user");
        }
        let HelloRequest { name } = request.into_inner();
        Ok(Response::new(HelloReply { message: format!("Hello {name}") }))
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    // Clients can connect as soon as `bind` returns.
    let server = Server::builder().add_service(GreeterServer::new(MyGreeter)).listen(ADDRESS).bind().await?;
    tokio::spawn(server.serve());

    let mut greeter = GreeterClient::connect(ADDRESS).await?;
    let reply = greeter.say_hello(HelloRequest { name: "Ada".to_owned() }).await?;
    println!("client: {}", reply.into_inner().message);
    Ok(())
}
