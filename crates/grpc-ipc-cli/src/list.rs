//! `grpc-ipc list`: the services of a server or a file, or the methods of a service.

use std::time::Duration;

use clap::Args;
use grpc_ipc::Address;

use crate::connection::ConnectionArguments;
use crate::deadline::Deadline;
use crate::duration;
use crate::failure::Failure;
use crate::metadata::MetadataArguments;
use crate::output::print_lines;
use crate::schema::{NO_SCHEMA, Schema, SchemaArguments, Symbol};
use crate::target::Target;

/// Lists the services of a server, or the methods of a service
#[derive(Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    target: Target,
    /// Lists the methods of all services
    #[arg(long, conflicts_with = "symbol")]
    methods: bool,
    /// How long the server may take to answer [default: 10s]
    #[arg(long, value_name = "DURATION", value_parser = duration::parse, visible_alias = "max-time")]
    deadline: Option<Duration>,
    #[command(flatten)]
    schema: SchemaArguments,
    #[command(flatten)]
    connection: ConnectionArguments,
    #[command(flatten)]
    metadata: MetadataArguments,
}

pub(crate) async fn run(arguments: Arguments) -> Result<(), Failure> {
    let Arguments { target, methods, deadline, schema, connection, metadata } = arguments;
    let deadline = Deadline::or_default(deadline, connection.wait());
    let (address, service) = target.split(&schema)?;
    let address: Option<Address> = address;
    let load = async {
        let schema = schema.load(address.as_ref(), &connection, &metadata, deadline).await?;
        lines(schema, service, methods).await
    };
    print_lines(&deadline.end(NO_SCHEMA, load).await?)
}

/// The services, or the methods of `service` or of all.
async fn lines(mut schema: Schema, service: Option<String>, methods: bool) -> Result<Vec<String>, Failure> {
    let services = match service {
        Some(service) => vec![service],
        None => {
            let services = schema.services().await?;
            if !methods {
                return Ok(services);
            }
            services
        }
    };
    let mut lines = Vec::new();
    for service in services {
        match schema.find(&service).await? {
            Symbol::Service(service) => {
                let name = service.full_name();
                lines.extend(service.methods().map(|method| format!("{name}/{}", method.name())));
            }
            symbol => {
                return Err(Failure::wrong_input(format!("{service} is a {}, not a service", symbol.kind()))
                    .hint("`grpc-ipc describe` shows it."));
            }
        }
    }
    Ok(lines)
}
