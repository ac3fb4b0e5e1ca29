//! A service that counts its calls.

use std::convert::Infallible;
use std::future::pending;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use grpc_ipc_http2::{Error, RecvBody};
use http::{Request, Response};
use http_body::{Body, Frame};
use http_body_util::{BodyExt as _, Empty, Full};
use tower_service::Service;

/// Answers by path:
/// - `/unread`: never, and does not read the body, but holds it;
/// - `/drop`: never, and drops the body;
/// - `/wait`: never, once it has read the body;
/// - `/echo`: with the body of the request, as it comes;
/// - `/early`: with nothing, before it has read anything;
/// - `/pieces/COUNT/SIZE`: with COUNT pieces of SIZE octets, each a frame of its own;
/// - `/later/COUNT/SIZE`: the same after a second;
/// - else: with `hello`, once it has read the body.
#[derive(Clone, Default)]
pub(super) struct CountingService {
    counters: Arc<Counters>,
}

#[derive(Default)]
struct Counters {
    started: AtomicUsize,
    alive: AtomicUsize,
    most_alive: AtomicUsize,
    taken: AtomicUsize,
}

impl CountingService {
    /// The number of handlers that were called.
    pub(super) fn started(&self) -> usize {
        self.counters.started.load(Relaxed)
    }

    /// The number of handlers that have neither returned nor been dropped.
    pub(super) fn alive(&self) -> usize {
        self.counters.alive.load(Relaxed)
    }

    /// The maximum number of them.
    pub(super) fn most_alive(&self) -> usize {
        self.counters.most_alive.load(Relaxed)
    }

    /// The number of octets taken from `/pieces`.
    pub(super) fn taken(&self) -> usize {
        self.counters.taken.load(Relaxed)
    }
}

type BoxBody = Pin<Box<dyn Body<Data = Bytes, Error = Error> + Send>>;

fn full(octets: &'static [u8]) -> BoxBody {
    Box::pin(Full::from(octets).map_err(|never| match never {}))
}

impl Service<Request<RecvBody>> for CountingService {
    type Response = Response<BoxBody>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<RecvBody>) -> Self::Future {
        let counters = Arc::clone(&self.counters);
        counters.started.fetch_add(1, Relaxed);
        let alive = counters.alive.fetch_add(1, Relaxed) + 1;
        counters.most_alive.fetch_max(alive, Relaxed);
        let alive = Alive(counters);
        Box::pin(async move {
            let path = request.uri().path().to_owned();
            let body = request.into_body();
            let answer = match path.split('/').collect::<Vec<_>>()[1..] {
                ["unread"] => {
                    let _unread = body;
                    pending().await
                }
                ["drop"] => {
                    drop(body);
                    pending().await
                }
                ["wait"] => {
                    _ = body.collect().await;
                    pending().await
                }
                ["echo"] => Box::pin(body) as BoxBody,
                ["early"] => Box::pin(Empty::new().map_err(|never| match never {})),
                [when @ ("pieces" | "later"), count, size] => {
                    if when == "later" {
                        tokio::time::sleep(Duration::from_secs(1)).await;
                    }
                    Box::pin(PiecesBody {
                        left: count.parse().unwrap(),
                        size: size.parse().unwrap(),
                        counters: Arc::clone(&alive.0),
                    })
                }
                _ => {
                    _ = body.collect().await;
                    full(b"hello")
                }
            };
            Ok(Response::new(answer))
        })
    }
}

struct Alive(Arc<Counters>);

impl Drop for Alive {
    fn drop(&mut self) {
        self.0.alive.fetch_sub(1, Relaxed);
    }
}

struct PiecesBody {
    left: usize,
    size: usize,
    counters: Arc<Counters>,
}

impl Body for PiecesBody {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        let Some(left) = self.left.checked_sub(1) else { return Poll::Ready(None) };
        self.left = left;
        self.counters.taken.fetch_add(self.size, Relaxed);
        Poll::Ready(Some(Ok(Frame::data(vec![b'x'; self.size].into()))))
    }
}
