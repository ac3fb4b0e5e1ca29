use std::time::{Duration, Instant};

use bytes::Bytes;

use crate::{Result, Stack, Until};

/// The payload of the unary calls, in bytes.
pub(crate) const SMALL: usize = 100;

/// The number of calls before a measurement.
const WARM_UP: u64 = 5_000;

/// The calls in flight of `unary-64`, on one connection.
const IN_FLIGHT: u64 = 64;

/// The number of messages, and their size in bytes.
const DOWNLOAD: (u32, u32) = (300, 1_048_576);

/// The sizes of large calls, in bytes.
const LARGE: [usize; 5] = [65_536, 262_144, 1_048_576, 4_194_304, 16_777_216];

/// The minimum number of large calls, and the number before a measurement.
const LARGE_CALLS: usize = 8;

/// Measures each of the shapes, or all shapes if none are named, and prints a line or lines for each: `SHAPE VALUE
/// UNIT`. Shapes that this stack does not support are omitted. Each shape of calls takes `duration`.
pub(crate) async fn run<S: Stack>(client: &mut S, duration: Duration, shapes: &[String]) -> Result {
    let is_wanted = |name: &str| shapes.is_empty() || shapes.iter().any(|shape| shape == name);
    let small = Bytes::from(vec![0; SMALL]);
    let (one, many) = ("unary-1", &*format!("unary-{IN_FLIGHT}"));
    if is_wanted(one) || is_wanted(many) {
        client.echo_many(&small, 1, Until::Count(WARM_UP)).await?;
    }
    if is_wanted(one) {
        print_latencies(one, latencies(client, &small, duration).await?);
    }
    if is_wanted(many) {
        let clock = Instant::now();
        let calls = client.echo_many(&small, IN_FLIGHT, Until::Instant(clock + duration)).await?;
        println!("{many} {:.0} calls/s", calls as f64 / clock.elapsed().as_secs_f64());
    }

    let (count, size) = DOWNLOAD;
    let download = format!("download-{size}");
    if is_wanted(&download) {
        let clock = Instant::now();
        if let Some(received) = client.download(count, size).await {
            received?;
            let messages = f64::from(count) / clock.elapsed().as_secs_f64();
            println!("{download} {messages:.0} messages/s {:.0} MB/s", messages * f64::from(size) / 1e6);
        }
    }
    for size in LARGE {
        let name = format!("echo-{size}");
        if is_wanted(&name)
            && let Some(latencies) = large_latencies(client, &Bytes::from(vec![0; size]), duration).await
        {
            print_latencies(&name, latencies?);
        }
    }
    Ok(())
}

fn print_latencies(name: &str, mut latencies: Vec<Duration>) {
    latencies.sort_unstable();
    for percent in [50, 99] {
        println!("{name} {:.1} us p{percent}", percentile(&latencies, percent).as_secs_f64() * 1e6);
    }
}

/// Makes large calls one after the other, if this stack supports them.
async fn large_latencies<S: Stack>(
    client: &mut S,
    payload: &Bytes,
    duration: Duration,
) -> Option<Result<Vec<Duration>>> {
    let mut latencies = Vec::new();
    let mut clock = Instant::now();
    for call in 0.. {
        if call == LARGE_CALLS {
            latencies.clear();
            clock = Instant::now();
        }
        if call >= 2 * LARGE_CALLS && clock.elapsed() >= duration {
            break;
        }
        let start = Instant::now();
        if let Err(error) = client.echo_large(payload).await? {
            return Some(Err(error));
        }
        latencies.push(start.elapsed());
    }
    Some(Ok(latencies))
}

/// Makes calls one after the other.
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
