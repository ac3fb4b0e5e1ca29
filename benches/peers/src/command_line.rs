use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use clap::{Parser, Subcommand, ValueEnum};
use tokio::signal::unix::{SignalKind, signal};

use grpc_ipc_bench_shapes::{Shape, payload, run as measure};

use crate::{Result, Stack, Until};

/// The payload of the calls of `calls`, in bytes.
const SMALL: u32 = 100;

/// After this time, connections are idle.
const SETTLED: Duration = Duration::from_secs(1);

#[derive(Parser)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
    /// The tokio runtime.
    #[arg(long, global = true, value_enum, default_value_t = Runtime::Multi)]
    runtime: Runtime,
}

#[derive(Clone, Copy, ValueEnum)]
enum Runtime {
    Current,
    Multi,
}

#[derive(Subcommand)]
enum Command {
    /// Serves until SIGINT or SIGTERM; prints `listening on ADDRESS` once a client can connect.
    Serve { address: String },
    /// Measures each kind of call that this stack has.
    Bench {
        address: String,
        seconds: f64,
        #[arg(required = true)]
        shapes: Vec<Shape>,
    },
    /// Makes exactly COUNT unary calls, and prints their number.
    Calls {
        address: String,
        count: u64,
        /// The number of concurrent calls, all on one connection.
        #[arg(long, default_value_t = 1)]
        in_flight: u64,
        /// The size of the payload, in bytes.
        #[arg(long, default_value_t = SMALL)]
        size: u32,
    },
    /// Opens COUNT connections, and closes them all at the end.
    Connections {
        address: String,
        count: u64,
        /// Makes one call on each, one after the other, with a payload of so many bytes.
        #[arg(long)]
        size: Option<u32>,
    },
}

/// The main function of a peer.
pub fn main<S: Stack>() -> ExitCode {
    let arguments = Arguments::parse();
    let mut runtime = match arguments.runtime {
        Runtime::Current => tokio::runtime::Builder::new_current_thread(),
        Runtime::Multi => tokio::runtime::Builder::new_multi_thread(),
    };
    let runtime = runtime.enable_all().build().map_err(Into::into);
    let result = runtime.and_then(|runtime| runtime.block_on(run::<S>(arguments.command)));
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn run<S: Stack>(command: Command) -> Result {
    match command {
        Command::Serve { address } => {
            let mut interrupt = signal(SignalKind::interrupt())?;
            let mut terminate = signal(SignalKind::terminate())?;
            tokio::select! {
                result = S::serve(path(&address)?, || println!("listening on {address}")) => result,
                _ = interrupt.recv() => Ok(()),
                _ = terminate.recv() => Ok(()),
            }
        }
        Command::Bench { address, seconds, shapes } => {
            let path = path(&address)?;
            measure(&async || S::connect(path).await, Duration::try_from_secs_f64(seconds)?, &shapes).await
        }
        Command::Calls { address, count, in_flight, size } => {
            let mut client = S::connect(path(&address)?).await?;
            let made = client.echo_many(&payload(size), in_flight, Until::Count(count)).await?;
            println!("{} calls", made.map_or(0, |latencies| latencies.count()));
            Ok(())
        }
        Command::Connections { address, count, size } => {
            let path = path(&address)?;
            let mut clients = Vec::new();
            for _ in 0..count {
                let mut client = S::connect(path).await?;
                if let Some(size) = size {
                    client.echo(&payload(size)).await?;
                }
                clients.push(client);
            }
            // A connection without a call may not have been accepted yet.
            tokio::time::sleep(SETTLED).await;
            println!("{} connections", clients.len());
            Ok(())
        }
    }
}

fn path(address: &str) -> Result<&Path> {
    let path = address.strip_prefix("unix:").ok_or_else(|| format!("{address}: expected unix:PATH"))?;
    Ok(Path::new(path))
}
