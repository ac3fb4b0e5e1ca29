//! `grpc-ipc health`: `grpc.health.v1`.

use clap::Args;
use grpc_ipc::tonic::{Code, Request, Status};
use grpc_ipc::{Address, Channel};
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;

use crate::call::until_interrupted;
use crate::connection::ConnectionArguments;
use crate::deadline::Deadline;
use crate::failure::Failure;
use crate::metadata::MetadataArguments;
use crate::output::print;
use crate::{address, duration, status};

/// The hint if a server does not know a service.
pub(crate) const OF_THE_SERVER: &str = "Leave the service out to ask for the server as a whole.";

/// Asks a server for its health, or that of one of its services. The exit code is 0 for SERVING, and 3 otherwise
#[derive(Args)]
pub(crate) struct Arguments {
    /// The server's address
    #[arg(value_parser = address::parser(), long_help = address::long_help())]
    address: Address,
    /// The service, as the server calls it in its health; without it, the server as a whole
    service: Option<String>,
    /// Prints the health whenever it changes, until Ctrl-C
    #[arg(long)]
    watch: bool,
    /// How long the server may take to answer [default: 10s]
    #[arg(long, value_name = "DURATION", value_parser = duration::parse, visible_alias = "max-time")]
    deadline: Option<std::time::Duration>,
    #[command(flatten)]
    connection: ConnectionArguments,
    #[command(flatten)]
    metadata: MetadataArguments,
}

pub(crate) async fn run(arguments: Arguments) -> Result<(), Failure> {
    let Arguments { address, service, watch: follow, deadline, connection, metadata } = arguments;
    let limit = match follow {
        true => Deadline::new(deadline),
        false => Deadline::or_default(deadline, connection.wait()),
    };
    let service = service.unwrap_or_default();
    let channel = connection.connect(&address, limit).await?;
    let mut request = Request::new(HealthCheckRequest { service: service.clone() });
    *request.metadata_mut() = metadata.of_call()?;
    if let Some(left) = limit.left() {
        request.set_timeout(left);
    }
    if follow {
        return until_interrupted(&channel, watch(&channel, request, &service)).await;
    }
    let health = check(&channel, request).await.map_err(|status| explain(&status, &service))?;
    print(format!("{}\n", health.as_str_name()).as_bytes())?;
    if health == ServingStatus::Serving { Ok(()) } else { Err(Failure::no()) }
}

/// A server's answer, or its absence, which may change later.
#[derive(PartialEq)]
pub(crate) enum Answer {
    Health(ServingStatus),
    /// It does not know the service.
    Unknown,
    /// It cannot be reached.
    None,
}

/// Asks for the health of `service` once.
pub(crate) async fn ask(channel: &Channel, service: &str) -> Result<Answer, Failure> {
    let request = Request::new(HealthCheckRequest { service: service.to_owned() });
    match check(channel, request).await {
        Ok(health) => Ok(Answer::Health(health)),
        Err(status) if status.code() == Code::NotFound => Ok(Answer::Unknown),
        Err(status) if status.code() == Code::Unavailable => Ok(Answer::None),
        Err(status) => Err(explain(&status, service)),
    }
}

async fn check(channel: &Channel, request: Request<HealthCheckRequest>) -> Result<ServingStatus, Status> {
    Ok(HealthClient::new(channel.clone()).check(request).await?.into_inner().status())
}

async fn watch(
    channel: &Channel,
    request: Request<HealthCheckRequest>,
    service: &str,
) -> Result<(), Failure> {
    let explain = |status: Status| explain(&status, service);
    let responses = HealthClient::new(channel.clone()).watch(request).await;
    let mut responses = responses.map_err(explain)?.into_inner();
    while let Some(response) = responses.message().await.map_err(explain)? {
        print(format!("{}\n", response.status().as_str_name()).as_bytes())?;
    }
    Ok(())
}

fn explain(status: &Status, service: &str) -> Failure {
    match status.code() {
        Code::Unimplemented if status::is_of_server(status) => {
            Failure::of_call("the server has no health service (grpc.health.v1.Health)", Code::Unimplemented)
                .hint("`grpc-ipc wait` and `grpc-ipc peer` work without one.")
        }
        Code::NotFound => {
            Failure::of_call(format!("the server knows nothing of the health of {service:?}"), Code::NotFound)
                .hint(OF_THE_SERVER)
        }
        _ => status::failure(status),
    }
}
