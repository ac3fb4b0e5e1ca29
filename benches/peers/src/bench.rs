use std::time::{Duration, Instant};

use bytes::Bytes;

use crate::{Result, Stack, Until};

/// The payload of the unary calls, in bytes.
pub(crate) const SMALL: usize = 100;

/// Calls made before anything is measured.
const WARM_UP: u64 = 5_000;

/// Calls in flight of `unary-64`, on one connection.
const IN_FLIGHT: u64 = 64;

/// How many messages, and their size in bytes.
const DOWNLOAD: (u32, u32) = (300, 1_048_576);

/// Measures each shape and prints its line, `SHAPE VALUE UNIT`. The unary shapes take `duration` each.
pub(crate) async fn run<S: Stack>(client: &mut S, duration: Duration) -> Result {
    let small = Bytes::from(vec![0; SMALL]);
    client.echo_many(&small, 1, Until::Count(WARM_UP)).await?;

    let mut latencies = latencies(client, &small, duration).await?;
    latencies.sort_unstable();
    println!("unary-1 {:.1} us p50", percentile(&latencies, 50).as_secs_f64() * 1e6);
    println!("unary-1 {:.1} us p99", percentile(&latencies, 99).as_secs_f64() * 1e6);

    let clock = Instant::now();
    let calls = client.echo_many(&small, IN_FLIGHT, Until::Instant(clock + duration)).await?;
    println!("unary-{IN_FLIGHT} {:.0} calls/s", calls as f64 / clock.elapsed().as_secs_f64());

    let (count, size) = DOWNLOAD;
    let clock = Instant::now();
    if let Some(received) = client.download(count, size).await {
        received?;
        let messages = f64::from(count) / clock.elapsed().as_secs_f64();
        println!("download-{size} {messages:.0} messages/s {:.0} MB/s", messages * f64::from(size) / 1e6);
    }
    Ok(())
}

/// One call after the other.
async fn latencies<S: Stack>(client: &mut S, payload: &Bytes, duration: Duration) -> Result<Vec<Duration>> {
    let mut latencies = Vec::new();
    let clock = Instant::now();
    loop {
        let start = Instant::now();
        client.echo(payload).await?;
        latencies.push(start.elapsed());
        if clock.elapsed() >= duration {
            return Ok(latencies);
        }
    }
}

/// The value below which `percent` of the `sorted` values lie.
fn percentile(sorted: &[Duration], percent: usize) -> Duration {
    sorted[sorted.len() * percent / 100]
}
