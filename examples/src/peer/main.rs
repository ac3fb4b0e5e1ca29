//! The peer of the interoperability tests and benchmarks. It has the same services and the same command line as the
//! peers in other languages, so any client can be run against any server.
//!
//! ```text
//! peer version                     one line with the versions of the stack
//! peer serve ADDRESS...            prints `listening on ADDRESS`, serves until Ctrl-C
//! peer call ADDRESS [CASE...]      gRPC's interoperability cases, a line each; exits with 1 when one fails
//! peer call ADDRESS --extended     cases beyond gRPC's
//! peer bench ADDRESS SECONDS SHAPE...
//!                                  figures for each kind of call
//! peer greet ADDRESS NAME          one call; prints the reply
//! peer calls ADDRESS COUNT         exactly COUNT unary calls, for tools that count what a call costs
//! peer connections ADDRESS COUNT   COUNT connections at once, for tools that count what one holds
//! ```
//!
//! An address is one of grpc-ipc's, or `tcp:HOST:PORT`, where a server may have port 0. Exits with 2 if this platform
//! does not have the transport of an address.
//!
//! With TLS: `serve … --tls CERTIFICATE.pem KEY.pem`, and `--tls AUTHORITY.pem` for the others.

#![forbid(unsafe_code)]

mod bench;
mod cases;
mod compression;
mod services;
mod transport;
mod version;

use std::error::Error;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::{Args, Parser, Subcommand, ValueEnum};
use grpc_ipc_bench_shapes::Shape;
use grpc_ipc_examples::{exit, log_to_stderr};
use grpc_ipc_proto::greet::HelloRequest;
use grpc_ipc_proto::greet::greeter_client::GreeterClient;

/// The peer of the interoperability tests and benchmarks.
#[derive(Parser)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
    /// The stack for `serve`, `call`, `bench`, `calls` and `connections`.
    #[arg(long, global = true, value_enum, default_value_t = Stack::GrpcIpc)]
    stack: Stack,
    #[command(flatten)]
    ends: Ends,
    /// The tokio runtime.
    #[arg(long, global = true, value_enum, default_value_t = Runtime::Multi)]
    runtime: Runtime,
}

/// Options of servers and clients.
#[derive(Args, Clone, Copy)]
struct Ends {
    /// Accepts every user of this machine. As a client, accepts a server of any user.
    #[arg(long, global = true)]
    any_user: bool,
    /// For how many microseconds grpc-ipc's connections poll before they sleep.
    #[arg(long, global = true, value_name = "MICROSECONDS")]
    busy_poll: Option<u64>,
}

#[derive(Subcommand)]
enum Command {
    /// Prints the versions of the stack.
    Version,
    /// Serves until Ctrl-C or SIGTERM; prints `listening on ADDRESS` once a client can connect.
    Serve {
        #[arg(required = true)]
        addresses: Vec<String>,
        /// Speaks TLS with this certificate and its private key, both files in PEM.
        #[arg(long, num_args = 2, value_names = ["CERTIFICATE", "KEY"])]
        tls: Option<Vec<PathBuf>>,
        /// Sends back some metadata of the calls of `calls`.
        #[arg(long)]
        echo_metadata: bool,
        /// Serves `grpc.testing.TestService` without compression and trailing metadata, so that its calls are direct.
        #[arg(long)]
        direct: bool,
        /// The largest message that `grpc.testing.TestService` accepts. Default: the stack's.
        #[arg(long, value_name = "BYTES")]
        max_message_size: Option<usize>,
        /// For how long a connection accepts new calls.
        #[arg(long, value_name = "SECONDS")]
        max_connection_age: Option<u64>,
    },
    /// Runs gRPC's interoperability cases, or those that are named.
    Call {
        #[command(flatten)]
        target: Target,
        cases: Vec<String>,
        /// Without names, runs the cases beyond gRPC's.
        #[arg(long)]
        extended: bool,
        /// The largest message that the client accepts. Default: the stack's.
        #[arg(long, value_name = "BYTES")]
        max_message_size: Option<usize>,
    },
    /// Measures each kind of call.
    Bench {
        #[command(flatten)]
        target: Target,
        seconds: f64,
        /// For example `unary-64-1024`: 64 calls at a time, with 1,024 bytes of payload.
        #[arg(required = true)]
        shapes: Vec<Shape>,
    },
    /// Makes one call, and prints the reply.
    Greet {
        #[command(flatten)]
        target: Target,
        name: String,
    },
    /// Makes exactly COUNT unary calls, and prints their number.
    Calls {
        #[command(flatten)]
        target: Target,
        #[command(flatten)]
        calls: bench::Calls,
    },
    /// Opens COUNT connections, and closes them all at the end.
    Connections {
        #[command(flatten)]
        target: Target,
        #[command(flatten)]
        connections: bench::Connections,
    },
}

/// The server that a client calls.
#[derive(Args)]
struct Target {
    address: String,
    /// Speaks TLS, and trusts servers that are called `localhost` and certified by the authorities in this PEM file.
    #[arg(long, value_name = "AUTHORITIES")]
    tls: Option<PathBuf>,
}

#[derive(Clone, Copy, ValueEnum)]
enum Stack {
    /// `grpc_ipc::Server` and `Channel`.
    GrpcIpc,
    /// The same, but `ipc.bench.Bench` is served and called by code from tonic's generator, and no call of `call` is
    /// direct.
    GrpcIpcTonicCode,
    /// tonic's own `Server` and `Endpoint`, over grpc-ipc's listener and connector, with code from tonic's generator.
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
    let result = match runtime.enable_all().build() {
        Ok(runtime) => runtime.block_on(run(arguments.command, arguments.stack, arguments.ends)),
        Err(error) => Err(error.into()),
    };
    if let Err(error) = &result
        && let Some(why) = transport::unsupported(&**error)
    {
        eprintln!("not applicable: {why}");
        return ExitCode::from(2);
    }
    exit(result)
}

async fn run(command: Command, stack: Stack, ends: Ends) -> Result<(), Box<dyn Error>> {
    match command {
        Command::Version => {
            println!("{}", version::of(stack));
            Ok(())
        }
        Command::Serve { addresses, tls, echo_metadata, direct, max_message_size, max_connection_age } => {
            let options = transport::listen_options(&addresses, ends, tls.as_deref())?;
            let tonics_code = !matches!(stack, Stack::GrpcIpc);
            let services = services::Options { echo_metadata, tonics_code, direct, max_message_size };
            let age = max_connection_age.map(Duration::from_secs);
            match stack {
                Stack::GrpcIpc | Stack::GrpcIpcTonicCode => {
                    transport::serve(addresses, options, services, ends, age).await
                }
                Stack::Tonic => transport::serve_with_tonic(addresses, options, services, age).await,
            }
        }
        Command::Call { target, cases, extended, max_message_size } => {
            let selected = cases::Selected { names: cases, extended, max_message_size };
            let passed = match stack {
                Stack::GrpcIpc => selected.run(async || transport::connect(&target, ends).await).await?,
                // Not the channel itself, so that no call is direct.
                Stack::GrpcIpcTonicCode => {
                    let connect = async || Ok(cases::erased(transport::connect(&target, ends).await?));
                    selected.run(connect).await?
                }
                Stack::Tonic => {
                    selected.run(async || transport::connect_with_tonic(&target, ends).await).await?
                }
            };
            if passed { Ok(()) } else { Err("some cases failed".into()) }
        }
        Command::Greet { target, name } => {
            let mut client = GreeterClient::new(transport::connect(&target, ends).await?);
            println!("{}", client.say_hello(HelloRequest { name }).await?.into_inner().message);
            Ok(())
        }
        Command::Bench { target, seconds, shapes } => {
            let measure = bench::Measure::Shapes(Duration::try_from_secs_f64(seconds)?, shapes);
            measured(&target, stack, ends, measure).await
        }
        Command::Calls { target, calls } => {
            measured(&target, stack, ends, bench::Measure::Calls(calls)).await
        }
        Command::Connections { target, connections } => {
            measured(&target, stack, ends, bench::Measure::Connections(connections)).await
        }
    }
}

/// Runs one of the measuring commands, on a connection of the stack.
async fn measured(
    target: &Target,
    stack: Stack,
    ends: Ends,
    measure: bench::Measure,
) -> Result<(), Box<dyn Error>> {
    match stack {
        Stack::GrpcIpc => {
            let connect = async || Ok(bench::generated::client(transport::connect(target, ends).await?));
            measure.run(connect).await
        }
        Stack::GrpcIpcTonicCode => {
            let connect = async || Ok(bench::tonics::client(transport::connect(target, ends).await?));
            measure.run(connect).await
        }
        Stack::Tonic => {
            let connect =
                async || Ok(bench::tonics::client(transport::connect_with_tonic(target, ends).await?));
            measure.run(connect).await
        }
    }
}
