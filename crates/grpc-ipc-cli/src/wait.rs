//! `grpc-ipc wait`: until a server is up.

use std::time::Duration;

use clap::Args;
use grpc_ipc::Address;
use grpc_ipc::tonic::Code;
use tokio::time::{Instant, sleep};

use crate::connection::{ConnectionArguments, connect};
use crate::failure::Failure;
use crate::{address, duration, health};

/// How often the health is asked for.
const INTERVAL: Duration = Duration::from_millis(200);

/// Waits until a server accepts connections, and with --healthy until it serves
#[derive(Args)]
pub(crate) struct Arguments {
    /// The server's address
    #[arg(value_parser = address::parser(), long_help = address::long_help())]
    address: Address,
    /// Gives up after this time [default: never]
    #[arg(long, short, value_name = "DURATION", value_parser = duration::parse)]
    timeout: Option<Duration>,
    /// Waits until the health of the server, or of SERVICE, is SERVING
    #[arg(long, value_name = "SERVICE", num_args = 0..=1, default_missing_value = "", require_equals = true)]
    healthy: Option<String>,
    #[command(flatten)]
    connection: ConnectionArguments,
}

pub(crate) async fn run(arguments: Arguments) -> Result<(), Failure> {
    let Arguments { address, timeout, healthy, connection } = arguments;
    let began = Instant::now();
    let limit = timeout.unwrap_or(Duration::MAX);
    let channel = connect(connection.options(&address)?.wait(limit)).await?;
    let Some(service) = healthy else { return Ok(()) };
    while !health::is_serving(&channel, &service).await? {
        if began.elapsed() > limit {
            return Err(Failure::of_call(
                format!("the server at {address} does not say SERVING within {limit:?}"),
                Code::DeadlineExceeded,
            ));
        }
        sleep(INTERVAL).await;
    }
    Ok(())
}
