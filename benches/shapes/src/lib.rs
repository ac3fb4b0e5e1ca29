//! The kinds of calls that the benchmarks measure, for the client of any stack.
//!
//! A client prints two lines for each kind: one when it begins to measure, so that others can read the processor time of
//! both processes, and one with the figures, which [`Figures`] describes.
#![forbid(unsafe_code)]

mod client;
mod figures;
#[cfg(target_os = "linux")]
mod open_loop;
mod shape;

use std::time::{Duration, Instant};

use bytes::Bytes;

pub use client::{Client, echo_in_tasks};
pub use figures::{Figures, Latencies};
pub use shape::Shape;

/// Any error.
pub type Result<T = ()> = std::result::Result<T, Box<dyn std::error::Error + Send + Sync>>;

/// The bytes of messages in one download or upload.
const TRANSFER: u32 = 32 * 1024 * 1024;

/// The maximum number of messages in one download or upload.
const MESSAGES: u32 = 20_000;

/// When to stop making calls.
#[derive(Clone, Copy, Debug)]
pub enum Until {
    /// After this number of calls.
    Count(u64),
    /// At this time.
    Instant(Instant),
}

impl Until {
    /// Whether to stop after `made` calls, at the time `now`.
    pub fn reached(self, made: u64, now: Instant) -> bool {
        match self {
            Self::Count(count) => made >= count,
            Self::Instant(instant) => now >= instant,
        }
    }
}

/// Measures each of the shapes, and prints its lines. Shapes that the stack does not have are omitted. Each takes
/// `duration`, after a fifth of it that is not measured.
///
/// # Errors
///
/// The error of connecting, or of the first call that failed.
pub async fn run<C: Client>(
    connect: &impl AsyncFn() -> Result<C>,
    duration: Duration,
    shapes: &[Shape],
) -> Result {
    let mut client = connect().await?;
    for shape in shapes {
        if measure(&mut client, connect, duration / 5, *shape).await?.is_none() {
            continue;
        }
        println!("{shape} begins");
        if let Some(figures) = measure(&mut client, connect, duration, *shape).await? {
            println!("{shape} {figures}");
        }
    }
    Ok(())
}

/// Measures one shape. `None` if the stack does not have it.
async fn measure<C: Client>(
    client: &mut C,
    connect: &impl AsyncFn() -> Result<C>,
    duration: Duration,
    shape: Shape,
) -> Result<Option<Figures>> {
    let begin = Instant::now();
    let end = begin + duration;
    let latencies = match shape {
        Shape::Unary { in_flight, size } => {
            client.echo_many(&payload(size), in_flight.into(), Until::Instant(end)).await?
        }
        Shape::Exchange { size } => client.exchange(&payload(size), Until::Instant(end)).await?,
        Shape::Connect { size } => Some(connections(connect, &payload(size), end).await?),
        #[cfg(target_os = "linux")]
        Shape::OpenLoop { rate, size } => open_loop::run(client, &payload(size), rate, duration).await?,
        #[cfg(not(target_os = "linux"))]
        Shape::OpenLoop { .. } => None,
        Shape::Download { size, awaited } => {
            let transfer = async |messages| client.download(messages, size, awaited).await;
            let count = transfers(end, size, transfer).await?;
            return Ok(count.map(|count| Figures::of_messages(count, begin.elapsed())));
        }
        Shape::Upload { size, awaited } => {
            let payload = payload(size);
            let transfer = async |messages| client.upload(messages, &payload, awaited).await;
            let count = transfers(end, size, transfer).await?;
            return Ok(count.map(|count| Figures::of_messages(count, begin.elapsed())));
        }
    };
    Ok(latencies.map(|latencies| Figures::of_calls(latencies, begin.elapsed())))
}

/// Opens connections, one after the other, with a call on each.
async fn connections<C: Client>(
    connect: &impl AsyncFn() -> Result<C>,
    payload: &Bytes,
    end: Instant,
) -> Result<Latencies> {
    let mut latencies = Latencies::default();
    while Instant::now() < end {
        let begin = Instant::now();
        connect().await?.echo(payload).await?;
        latencies.push(begin.elapsed());
    }
    Ok(latencies)
}

/// Repeats a transfer until `end`, and returns the number of messages.
async fn transfers(
    end: Instant,
    size: u32,
    mut transfer: impl AsyncFnMut(u32) -> Result<Option<()>>,
) -> Result<Option<u64>> {
    let messages = (TRANSFER / size.max(1)).clamp(1, MESSAGES);
    let mut count = 0;
    while Instant::now() < end {
        if transfer(messages).await?.is_none() {
            return Ok(None);
        }
        count += u64::from(messages);
    }
    Ok(Some(count))
}

/// A payload of `size` bytes.
pub fn payload(size: u32) -> Bytes {
    Bytes::from(vec![0; size as usize])
}
