//! [tarpc](https://docs.rs/tarpc) on its own transport: length-delimited bincode over a Unix socket.
#![forbid(unsafe_code)]

use std::path::Path;
use std::process::ExitCode;

use bytes::Bytes;
use futures_util::StreamExt;
use grpc_ipc_bench_peers::{Client, Latencies, Result, Stack, Until, check, echo_in_tasks};
use tarpc::serde_transport::unix;
use tarpc::server::{BaseChannel, Channel};
use tarpc::tokio_serde::formats::Bincode;
use tarpc::{client, context};

fn main() -> ExitCode {
    grpc_ipc_bench_peers::main::<Tarpc>()
}

#[tarpc::service]
trait Bench {
    async fn echo(payload: Bytes) -> Bytes;
}

#[derive(Clone)]
struct Server;

impl Bench for Server {
    async fn echo(self, _: context::Context, payload: Bytes) -> Bytes {
        payload
    }
}

#[derive(Clone)]
struct Tarpc(BenchClient);

impl Stack for Tarpc {
    async fn serve(path: &Path, listening: impl FnOnce()) -> Result {
        let mut incoming = unix::listen(path, Bincode::default).await?;
        listening();
        while let Some(transport) = incoming.next().await {
            let channel = BaseChannel::with_defaults(transport?);
            tokio::spawn(channel.execute(Server.serve()).for_each(|response| async {
                tokio::spawn(response);
            }));
        }
        Ok(())
    }

    async fn connect(path: &Path) -> Result<Self> {
        let transport = unix::connect(path, Bincode::default).await?;
        Ok(Self(BenchClient::new(client::Config::default(), transport).spawn()))
    }
}

impl Client for Tarpc {
    async fn echo(&mut self, payload: &Bytes) -> Result {
        let answer = self.0.echo(context::current(), payload.clone()).await?;
        check(payload, answer.len())
    }

    async fn echo_many(
        &mut self,
        payload: &Bytes,
        in_flight: u64,
        until: Until,
    ) -> Result<Option<Latencies>> {
        echo_in_tasks(self, payload, in_flight, until).await
    }

    fn another(&self) -> Option<Self> {
        Some(self.clone())
    }
}
