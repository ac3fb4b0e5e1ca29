//! The shapes of call that every peer of the benchmarks runs, and the lines they print.

mod client;
mod counted;
mod shape;
mod streams;
mod unary;

use std::error::Error;
use std::time::Duration;

use bytes::Bytes;
use tonic::Status;

pub(crate) use client::{Client, generated, tonics};
pub(crate) use counted::{Calls, Connections};
use grpc_ipc_proto::bench::Chunk;
pub(crate) use shape::Shape;

/// The payload of the small calls, in bytes.
pub(crate) const SMALL: usize = 100;

/// The number of small calls before a measurement.
const WARM_UP: u32 = 5_000;

/// What to do with a stack's client.
pub(crate) enum Measure {
    /// Measures these shapes of call, or all, and prints a line or two for each, `SHAPE VALUE UNIT`. A shape takes this
    /// time; a download or an upload, as long as its messages take.
    Shapes(Duration, Vec<Shape>),
    /// Makes unary calls, and prints their number.
    Calls(Calls),
    /// Opens connections, and prints their number.
    Connections(Connections),
}

impl Measure {
    /// Runs it with connections from `connect`.
    ///
    /// # Errors
    ///
    /// The reason why there is no connection, or the status of the first call that failed.
    pub(crate) async fn run<C: Client>(
        self,
        connect: impl AsyncFn() -> Result<C, Box<dyn Error>>,
    ) -> Result<(), Box<dyn Error>> {
        match self {
            Self::Shapes(duration, mut shapes) => {
                if shapes.is_empty() {
                    shapes.extend(Shape::ALL.map(|(_, shape)| shape));
                }
                run(connect().await?, duration, &shapes).await?;
            }
            Self::Calls(calls) => println!("{} calls", calls.make(connect().await?).await?),
            Self::Connections(connections) => {
                println!("{} connections", connections.open(connect).await?);
            }
        }
        Ok(())
    }
}

async fn run<C: Client>(mut client: C, duration: Duration, shapes: &[Shape]) -> Result<(), Status> {
    let small = Chunk { payload: payload(SMALL) };
    let mut warm = false;
    for shape in shapes {
        // The cost of large calls depends on earlier allocations of a program.
        if !warm && !matches!(shape, Shape::Echo { .. }) {
            for _ in 0..WARM_UP {
                client.echo(small.clone()).await?;
            }
            warm = true;
        }
        match *shape {
            Shape::Unary1 => print_latencies(*shape, unary::latencies(&mut client, &small, duration).await?),
            Shape::Unary64 => {
                let calls = unary::calls_per_second(&client, &small, duration).await?;
                println!("{shape} {calls:.0} calls/s");
            }
            Shape::Exchange => {
                print_latencies(*shape, streams::latencies(&mut client, &small, duration).await?);
            }
            Shape::Download { count, size, awaited } => {
                let messages = streams::download(&mut client, count, size, awaited).await?;
                print_rate(*shape, messages, size);
            }
            Shape::Upload { count, size } => {
                let messages = streams::upload(&mut client, count, size).await?;
                print_rate(*shape, messages, size);
            }
            Shape::Echo { size } => {
                let chunk = Chunk { payload: payload(size as usize) };
                print_latencies(*shape, unary::large_latencies(&mut client, &chunk, duration).await?);
            }
        }
    }
    Ok(())
}

fn payload(size: usize) -> Bytes {
    Bytes::from(vec![0; size])
}

fn print_latencies(shape: Shape, mut latencies: Vec<Duration>) {
    latencies.sort_unstable();
    for percent in [50, 99] {
        println!("{shape} {:.1} us p{percent}", percentile(&latencies, percent).as_secs_f64() * 1e6);
    }
}

fn print_rate(shape: Shape, messages: f64, size: u32) {
    println!("{shape} {messages:.0} messages/s {:.0} MB/s", messages * f64::from(size) / 1e6);
}

/// The value below which `percent` of the `sorted` values lie.
fn percentile(sorted: &[Duration], percent: usize) -> Duration {
    sorted[sorted.len() * percent / 100]
}
