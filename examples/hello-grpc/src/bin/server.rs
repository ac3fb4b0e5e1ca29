use std::time::Duration;

use hello_grpc::MyGreeter;
use hello_grpc::greeter_server::GreeterServer;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let server = grpc_ipc::Server::builder()
        .add_service(GreeterServer::new(MyGreeter))
        .listen("local:hello-grpc")
        .bind()
        .await?;
    println!("listening on local:hello-grpc");
    // Ctrl-C or SIGTERM stops the server. Running calls then have five seconds to end.
    let stop = grpc_ipc::shutdown_signal()?;
    server
        .serve_with_shutdown(stop, Duration::from_secs(5))
        .await?;
    Ok(())
}
