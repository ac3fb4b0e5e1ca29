use grpc_ipc_proto::greet::{HelloReply, HelloRequest, greeter_server};
use tonic::{Request, Response, Status};

/// The service of the .NET gRPC template.
pub(super) struct Greeter;

#[tonic::async_trait]
impl greeter_server::Greeter for Greeter {
    async fn say_hello(&self, request: Request<HelloRequest>) -> Result<Response<HelloReply>, Status> {
        Ok(Response::new(HelloReply { message: format!("Hello {}", request.into_inner().name) }))
    }
}
