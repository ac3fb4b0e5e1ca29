//! The standard health service, `grpc.health.v1.Health`: a server says whether it can do its work, and clients watch it.
//!
//! ```text
//! cargo run -p topics --bin health
//! ```
//!
//! prints
//!
//! ```text
//! topics.Greeter: Serving
//! topics.Greeter: NotServing
//! ```
//!
//! In a shell, `grpc-ipc health ADDRESS topics.Greeter` asks for the same.

use grpc_ipc::tonic::{Request, Response, Status, async_trait};
use grpc_ipc::{Channel, Server};
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_client::HealthClient;

mod topics {
    grpc_ipc::include_proto!("topics");
}

use topics::greeter_server::{Greeter, GreeterServer};
use topics::{HelloReply, HelloRequest};

const ADDRESS: &str = "local:topics-health";

struct MyGreeter;

#[async_trait]
impl Greeter for MyGreeter {
    async fn say_hello(&self, request: Request<HelloRequest>) -> Result<Response<HelloReply>, Status> {
        Ok(Response::new(HelloReply { message: format!("Hello {}", request.get_ref().name) }))
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let (reporter, health) = tonic_health::server::health_reporter();
    reporter.set_serving::<GreeterServer<MyGreeter>>().await;
    let server = Server::builder().add_service(health).add_service(GreeterServer::new(MyGreeter));
    tokio::spawn(server.listen(ADDRESS).bind().await?.serve());

    // `check` asks once; `watch` begins with the present state and reports each change.
    let mut client = HealthClient::new(Channel::connect(ADDRESS).await?);
    let request = HealthCheckRequest { service: "topics.Greeter".to_owned() };
    let mut states = client.watch(request).await?.into_inner();
    let state = states.message().await?.ok_or("the stream has ended")?;
    println!("topics.Greeter: {:?}", state.status());

    // For instance, the greeter has lost its database.
    reporter.set_not_serving::<GreeterServer<MyGreeter>>().await;
    let state = states.message().await?.ok_or("the stream has ended")?;
    println!("topics.Greeter: {:?}", state.status());
    Ok(())
}
