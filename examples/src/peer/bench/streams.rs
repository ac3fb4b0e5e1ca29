use std::time::{Duration, Instant};

use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::Status;

use super::{Chunk, Client, payload};
use crate::services::awaited;

/// A message there and back on a stream that stays open, one after the other.
pub(super) async fn latencies<C: Client>(
    client: &mut C,
    chunk: &Chunk,
    duration: Duration,
) -> Result<Vec<Duration>, Status> {
    let (sender, receiver) = mpsc::channel(1);
    let mut chunks = client.exchange(ReceiverStream::new(receiver)).await?;
    let mut latencies = Vec::new();
    let clock = Instant::now();
    while clock.elapsed() < duration {
        let start = Instant::now();
        // Fails only if the call fails, whose status has the reason.
        _ = sender.send(chunk.clone()).await;
        if chunks.message().await?.is_none() {
            return Err(Status::data_loss("the stream has ended"));
        }
        latencies.push(start.elapsed());
    }
    Ok(latencies)
}

/// Messages per second from the server.
pub(super) async fn download<C: Client>(
    client: &mut C,
    count: u32,
    size: u32,
    awaited: bool,
) -> Result<f64, Status> {
    let clock = Instant::now();
    let mut chunks = client.download(count, size, awaited).await?;
    let mut received = 0;
    while let Some(chunk) = chunks.message().await? {
        if chunk.payload.len() != size as usize {
            return Err(Status::data_loss(format!("a chunk of {} bytes", chunk.payload.len())));
        }
        received += 1;
    }
    if received != count {
        return Err(Status::data_loss(format!("{received} chunks instead of {count}")));
    }
    Ok(f64::from(count) / clock.elapsed().as_secs_f64())
}

/// Messages per second to the server.
pub(super) async fn upload<C: Client>(client: &mut C, count: u32, size: u32) -> Result<f64, Status> {
    let clock = Instant::now();
    let received = client.upload(awaited(count, Chunk { payload: payload(size as usize) })).await?;
    if received != u64::from(count) {
        return Err(Status::data_loss(format!("{received} chunks instead of {count}")));
    }
    Ok(f64::from(count) / clock.elapsed().as_secs_f64())
}
