//! Reflection: a server tells clients which services it has, so that tools can call it without its .proto files.
//!
//! ```text
//! cargo run -p topics --bin reflection
//! ```
//!
//! prints
//!
//! ```text
//! grpc.reflection.v1.ServerReflection
//! topics.Adder
//! topics.Chat
//! topics.Clock
//! topics.Greeter
//! ```
//!
//! The commands `grpc-ipc list`, `describe` and `call` use it. The server sends the descriptors that the build script has
//! written (`file_descriptor_set_path` in `build.rs`).

use grpc_ipc::tonic::{Request, Response, Status, async_trait, include_file_descriptor_set};
use grpc_ipc::{Channel, Server};
use tonic_reflection::pb::v1::ServerReflectionRequest;
use tonic_reflection::pb::v1::server_reflection_client::ServerReflectionClient;
use tonic_reflection::pb::v1::server_reflection_request::MessageRequest;
use tonic_reflection::pb::v1::server_reflection_response::MessageResponse;

mod topics {
    grpc_ipc::include_proto!("topics");
}

use topics::greeter_server::{Greeter, GreeterServer};
use topics::{HelloReply, HelloRequest};

const ADDRESS: &str = "local:topics-reflection";
const DESCRIPTORS: &[u8] = include_file_descriptor_set!("topics");

struct MyGreeter;

#[async_trait]
impl Greeter for MyGreeter {
    async fn say_hello(&self, request: Request<HelloRequest>) -> Result<Response<HelloReply>, Status> {
        Ok(Response::new(HelloReply { message: format!("Hello {}", request.get_ref().name) }))
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    // `build_v1alpha` makes the older service, which some tools still ask for.
    let reflection = tonic_reflection::server::Builder::configure()
        .register_encoded_file_descriptor_set(DESCRIPTORS)
        .build_v1()?;
    let server = Server::builder().add_service(reflection).add_service(GreeterServer::new(MyGreeter));
    tokio::spawn(server.listen(ADDRESS).bind().await?.serve());

    let mut client = ServerReflectionClient::new(Channel::connect(ADDRESS).await?);
    let request = ServerReflectionRequest {
        message_request: Some(MessageRequest::ListServices(String::new())),
        ..Default::default()
    };
    let mut responses = client.server_reflection_info(tokio_stream::once(request)).await?.into_inner();
    let response = responses.message().await?.ok_or("the server has not answered")?;
    if let Some(MessageResponse::ListServicesResponse(list)) = response.message_response {
        let mut names: Vec<_> = list.service.into_iter().map(|service| service.name).collect();
        names.sort();
        for name in names {
            println!("{name}");
        }
    }
    Ok(())
}
