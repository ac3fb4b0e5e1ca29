//! Errors with details that a program can read: the standard messages of `google.rpc`, with the crate `tonic-types`.
//!
//! ```text
//! cargo run -p topics --bin errors
//! ```
//!
//! prints
//!
//! ```text
//! InvalidArgument: the request is not valid
//! field name: is empty; write the name of a person
//! ```
//!
//! The details travel in the trailer `grpc-status-details-bin`, where gRPC for other languages reads them, too.

use grpc_ipc::Server;
use grpc_ipc::tonic::{Code, Request, Response, Status, async_trait};
use tonic_types::{ErrorDetails, StatusExt as _};

mod topics {
    grpc_ipc::include_proto!("topics");
}

use topics::greeter_client::GreeterClient;
use topics::greeter_server::{Greeter, GreeterServer};
use topics::{HelloReply, HelloRequest};

const ADDRESS: &str = "local:topics-errors";

struct MyGreeter;

#[async_trait]
impl Greeter for MyGreeter {
    async fn say_hello(&self, request: Request<HelloRequest>) -> Result<Response<HelloReply>, Status> {
        let HelloRequest { name } = request.into_inner();
        if name.is_empty() {
            let mut details = ErrorDetails::new();
            details.add_bad_request_violation("name", "is empty; write the name of a person");
            let message = "the request is not valid";
            return Err(Status::with_error_details(Code::InvalidArgument, message, details));
        }
        Ok(Response::new(HelloReply { message: format!("Hello {name}") }))
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let server = Server::builder().add_service(GreeterServer::new(MyGreeter)).listen(ADDRESS).bind().await?;
    tokio::spawn(server.serve());

    let mut greeter = GreeterClient::connect(ADDRESS).await?;
    let status = greeter.say_hello(HelloRequest::default()).await.expect_err("the name is empty");
    println!("{:?}: {}", status.code(), status.message());
    if let Some(bad_request) = status.get_details_bad_request() {
        for violation in bad_request.field_violations {
            println!("field {}: {}", violation.field, violation.description);
        }
    }
    Ok(())
}
