//! `grpc-ipc wait`: until a server is up.

use std::time::Duration;

use clap::Args;
use grpc_ipc::Address;
use grpc_ipc::tonic::Code;
use tokio::time::sleep;
use tonic_health::pb::health_check_response::ServingStatus;

use crate::connection::{ConnectionArguments, connect};
use crate::deadline::Deadline;
use crate::failure::Failure;
use crate::health::Answer;
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
    let mut last = None;
    let serves = async {
        loop {
            let answer = health::ask(&channel, &service).await?;
            if answer == Answer::Health(ServingStatus::Serving) {
                return Ok(());
            }
            last = Some(answer);
            sleep(INTERVAL).await;
        }
    };
    deadline.within(serves).await.unwrap_or_else(|limit| {
        let health = match service.as_str() {
            "" => format!("the health of the server at {address}"),
            service => format!("the health of {service:?} at {address}"),
        };
        let failure = |message: String| Failure::of_call(message, Code::DeadlineExceeded);
        Err(match last {
            Some(Answer::Health(last)) => {
                failure(format!("{health} is still {} after {limit:?}", last.as_str_name()))
            }
            Some(Answer::Unknown) => {
                failure(format!("{health} is still unknown to the server after {limit:?}"))
                    .hint(health::OF_THE_SERVER)
            }
            Some(Answer::None) | None => {
                failure(format!("the server did not report {health} within {limit:?}"))
            }
        })
    })
}
