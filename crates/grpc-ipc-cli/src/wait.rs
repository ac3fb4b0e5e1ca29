//! `grpc-ipc wait`: until a server is up.

use std::time::Duration;

use clap::Args;
use grpc_ipc::Address;
use grpc_ipc::tonic::Code;
use tokio::time::sleep;

use crate::connection::{ConnectionArguments, connect};
use crate::deadline::Deadline;
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
    // The time limits below end it, also during an attempt to connect.
    let options = connection.options(&address)?.wait(Duration::MAX);
    let deadline = Deadline::new(timeout);
    let channel = deadline.within(connect(options)).await.unwrap_or_else(|limit| {
        Err(Failure::of_call(format!("nothing came up at {address} within {limit:?}"), Code::Unavailable))
    })?;
    let Some(service) = healthy else { return Ok(()) };
    let serves = async {
        while !health::is_serving(&channel, &service).await? {
            sleep(INTERVAL).await;
        }
        Ok(())
    };
    deadline.within(serves).await.unwrap_or_else(|limit| {
        let message = format!("the server at {address} does not say SERVING within {limit:?}");
        Err(Failure::of_call(message, Code::DeadlineExceeded))
    })
}
