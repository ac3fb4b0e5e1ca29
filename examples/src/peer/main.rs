//! The peer of the interoperability tests and benchmarks: the same services and the same command line as the peers of
//! other languages, so that any client can be put against any server.
//!
//! ```text
//! peer serve ADDRESS...            prints `listening on ADDRESS`, serves until Ctrl-C
//! peer call ADDRESS [CASE...]      gRPC's interoperability cases, a line each; exits with 1 when one fails
//! peer bench ADDRESS [SECONDS]     a line of figures for each shape of call
//! peer greet ADDRESS NAME          one call; prints the reply
//! peer calls ADDRESS COUNT         exactly so many unary calls, for tools that count what a call costs
//! ```
//!
//! With TLS: `serve … --tls CERTIFICATE.pem KEY.pem`, and `--tls AUTHORITY.pem` for the others.

#![forbid(unsafe_code)]

mod bench;
mod cases;
mod compression;
mod services;
mod transport;

use std::error::Error;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::{Args, Parser, Subcommand, ValueEnum};
use grpc_ipc_examples::{exit, log_to_stderr};
use grpc_ipc_proto::greet::HelloRequest;
use grpc_ipc_proto::greet::greeter_client::GreeterClient;

/// The peer of the interoperability tests and benchmarks.
#[derive(Parser)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
    /// What carries the calls of `serve`, `bench` and `calls`.
    #[arg(long, global = true, value_enum, default_value_t = Stack::GrpcIpc)]
    stack: Stack,
    /// Lets in every user of this machine; as a client, trusts the server of any user.
    #[arg(long, global = true)]
    any_user: bool,
    /// The tokio runtime.
    #[arg(long, global = true, value_enum, default_value_t = Runtime::Multi)]
    runtime: Runtime,
}

#[derive(Subcommand)]
enum Command {
    /// Serves until Ctrl-C or SIGTERM; prints `listening on ADDRESS` once a client can connect.
    Serve {
        #[arg(required = true)]
        addresses: Vec<String>,
        /// Speaks TLS with this certificate and its private key, both files in PEM.
        #[arg(long, num_args = 2, value_names = ["CERTIFICATE", "KEY"])]
        tls: Option<Vec<PathBuf>>,
    },
    /// Runs gRPC's interoperability cases, or those that are named.
    Call {
        #[command(flatten)]
        target: Target,
        cases: Vec<String>,
    },
    /// Measures each shape of call.
    Bench {
        #[command(flatten)]
        target: Target,
        #[arg(default_value_t = 2.0)]
        seconds: f64,
    },
    /// Makes one call, and prints the reply.
    Greet {
        #[command(flatten)]
        target: Target,
        name: String,
    },
    /// Makes exactly COUNT unary calls, and prints how many it made.
    Calls {
        #[command(flatten)]
        target: Target,
        count: u64,
        /// How many at a time, all on one connection.
        #[arg(long, default_value_t = 1)]
        in_flight: u64,
        /// The size of the payload, in bytes.
        #[arg(long, default_value_t = bench::SMALL)]
        size: usize,
    },
}

/// The server that a client calls.
#[derive(Args)]
struct Target {
    address: String,
    /// Speaks TLS, and trusts the servers that are called `localhost` and certified by the authorities in this file in
    /// PEM.
    #[arg(long, value_name = "AUTHORITIES")]
    tls: Option<PathBuf>,
}

#[derive(Clone, Copy, ValueEnum)]
enum Stack {
    /// `grpc_ipc::Server` and `Channel`.
    GrpcIpc,
    /// tonic's own `Server` and `Endpoint`, over the listener and connector of grpc-ipc.
    Tonic,
}

#[derive(Clone, Copy, ValueEnum)]
enum Runtime {
    Current,
    Multi,
}

fn main() -> ExitCode {
    log_to_stderr();
    let arguments = Arguments::parse();
    let mut runtime = match arguments.runtime {
        Runtime::Current => tokio::runtime::Builder::new_current_thread(),
        Runtime::Multi => tokio::runtime::Builder::new_multi_thread(),
    };
    exit(match runtime.enable_all().build() {
        Ok(runtime) => runtime.block_on(run(arguments.command, arguments.stack, arguments.any_user)),
        Err(error) => Err(error.into()),
    })
}

async fn run(command: Command, stack: Stack, any_user: bool) -> Result<(), Box<dyn Error>> {
    match command {
        Command::Serve { addresses, tls } => {
            let options = transport::listen_options(&addresses, any_user, tls.as_deref())?;
            match stack {
                Stack::GrpcIpc => transport::serve(addresses, options).await,
                Stack::Tonic => transport::serve_with_tonic(addresses, options).await,
            }
        }
        Command::Call { target, cases } => {
            let cases = cases::select(&cases)?;
            let passed = match stack {
                Stack::GrpcIpc => cases::run(transport::connect(&target, any_user).await?, &cases).await,
                Stack::Tonic => {
                    cases::run(transport::connect_with_tonic(&target, any_user).await?, &cases).await
                }
            };
            if passed { Ok(()) } else { Err("some cases failed".into()) }
        }
        Command::Bench { target, seconds } => {
            let time = Duration::try_from_secs_f64(seconds)?;
            match stack {
                Stack::GrpcIpc => bench::run(transport::connect(&target, any_user).await?, time).await?,
                Stack::Tonic => {
                    bench::run(transport::connect_with_tonic(&target, any_user).await?, time).await?;
                }
            }
            Ok(())
        }
        Command::Greet { target, name } => {
            let mut client = GreeterClient::new(transport::connect(&target, any_user).await?);
            println!("{}", client.say_hello(HelloRequest { name }).await?.into_inner().message);
            Ok(())
        }
        Command::Calls { target, count, in_flight, size } => {
            let made = match stack {
                Stack::GrpcIpc => {
                    let channel = transport::connect(&target, any_user).await?;
                    bench::calls(channel, count, in_flight, size).await?
                }
                Stack::Tonic => {
                    let channel = transport::connect_with_tonic(&target, any_user).await?;
                    bench::calls(channel, count, in_flight, size).await?
                }
            };
            println!("{made} calls");
            Ok(())
        }
    }
}
