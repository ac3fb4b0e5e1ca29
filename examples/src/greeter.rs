//! A server and a client that talk over this platform's default local transport.
//!
//! ```text
//! cargo run --release --bin greeter                          both, in one process
//! cargo run --release --bin greeter serve [ADDRESS]          the server, until Ctrl-C
//! cargo run --release --bin greeter call [ADDRESS] [NAME]    one call
//! ```
//!
//! prints, for both in one process on Linux:
//!
//! ```text
//! listening on local:greeter-4242 (unix:/run/user/1000/greeter-4242.sock)
//! called by unix:uid=1000,pid=4242
//! Hello world
//! answered by unix:uid=1000,pid=4242
//! ```

use std::error::Error;
use std::process::ExitCode;
use std::time::Duration;

use clap::{Parser, Subcommand};
use grpc_ipc::{BoundServer, Channel, Peer, Server};
use grpc_ipc_examples::{exit, log_to_stderr, stop_signal};
use grpc_ipc_proto::greet::greeter_client::GreeterClient;
use grpc_ipc_proto::greet::greeter_server::{Greeter, GreeterServer};
use grpc_ipc_proto::greet::{HelloReply, HelloRequest};
use tonic::{Request, Response, Status};

/// Greets over a local transport; without a command, a server and a client in one process.
#[derive(Parser)]
#[command(args_conflicts_with_subcommands = true)]
struct Arguments {
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Subcommand)]
enum Command {
    /// Serves until Ctrl-C; prints `listening on ADDRESS` once a client can connect.
    Serve {
        #[arg(default_value = "local:greeter")]
        address: String,
    },
    /// Makes one call, and prints the reply and who the server is.
    Call {
        #[arg(default_value = "local:greeter")]
        address: String,
        #[arg(default_value = "world")]
        name: String,
    },
}

struct MyGreeter;

#[tonic::async_trait]
impl Greeter for MyGreeter {
    async fn say_hello(&self, request: Request<HelloRequest>) -> Result<Response<HelloReply>, Status> {
        if let Some(peer) = request.extensions().get::<Peer>() {
            println!("called by {peer}");
        }
        Ok(Response::new(HelloReply { message: format!("Hello {}", request.into_inner().name) }))
    }
}

#[tokio::main]
async fn main() -> ExitCode {
    log_to_stderr();
    exit(run(Arguments::parse().command).await)
}

async fn run(command: Option<Command>) -> Result<(), Box<dyn Error>> {
    match command {
        Some(Command::Serve { address }) => {
            let server = listen(&address).await?;
            Ok(server.serve_with_shutdown(stop_signal(), Duration::from_secs(5)).await?)
        }
        Some(Command::Call { address, name }) => call(&address, name).await,
        None => {
            let address = format!("local:greeter-{}", std::process::id());
            let server = listen(&address).await?;
            tokio::select! {
                ended = server.serve() => Ok(ended?),
                called = call(&address, "world".to_owned()) => called,
            }
        }
    }
}

async fn listen(address: &str) -> Result<BoundServer, Box<dyn Error>> {
    let server = Server::builder().add_service(GreeterServer::new(MyGreeter)).listen(address).bind().await?;
    let reached = server.local_addresses()[0].to_string();
    match reached == address {
        true => println!("listening on {address}"),
        // Clients that do not know `local:` need the address behind it.
        false => println!("listening on {address} ({reached})"),
    }
    Ok(server)
}

async fn call(address: &str, name: String) -> Result<(), Box<dyn Error>> {
    let channel = Channel::connect(address).await?;
    let reply = GreeterClient::new(channel.clone()).say_hello(HelloRequest { name }).await?;
    println!("{}", reply.into_inner().message);
    if let Some(peer) = channel.peer() {
        println!("answered by {peer}");
    }
    Ok(())
}
