use std::time::Duration;

use {{crate_name}}::MyGreeter;
use {{crate_name}}::greeter_server::GreeterServer;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let server = grpc_ipc::Server::builder()
        .add_service(GreeterServer::new(MyGreeter))
        .listen("local:{{project-name}}")
        .bind()
        .await?;
    println!("listening on local:{{project-name}}");
    // Ctrl-C or SIGTERM stops the server. Running calls then have five seconds to end.
    let stop = grpc_ipc::shutdown_signal()?;
    server
        .serve_with_shutdown(stop, Duration::from_secs(5))
        .await?;
    Ok(())
}
