use std::time::{Duration, Instant};

use tokio::task::JoinSet;
use tonic::Status;

use super::{Chunk, Client};

/// Callers of `unary-64`, on one channel.
const CALLERS: usize = 64;

/// The minimum number of large calls, and the number before a measurement.
const LARGE: usize = 8;

/// Makes calls one after the other.
pub(super) async fn latencies<C: Client>(
    client: &mut C,
    chunk: &Chunk,
    duration: Duration,
) -> Result<Vec<Duration>, Status> {
    let mut latencies = Vec::new();
    let clock = Instant::now();
    loop {
        let start = Instant::now();
        client.echo(chunk.clone()).await?;
        latencies.push(start.elapsed());
        if clock.elapsed() >= duration {
            return Ok(latencies);
        }
    }
}

/// The same with large messages, which take longer.
pub(super) async fn large_latencies<C: Client>(
    client: &mut C,
    chunk: &Chunk,
    duration: Duration,
) -> Result<Vec<Duration>, Status> {
    for _ in 0..LARGE {
        client.echo(chunk.clone()).await?;
    }
    let mut latencies = Vec::new();
    let clock = Instant::now();
    while latencies.len() < LARGE || clock.elapsed() < duration {
        let start = Instant::now();
        let answer = client.echo(chunk.clone()).await?.into_inner();
        latencies.push(start.elapsed());
        if answer.payload.len() != chunk.payload.len() {
            return Err(Status::data_loss(format!("an answer of {} bytes", answer.payload.len())));
        }
    }
    Ok(latencies)
}

pub(super) async fn calls_per_second<C: Client>(
    client: &C,
    chunk: &Chunk,
    duration: Duration,
) -> Result<f64, Status> {
    let clock = Instant::now();
    let mut callers = JoinSet::new();
    for _ in 0..CALLERS {
        let (mut client, chunk) = (client.clone(), chunk.clone());
        callers.spawn(async move {
            let mut calls = 0_u64;
            while clock.elapsed() < duration {
                client.echo(chunk.clone()).await?;
                calls += 1;
            }
            Ok::<_, Status>(calls)
        });
    }
    let mut calls = 0;
    while let Some(caller) = callers.join_next().await {
        calls += caller.expect("a caller neither panics nor is aborted")?;
    }
    Ok(calls as f64 / clock.elapsed().as_secs_f64())
}
