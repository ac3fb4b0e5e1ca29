//! The measurements of the peer, with the client of each stack.

mod client;
mod counted;
mod measured;

use std::error::Error;
use std::time::Duration;

use grpc_ipc_bench_shapes::Shape;

pub(crate) use client::{Client, generated, tonics};
pub(crate) use counted::{Calls, Connections};
use measured::Measured;

/// The payload of small calls, in bytes.
const SMALL: u32 = 100;

/// What to do with a stack's client.
pub(crate) enum Measure {
    /// Measures these kinds of calls, each for this time, and prints the figures.
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
    /// The error of connecting, or the status of the first call that failed.
    pub(crate) async fn run<C: Client>(
        self,
        connect: impl AsyncFn() -> Result<C, Box<dyn Error>>,
    ) -> Result<(), Box<dyn Error>> {
        match self {
            Self::Shapes(duration, shapes) => {
                let connect = async || match connect().await {
                    Ok(client) => Ok(Measured(client)),
                    Err(error) => Err(error.to_string().into()),
                };
                let measured = grpc_ipc_bench_shapes::run(&connect, duration, &shapes).await;
                measured.map_err(|error| -> Box<dyn Error> { error })
            }
            Self::Calls(calls) => {
                println!("{} calls", calls.make(connect().await?).await?);
                Ok(())
            }
            Self::Connections(connections) => {
                println!("{} connections", connections.open(connect).await?);
                Ok(())
            }
        }
    }
}
