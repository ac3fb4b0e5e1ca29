//! `grpc-ipc list`: the services of a server or a file, or the methods of a service.

use clap::Args;
use grpc_ipc::Address;

use crate::connection::ConnectionArguments;
use crate::failure::Failure;
use crate::metadata::MetadataArguments;
use crate::output::print_lines;
use crate::schema::{SchemaArguments, Symbol};
use crate::target::Target;

/// Lists the services of a server, or the methods of a service
#[derive(Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    target: Target,
    /// Lists the methods of all services
    #[arg(long, conflicts_with = "symbol")]
    methods: bool,
    #[command(flatten)]
    schema: SchemaArguments,
    #[command(flatten)]
    connection: ConnectionArguments,
    #[command(flatten)]
    metadata: MetadataArguments,
}

pub(crate) async fn run(arguments: Arguments) -> Result<(), Failure> {
    let Arguments { target, methods, schema, connection, metadata } = arguments;
    let (address, service) = target.split(&schema)?;
    let address: Option<Address> = address;
    let mut schema = schema.load(address.as_ref(), &connection, &metadata).await?;
    let services = match service {
        Some(service) => vec![service],
        None => {
            let services = schema.services().await?;
            if !methods {
                return print_lines(&services);
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
    print_lines(&lines)
}
