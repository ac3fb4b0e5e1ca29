//! `grpc-ipc describe`: services, methods, messages and enumerations, as a .proto file has them.

mod options;
mod proto;
mod template;

use std::time::Duration;

use clap::Args;
use prost_reflect::{MessageDescriptor, MethodDescriptor};

use crate::connection::ConnectionArguments;
use crate::deadline::Deadline;
use crate::duration;
use crate::failure::Failure;
use crate::metadata::MetadataArguments;
use crate::output::{escaped_lines, print};
use crate::schema::{NO_SCHEMA, SchemaArguments, Symbol};
use crate::target::Target;

/// Shows a service, method, message or enumeration as a .proto file has it; without a name, all services
#[derive(Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    target: Target,
    /// Shows the JSON of a request too, with every field, to begin with
    #[arg(long, visible_alias = "msg-template")]
    template: bool,
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
    let Arguments { target, template, deadline, schema, connection, metadata } = arguments;
    let deadline = Deadline::or_default(deadline, connection.wait());
    let (address, symbol) = target.split(&schema)?;
    let load = async {
        let mut schema = schema.load(address.as_ref(), &connection, &metadata, deadline).await?;
        let names = match symbol {
            Some(name) => vec![name],
            None => schema.services().await?,
        };
        let mut parts = Vec::new();
        for name in names {
            let symbol = schema.find(&name).await?;
            describe(&symbol, template, &mut parts);
        }
        Ok(parts)
    };
    let mut text = deadline.end(NO_SCHEMA, load).await?.join("\n");
    if text.is_empty() {
        text = "there are no services\n".to_owned();
    }
    print(escaped_lines(&text).as_bytes())
}

/// Adds parts, each with a newline at the end.
fn describe(symbol: &Symbol, template: bool, parts: &mut Vec<String>) {
    match symbol {
        Symbol::Service(service) => parts.push(proto::service(service)),
        Symbol::Method(method) => {
            parts.push(proto::method(method));
            let (input, output) = messages(method);
            parts.push(proto::message(&input));
            parts.extend(output.map(|output| proto::message(&output)));
            if template {
                parts.push(template::json(&method.input()));
            }
        }
        Symbol::Message(message) => {
            parts.push(proto::message(message));
            if template {
                parts.push(template::json(message));
            }
        }
        Symbol::Enum(found) => parts.push(proto::enumeration(found)),
    }
}

/// Those of a method, once if they are the same.
fn messages(method: &MethodDescriptor) -> (MessageDescriptor, Option<MessageDescriptor>) {
    let (input, output) = (method.input(), method.output());
    let output = (output != input).then_some(output);
    (input, output)
}
