//! A server and a client that talk over this platform's default local transport.
//!
//! ```text
//! cargo run --release --bin greeter                          both, in one process
//! cargo run --release --bin greeter serve [ADDRESS]          the server, until Ctrl-C
//! cargo run --release --bin greeter call [ADDRESS] [NAME]    one call
//! ```
//!
//! `--access POLICY` sets the clients that the server accepts, or the servers that the client accepts, such as
//! `--access anyone`. `--help` lists the policies, and the options of a socket's file.
//!
//! For both in one process on Linux, it prints:
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
use grpc_ipc::{
    AccessPolicy, BoundServer, Channel, ConnectOptions, ListenOptions, Peer, Server, shutdown_signal,
};
use grpc_ipc_examples::{access, exit, log_to_stderr};
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
        #[command(flatten)]
        options: ServeOptions,
    },
    /// Makes one call, and prints the reply and the server's identity.
    Call {
        #[arg(default_value = "local:greeter")]
        address: String,
        #[arg(default_value = "world")]
        name: String,
        /// The servers to accept.
        #[arg(long, value_name = "POLICY", value_parser = access::policy, long_help = access::POLICIES)]
        access: Option<AccessPolicy>,
    },
}

#[derive(clap::Args, Default)]
struct ServeOptions {
    /// The clients to accept.
    #[arg(long, value_name = "POLICY", value_parser = access::policy, long_help = access::POLICIES)]
    access: Option<AccessPolicy>,
    #[cfg(unix)]
    #[command(flatten)]
    socket: SocketOptions,
}

/// Options of a socket's file.
#[cfg(unix)]
#[derive(clap::Args, Default)]
struct SocketOptions {
    /// Its permission bits, such as 0660.
    #[arg(long, value_parser = octal)]
    mode: Option<u32>,
    /// Its group, by name.
    #[arg(long)]
    group: Option<String>,
    /// Creates its directory with these permission bits, if it does not exist.
    #[arg(long, value_name = "MODE", value_parser = octal)]
    create_parent: Option<u32>,
    /// Listens even where others can replace this server with one of their own.
    #[arg(long)]
    dangerous_allow_any_parent: bool,
}

#[cfg(unix)]
fn octal(text: &str) -> Result<u32, std::num::ParseIntError> {
    u32::from_str_radix(text, 8)
}

impl ServeOptions {
    fn listen(self, address: &str) -> ListenOptions {
        let mut options = ListenOptions::new(address);
        if let Some(access) = self.access {
            options = options.access(access);
        }
        #[cfg(unix)]
        {
            use grpc_ipc::unix::ListenOptionsExt as _;
            if let Some(mode) = self.socket.mode {
                options = options.mode(mode);
            }
            if let Some(group) = self.socket.group {
                options = options.group_name(group);
            }
            if let Some(mode) = self.socket.create_parent {
                options = options.create_parent(mode);
            }
            if self.socket.dangerous_allow_any_parent {
                options = options.dangerous_allow_unsafe_parent();
            }
        }
        options
    }
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
        Some(Command::Serve { address, options }) => {
            // Before it prints that it listens. After that, it may be asked to stop.
            let stop = shutdown_signal()?;
            let server = listen(&address, options).await?;
            Ok(server.serve_with_shutdown(stop, Duration::from_secs(5)).await?)
        }
        Some(Command::Call { address, name, access }) => call(&address, name, access).await,
        None => {
            let address = format!("local:greeter-{}", std::process::id());
            let server = listen(&address, ServeOptions::default()).await?;
            tokio::select! {
                ended = server.serve() => Ok(ended?),
                called = call(&address, "world".to_owned(), None) => called,
            }
        }
    }
}

async fn listen(address: &str, options: ServeOptions) -> Result<BoundServer, Box<dyn Error>> {
    let server = Server::builder().add_service(GreeterServer::new(MyGreeter)).listen(options.listen(address));
    let server = server.bind().await?;
    let reached = server.local_addresses()[0].to_string();
    match reached == address {
        true => println!("listening on {address}"),
        // Clients that do not know `local:` need the resolved address.
        false => println!("listening on {address} ({reached})"),
    }
    Ok(server)
}

async fn call(address: &str, name: String, access: Option<AccessPolicy>) -> Result<(), Box<dyn Error>> {
    let mut options = ConnectOptions::new(address);
    if let Some(access) = access {
        options = options.access(access);
    }
    let channel = Channel::connect(options).await?;
    let reply = GreeterClient::new(channel.clone()).say_hello(HelloRequest { name }).await?;
    println!("{}", reply.into_inner().message);
    if let Some(peer) = channel.peer() {
        println!("answered by {peer}");
    }
    Ok(())
}
