//! A server and a client in a program without async: `main` blocks, and has no tokio runtime of its own.
//!
//! ```text
//! cargo run --release --bin blocking
//! ```
//!
//! prints, on Linux:
//!
//! ```text
//! listening on unix:/run/user/1000/blocking-4242.sock
//! thread grpc-ipc-server greets Ada
//! Hello Ada
//! thread grpc-ipc-server greets Grace
//! Hello Grace
//! shut down
//! ```
//!
//! A program with a user interface keeps the `ServerHandle` as long as its windows; a Windows service keeps it until it
//! is asked to stop.

use std::error::Error;
use std::process::ExitCode;
use std::thread;
use std::time::Duration;

use grpc_ipc::Server;
use grpc_ipc_examples::exit;
use grpc_ipc_proto::greet::greeter_blocking_client::GreeterBlockingClient;
use grpc_ipc_proto::greet::greeter_server::{Greeter, GreeterServer};
use grpc_ipc_proto::greet::{HelloReply, HelloRequest};
use tonic::{Request, Response, Status};

struct MyGreeter;

#[tonic::async_trait]
impl Greeter for MyGreeter {
    async fn say_hello(&self, request: Request<HelloRequest>) -> Result<Response<HelloReply>, Status> {
        let name = request.into_inner().name;
        println!("thread {} greets {name}", thread::current().name().unwrap_or("?"));
        // All handlers share this thread. Work that blocks runs on other threads.
        let message = tokio::task::spawn_blocking(move || format!("Hello {name}"));
        let message = message.await.map_err(|error| Status::internal(error.to_string()))?;
        Ok(Response::new(HelloReply { message }))
    }
}

fn main() -> ExitCode {
    exit(run())
}

fn run() -> Result<(), Box<dyn Error>> {
    let address = format!("local:blocking-{}", std::process::id());
    let server = Server::builder().add_service(GreeterServer::new(MyGreeter)).listen(&address).spawn()?;
    println!("listening on {}", server.local_addresses()[0]);

    let mut greeter = GreeterBlockingClient::connect(&address)?;
    for name in ["Ada", "Grace"] {
        let mut request = Request::new(HelloRequest { name: name.to_owned() });
        request.set_timeout(Duration::from_secs(5));
        println!("{}", greeter.say_hello(request)?.into_inner().message);
    }
    server.shutdown(Duration::from_secs(5))?;
    println!("shut down");
    Ok(())
}
