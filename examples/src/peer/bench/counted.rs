//! Calls and connections for tools that count their cost.

use std::error::Error;
use std::time::Duration;

use clap::{Args, ValueEnum};
use grpc_ipc_bench_shapes::payload;
use grpc_ipc_proto::bench::Chunk;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until};
use tonic::{Request, Status, metadata::MetadataValue};

use super::{Client, SMALL};
use crate::services::ECHOED;

/// Far longer than any call takes.
const TIMEOUT: Duration = Duration::from_secs(60);

/// After this time, connections are idle.
const SETTLED: Duration = Duration::from_secs(1);

/// The number and kind of unary calls.
#[derive(Args, Clone, Copy)]
pub(crate) struct Calls {
    count: u64,
    /// The number of concurrent calls, all on one connection.
    #[arg(long, default_value_t = 1)]
    in_flight: u64,
    /// The size of the payload, in bytes.
    #[arg(long, default_value_t = SMALL)]
    size: u32,
    /// Metadata of the calls, which `serve --echo-metadata` sends back.
    #[arg(long, value_enum, default_value_t = Metadata::None)]
    metadata: Metadata,
    /// Whether the calls have a deadline, which none of them reaches.
    #[arg(long)]
    timeout: bool,
    /// The number of calls per second of each caller, in bursts a millisecond apart if necessary. Default: as many as
    /// possible.
    #[arg(long)]
    per_second: Option<u32>,
}

#[derive(Clone, Copy, PartialEq, ValueEnum)]
pub(crate) enum Metadata {
    None,
    /// A field with the same value in each call, such as a token.
    Same,
    /// A field with a value that no other call has, such as the number of a request.
    Different,
}

impl Calls {
    /// Makes the calls, and returns their number.
    ///
    /// # Errors
    ///
    /// The status of the first call that failed.
    pub(super) async fn make<C: Client>(self, client: C) -> Result<u64, Status> {
        let chunk = Chunk { payload: payload(self.size) };
        let mut callers = JoinSet::new();
        for caller in 0..self.in_flight {
            let (mut client, chunk) = (client.clone(), chunk.clone());
            let share = self.count / self.in_flight + u64::from(caller < self.count % self.in_flight);
            callers.spawn(async move {
                let begin = Instant::now();
                for call in 0..share {
                    if let Some(rate) = self.per_second {
                        let due = Duration::from_secs(call) / rate;
                        sleep_until(begin + due).await;
                    }
                    if self.is_plain() {
                        client.echo(chunk.clone()).await?;
                    } else {
                        let response = client.echo(self.request(chunk.clone(), caller, call)).await?;
                        let echoed = response.metadata().contains_key(ECHOED);
                        if echoed != (self.metadata != Metadata::None) {
                            return Err(Status::data_loss("metadata has not come back"));
                        }
                    }
                }
                Ok::<_, Status>(share)
            });
        }
        let mut made = 0;
        while let Some(caller) = callers.join_next().await {
            made += caller.expect("a caller neither panics nor is aborted")?;
        }
        Ok(made)
    }

    fn is_plain(&self) -> bool {
        self.metadata == Metadata::None && !self.timeout
    }

    fn request<T>(&self, message: T, caller: u64, call: u64) -> Request<T> {
        let mut request = Request::new(message);
        let value = match self.metadata {
            Metadata::None => None,
            Metadata::Same => Some(MetadataValue::from_static("0123456789abcdef")),
            Metadata::Different => Some(format!("{caller:04x}{call:012x}").parse().expect("ASCII")),
        };
        if let Some(value) = value {
            request.metadata_mut().insert(ECHOED, value);
        }
        if self.timeout {
            request.set_timeout(TIMEOUT);
        }
        request
    }
}

/// How many connections to open.
#[derive(Args, Clone, Copy)]
pub(crate) struct Connections {
    count: u64,
    /// Makes one call on each, one after the other, with a payload of so many bytes.
    #[arg(long)]
    size: Option<u32>,
}

impl Connections {
    /// Opens the connections, and returns how many were open at once.
    ///
    /// # Errors
    ///
    /// The error of connecting, or the status of a call.
    pub(super) async fn open<C: Client>(
        self,
        connect: impl AsyncFn() -> Result<C, Box<dyn Error>>,
    ) -> Result<usize, Box<dyn Error>> {
        let mut clients = Vec::new();
        for _ in 0..self.count {
            let mut client = connect().await?;
            if let Some(size) = self.size {
                client.echo(Chunk { payload: payload(size) }).await?;
            }
            clients.push(client);
        }
        // A connection without a call may not have been accepted yet.
        tokio::time::sleep(SETTLED).await;
        Ok(clients.len())
    }
}
