//! `grpc-ipc call`: one call of any method, with JSON in and out.

mod error_details;
mod input;
mod json;
mod progress;
mod utf8;

use std::time::Duration;

use clap::Args;
use futures_util::FutureExt as _;
use grpc_ipc::tonic::client::Grpc;
use grpc_ipc::tonic::codegen::http::uri::PathAndQuery;
use grpc_ipc::tonic::{Code, Request, Status};
use grpc_ipc::{Address, Channel};
use prost_reflect::MethodDescriptor;
use tokio::time::timeout;

use crate::codec::DynamicCodec;
use crate::connection::ConnectionArguments;
use crate::deadline::Deadline;
use crate::failure::Failure;
use crate::interrupt::interrupted;
use crate::metadata::{self, MetadataArguments};
use crate::output::{OutputArguments, escaped};
use crate::schema::{NO_SCHEMA, Schema, SchemaArguments};
use crate::{address, duration, status};
use input::{Input, InputArguments};
use progress::Progress;

/// Calls a method, with requests and responses in JSON
///
/// Without -d, a method that takes one message gets an empty one, and a method that takes a stream gets what is on
/// standard input. Each response is printed as it comes. Ctrl-C cancels the call.
#[derive(Args)]
pub(crate) struct Arguments {
    /// The server's address
    #[arg(value_parser = address::parser(), long_help = address::long_help())]
    address: Address,
    /// The method: package.Service/Method
    method: String,
    #[command(flatten)]
    input: InputArguments,
    /// Cancels the call after this time; the server is told, too [default: never]
    #[arg(long, value_name = "DURATION", value_parser = duration::parse, visible_alias = "max-time")]
    deadline: Option<Duration>,
    /// Accepts no larger responses, in bytes [default: any]
    #[arg(long, value_name = "BYTES", visible_alias = "max-msg-sz")]
    max_message_size: Option<usize>,
    #[command(flatten)]
    output: OutputArguments,
    /// Prints the status of a failed call as JSON on standard error
    #[arg(long)]
    format_error: bool,
    /// Prints the method, the metadata of the response and its trailers on standard error
    #[arg(short, long)]
    verbose: bool,
    #[command(flatten)]
    schema: SchemaArguments,
    #[command(flatten)]
    metadata: MetadataArguments,
    #[command(flatten)]
    connection: ConnectionArguments,
}

pub(crate) async fn run(arguments: Arguments) -> Result<(), Failure> {
    // Metadata that is wrong is told before anything is sent.
    let metadata = arguments.metadata.of_call()?;
    let files = arguments.schema.files()?;
    let deadline = Deadline::new(arguments.deadline);
    let channel = arguments.connection.connect(&arguments.address, deadline).await?;
    let load = async {
        let mut schema = match files {
            Some(schema) => schema,
            None => Schema::of_server(channel.clone(), &arguments.metadata).await?,
        };
        let method = schema.method(&arguments.method).await?;
        Ok((schema, method))
    };
    let (schema, method) = deadline.end(NO_SCHEMA, load).await?;
    let input = arguments.input.open(&method)?;
    let mut request = Request::new(());
    *request.metadata_mut() = metadata;
    if let Some(left) = deadline.left() {
        request.set_timeout(left);
    }
    let call = Call { channel: channel.clone(), method, arguments: &arguments, schema, deadline };
    until_interrupted(&channel, call.run(request, input)).await
}

/// Runs a call until it is over or the command is interrupted, which cancels it. No other call may be on the channel,
/// because this closes it, to wait until the server is told that the call is cancelled.
pub(crate) async fn until_interrupted(
    channel: &Channel,
    call: impl Future<Output = Result<(), Failure>>,
) -> Result<(), Failure> {
    let stop = interrupted()?;
    let result = tokio::select! {
        biased;
        failure = stop => Err(failure),
        result = call => result,
    };
    if result.is_err() {
        channel.close();
        _ = timeout(Duration::from_millis(500), channel.closed()).await;
    }
    result
}

struct Call<'a> {
    channel: Channel,
    method: MethodDescriptor,
    arguments: &'a Arguments,
    schema: Schema,
    deadline: Deadline,
}

impl Call<'_> {
    async fn run(mut self, request: Request<()>, input: Input) -> Result<(), Failure> {
        let path = format!("/{}/{}", self.method.parent_service().full_name(), self.method.name());
        if self.arguments.verbose {
            eprintln!("calling {}", escaped(&path));
            metadata::show("request metadata", request.metadata());
        }
        let path = PathAndQuery::try_from(path).map_err(|error| Failure::new(error.to_string()))?;
        let progress = Progress::default();
        let _hidden = progress.hidden_at_the_end();
        let (messages, failed) = input.into_stream();
        let mut client = Grpc::new(progress.watch(self.channel.clone()))
            .max_decoding_message_size(self.arguments.max_message_size.unwrap_or(usize::MAX));
        let codec = DynamicCodec::new(self.method.clone());
        let failed = failed.fuse();
        let answered = async {
            if let Err(status) = client.ready().await {
                return Err(self.failure(&status).await);
            }
            // On the wire, one message is a stream of one.
            let responses = match client.streaming(request.map(|()| messages), path, codec).await {
                Ok(responses) => responses,
                Err(status) => {
                    if self.arguments.verbose {
                        metadata::show("trailers", status.metadata());
                    }
                    return Err(self.failure(&status).await);
                }
            };
            let (headers, mut responses, _) = responses.into_parts();
            if self.arguments.verbose {
                metadata::show("response metadata", &headers);
            }
            let mut received = 0_u64;
            loop {
                match responses.message().await {
                    Ok(Some(message)) => {
                        received += 1;
                        let message = self.deadline.end(NO_SCHEMA, self.schema.complete(message)).await?;
                        progress.hide();
                        self.arguments.output.print(&message)?;
                    }
                    Ok(None) => break,
                    Err(status) => {
                        if self.arguments.verbose {
                            metadata::show("trailers", status.metadata());
                        }
                        return Err(self.failure(&status).await);
                    }
                }
            }
            if self.arguments.verbose {
                let trailers = responses.trailers().await.ok().flatten().unwrap_or_default();
                metadata::show("trailers", &trailers);
            }
            if !self.method.is_server_streaming() && received != 1 {
                let status = Status::internal(format!("the server sent {received} responses instead of one"));
                return Err(self.failure(&status).await);
            }
            Ok(())
        };
        tokio::select! {
            biased;
            failure = failed => Err(failure),
            answered = answered => answered,
            () = progress.show() => Ok(()),
        }
    }

    /// What a failed call says, with the details of its status.
    async fn failure(&mut self, status: &Status) -> Failure {
        let as_json = self.arguments.format_error;
        let failure = error_details::failure(status, &mut self.schema, self.deadline, as_json).await;
        // A server with reflection has said which methods it has. Files may be those of another server.
        let is_unknown = status.code() == Code::Unimplemented && status::is_of_server(status);
        if is_unknown && !self.schema.is_of_server() {
            let (method, address) = (self.method.full_name(), &self.arguments.address);
            return failure.hint(format!(
                "The files have {method}, but the server may not. If it has reflection, `grpc-ipc list {address}` \
                 shows its services."
            ));
        }
        failure
    }
}
