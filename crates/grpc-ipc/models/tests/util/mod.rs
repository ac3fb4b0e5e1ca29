//! Runs a model, and contains the models' common code.

#![allow(dead_code, unreachable_pub, clippy::allow_attributes, reason = "each model uses a part of it")]

use std::convert::Infallible;
use std::fmt::Debug;
use std::pin::Pin;
use std::task::Poll;
use std::time::{Duration, Instant};

use bytes::Bytes;
use grpc_ipc_http2::{Error, RecvBody};
use http::{Request, Response};
use http_body::Body;
use http_body_util::{BodyExt as _, Full};
use shuttle::future::{block_on, yield_now};
use shuttle::scheduler::{PctScheduler, RandomScheduler};
use shuttle::{Config, Runner};

/// Tries a model in many orders. Half of the time, tasks take turns at random. Otherwise, the order is chosen to find
/// bugs that need few task switches (PCT). A task that waits forever fails the model.
pub fn model<F>(model: fn() -> F)
where
    F: Future<Output = ()> + 'static,
{
    let seconds = std::env::var("MODEL_SECONDS").map_or(2, |seconds| seconds.parse().unwrap());
    let time = Duration::from_secs(seconds);
    // Timers need a runtime. Nothing drives this one, so no time passes.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
    let runtime = runtime.unwrap();
    let _context = runtime.enter();
    let mut config = Config::new();
    config.stack_size = 1 << 20;
    let begun = Instant::now();
    let mut orders = 0;
    while orders == 0 || begun.elapsed() < time {
        orders += Runner::new(RandomScheduler::new(100), config.clone()).run(move || block_on(model()));
        orders += Runner::new(PctScheduler::new(3, 100), config.clone()).run(move || block_on(model()));
    }
    println!("{orders} orders in {:?}", begun.elapsed());
}

/// Polls a future at most this often, as if something else ended it.
pub async fn give_up_after<F: Future>(polls: usize, future: F) -> Option<F::Output> {
    let mut future = Box::pin(future);
    for _ in 0..polls {
        if let Poll::Ready(output) = futures_util::poll!(future.as_mut()) {
            return Some(output);
        }
        yield_now().await;
    }
    None
}

pub type Reply = Pin<Box<dyn Body<Data = Bytes, Error = Error> + Send>>;

/// Answers by path:
/// - `/echo`: with the body of the request, as it arrives;
/// - `/collect`: with the body of the request, once it is complete;
/// - `/later`: with `hello`, not at once;
/// - any other: with `hello`.
pub async fn answer(request: Request<RecvBody>) -> Result<Response<Reply>, Infallible> {
    if request.uri().path() == "/echo" {
        return Ok(Response::new(Box::pin(request.into_body())));
    }
    if request.uri().path() == "/collect" {
        let body = request.into_body().collect().await.map(|body| body.to_bytes()).unwrap_or_default();
        return Ok(Response::new(Box::pin(Full::from(body).map_err(|never| match never {}))));
    }
    if request.uri().path() == "/later" {
        yield_now().await;
    }
    Ok(Response::new(Box::pin(Full::from("hello").map_err(|never| match never {}))))
}

/// The whole body of a response.
pub async fn read<B>(response: Response<B>) -> Result<Bytes, B::Error>
where
    B: Body<Data = Bytes, Error: Debug>,
{
    Ok(response.into_body().collect().await?.to_bytes())
}
