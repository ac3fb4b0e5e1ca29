use std::time::Instant;

use bytes::Bytes;
use futures_util::{StreamExt as _, stream};
use grpc_ipc_bench_shapes::{Latencies, Result, Until, echo_in_tasks};
use grpc_ipc_proto::bench::Chunk;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;

use super::Client;
use crate::services::awaited;

/// A generated client, as the benchmarks use it.
#[derive(Clone)]
pub(super) struct Measured<C>(pub(super) C);

impl<C: Client> grpc_ipc_bench_shapes::Client for Measured<C> {
    async fn echo(&mut self, payload: &Bytes) -> Result {
        let answer = self.0.echo(Chunk { payload: payload.clone() }).await?.into_inner();
        check(payload.len(), answer.payload.len())
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

    async fn download(&mut self, count: u32, size: u32, awaited: bool) -> Result<Option<()>> {
        let mut chunks = self.0.download(count, size, awaited).await?;
        let mut received = 0;
        while let Some(chunk) = chunks.message().await? {
            check(size as usize, chunk.payload.len())?;
            received += 1;
        }
        check_count(count, received)
    }

    async fn upload(&mut self, count: u32, payload: &Bytes, is_awaited: bool) -> Result<Option<()>> {
        let chunk = Chunk { payload: payload.clone() };
        let counted = if is_awaited {
            self.0.upload(awaited(count, chunk)).await?
        } else {
            self.0.upload(stream::repeat(chunk).take(count as usize)).await?
        };
        check_count(count, counted)
    }

    async fn exchange(&mut self, payload: &Bytes, until: Until) -> Result<Option<Latencies>> {
        let chunk = Chunk { payload: payload.clone() };
        let (sender, receiver) = mpsc::channel(1);
        let mut chunks = self.0.exchange(ReceiverStream::new(receiver)).await?;
        let mut latencies = Latencies::default();
        let mut begin = Instant::now();
        while !until.reached(latencies.count(), begin) {
            // Fails only if the call fails, whose status has the reason.
            _ = sender.send(chunk.clone()).await;
            let answer = chunks.message().await?.ok_or("the stream has ended")?;
            check(payload.len(), answer.payload.len())?;
            let end = Instant::now();
            latencies.push(end - begin);
            begin = end;
        }
        Ok(Some(latencies))
    }
}

fn check(wanted: usize, length: usize) -> Result {
    if length == wanted { Ok(()) } else { Err(format!("a message of {length} bytes, not {wanted}").into()) }
}

fn check_count(wanted: u32, received: u64) -> Result<Option<()>> {
    if received == u64::from(wanted) {
        Ok(Some(()))
    } else {
        Err(format!("{received} messages instead of {wanted}").into())
    }
}
