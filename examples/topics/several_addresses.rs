//! One server at several addresses, each with an access policy of its own.
//!
//! ```text
//! cargo run -p topics --bin several_addresses
//! ```
//!
//! prints
//!
//! ```text
//! at the local address: Hello Ada, my user
//! over TCP: Hello Ada, whoever you are
//! ```
//!
//! Addresses are strings, so they may come from a configuration file or the command line.

use grpc_ipc::tonic::{Request, Response, Status, async_trait};
use grpc_ipc::{Peer, Server};

mod topics {
    grpc_ipc::include_proto!("topics");
}

use topics::greeter_client::GreeterClient;
use topics::greeter_server::{Greeter, GreeterServer};
use topics::{HelloReply, HelloRequest};

struct MyGreeter;

#[async_trait]
impl Greeter for MyGreeter {
    async fn say_hello(&self, request: Request<HelloRequest>) -> Result<Response<HelloReply>, Status> {
        // Unlike a local transport, TCP does not tell which user calls.
        let is_known = request.extensions().get::<Peer>().is_some_and(Peer::is_same_user);
        let who = if is_known { "my user" } else { "whoever you are" };
        Ok(Response::new(HelloReply { message: format!("Hello {}, {who}", request.get_ref().name) }))
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let server = Server::builder()
        .add_service(GreeterServer::new(MyGreeter))
        // By default, for this user and the system alone.
        .listen("local:topics-several-addresses")
        // For everyone who can reach the port, on this machine. Port 0 lets the system choose one.
        .listen("http://127.0.0.1:0")
        .bind()
        .await?;
    // In the order of the calls of `listen`, and with the port that was chosen.
    let addresses = server.local_addresses().to_vec();
    tokio::spawn(server.serve());

    for (name, address) in ["at the local address", "over TCP"].into_iter().zip(addresses) {
        let mut greeter = GreeterClient::connect(address).await?;
        let reply = greeter.say_hello(HelloRequest { name: "Ada".to_owned() }).await?;
        println!("{name}: {}", reply.into_inner().message);
    }
    Ok(())
}
