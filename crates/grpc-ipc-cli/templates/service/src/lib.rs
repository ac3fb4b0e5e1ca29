use grpc_ipc::Peer;
use grpc_ipc::tonic::{Request, Response, Status, async_trait};

grpc_ipc::include_proto!("greet");

pub struct MyGreeter;

#[async_trait]
impl greeter_server::Greeter for MyGreeter {
    async fn say_hello(
        &self,
        request: Request<HelloRequest>,
    ) -> Result<Response<HelloReply>, Status> {
        if let Some(peer) = request.extensions().get::<Peer>() {
            println!("called by {peer}");
        }
        let message = format!("Hello {}", request.into_inner().name);
        Ok(Response::new(HelloReply { message }))
    }
}
