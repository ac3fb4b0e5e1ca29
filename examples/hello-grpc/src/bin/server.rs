use std::time::Duration;

use hello_grpc::MyGreeter;
use hello_grpc::greeter_server::GreeterServer;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    // Ctrl-C or SIGTERM stops the server. Running calls then have five seconds to end.
    grpc_ipc::Server::builder()
        .add_service(GreeterServer::new(MyGreeter))
        .listen("local:hello-grpc")
        .serve_with_shutdown(grpc_ipc::shutdown_signal()?, Duration::from_secs(5))
        .await?;
    Ok(())
}
