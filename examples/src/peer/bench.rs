//! The shapes of call that every peer of the benchmarks runs, and the lines they print.

use std::time::{Duration, Instant};

use bytes::Bytes;
use grpc_ipc_proto::bench::{Chunk, Transfer, bench_client::BenchClient};
use tokio::task::JoinSet;
use tonic::{Status, body::Body, client::GrpcService, codegen::StdError};

/// The payload of the unary calls, in bytes.
pub(crate) const SMALL: usize = 100;

/// Calls made before anything is measured.
const WARM_UP: u32 = 5_000;

/// Callers of `unary-64`, on one channel.
const CALLERS: usize = 64;

/// Chunks and their size in bytes.
const DOWNLOADS: [(u32, u32); 3] = [(100_000, 100), (4_000, 65_536), (300, 1_048_576)];

/// Measures each shape and prints its line, `SHAPE VALUE UNIT`. The unary shapes take `duration` each, a download as
/// long as its chunks take.
///
/// # Errors
///
/// The status of the first call that failed.
pub(crate) async fn run<C: Channel>(channel: C, duration: Duration) -> Result<(), Status> {
    let mut client = BenchClient::new(channel).max_decoding_message_size(usize::MAX);
    let small = Chunk { payload: Bytes::from(vec![0; SMALL]) };
    for _ in 0..WARM_UP {
        client.echo(small.clone()).await?;
    }

    let mut latencies = latencies(&mut client, &small, duration).await?;
    latencies.sort_unstable();
    println!("unary-1 {:.1} us p50", percentile(&latencies, 50).as_secs_f64() * 1e6);
    println!("unary-1 {:.1} us p99", percentile(&latencies, 99).as_secs_f64() * 1e6);
    println!("unary-{CALLERS} {:.0} calls/s", calls_per_second(&client, &small, duration).await?);
    for (count, size) in DOWNLOADS {
        let messages = messages_per_second(&mut client, Transfer { count, size }).await?;
        println!("download-{size} {messages:.0} messages/s {:.0} MB/s", messages * f64::from(size) / 1e6);
    }
    Ok(())
}

/// Makes exactly `count` unary calls with payloads of `size` bytes, `in_flight` at a time, and returns how many it made.
///
/// # Errors
///
/// The status of the first call that failed.
pub(crate) async fn calls<C: Channel>(
    channel: C,
    count: u64,
    in_flight: u64,
    size: usize,
) -> Result<u64, Status> {
    let client = BenchClient::new(channel).max_decoding_message_size(usize::MAX);
    let chunk = Chunk { payload: Bytes::from(vec![0; size]) };
    let mut callers = JoinSet::new();
    for caller in 0..in_flight {
        let (mut client, chunk) = (client.clone(), chunk.clone());
        let share = count / in_flight + u64::from(caller < count % in_flight);
        callers.spawn(async move {
            for _ in 0..share {
                client.echo(chunk.clone()).await?;
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

/// What a generated client needs of a channel whose calls run in tasks.
pub(crate) trait Channel:
    GrpcService<Body, Future: Send, ResponseBody: ResponseBody> + Clone + Send + 'static
{
}

impl<T> Channel for T where
    T: GrpcService<Body, Future: Send, ResponseBody: ResponseBody> + Clone + Send + 'static
{
}

/// The body of its responses.
pub(crate) trait ResponseBody:
    http_body::Body<Data = Bytes, Error: Into<StdError> + Send> + Send + 'static
{
}

impl<B> ResponseBody for B where
    B: http_body::Body<Data = Bytes, Error: Into<StdError> + Send> + Send + 'static
{
}

/// One call after the other.
async fn latencies<C: Channel>(
    client: &mut BenchClient<C>,
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

async fn calls_per_second<C: Channel>(
    client: &BenchClient<C>,
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

async fn messages_per_second<C: Channel>(
    client: &mut BenchClient<C>,
    transfer: Transfer,
) -> Result<f64, Status> {
    let clock = Instant::now();
    let mut chunks = client.download(transfer).await?.into_inner();
    let mut received = 0;
    while let Some(chunk) = chunks.message().await? {
        if chunk.payload.len() != transfer.size as usize {
            return Err(Status::data_loss(format!("a chunk of {} bytes", chunk.payload.len())));
        }
        received += 1;
    }
    if received != transfer.count {
        return Err(Status::data_loss(format!("{received} chunks instead of {}", transfer.count)));
    }
    Ok(f64::from(received) / clock.elapsed().as_secs_f64())
}

/// The value below which `percent` of the `sorted` values lie.
fn percentile(sorted: &[Duration], percent: usize) -> Duration {
    sorted[sorted.len() * percent / 100]
}
