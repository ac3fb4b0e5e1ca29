//! How often the tasks of connections run when nothing comes. The windows are so long or so short that the clock does
//! not matter.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use grpc_ipc_conformance::{LIMIT, Watchdog};
use grpc_ipc_http2::{Options, RecvBody, client, server};
use http::{Request, Response};
use http_body_util::{BodyExt as _, Empty};
use tower_service::Service;

#[derive(Clone)]
struct Answers;

impl Service<Request<RecvBody>> for Answers {
    type Response = Response<Empty<Bytes>>;
    type Error = Infallible;
    type Future = std::future::Ready<Result<Self::Response, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Request<RecvBody>) -> Self::Future {
        std::future::ready(Ok(Response::new(Empty::new())))
    }
}

/// Counts the polls of a future.
struct Counted<F> {
    future: F,
    polls: Arc<AtomicUsize>,
}

impl<F: Future + Unpin> Future for Counted<F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        self.polls.fetch_add(1, Relaxed);
        Pin::new(&mut self.future).poll(cx)
    }
}

/// Spawns a future, and returns the count of its polls.
fn spawn<F: Future<Output: Send> + Send + Unpin + 'static>(future: F) -> Arc<AtomicUsize> {
    let polls = Arc::new(AtomicUsize::new(0));
    tokio::spawn(Counted { future, polls: Arc::clone(&polls) });
    polls
}

/// All tasks run on one thread, in turn.
fn run(test: &str, act: impl AsyncFnOnce()) {
    let _watchdog = Watchdog::start(test, LIMIT);
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(act());
}

/// The number of polls of both tasks of a connection in 100 turns of the runtime, some turns after a call.
async fn polls_after_a_call(options: &Options) -> [usize; 2] {
    let (here, there) = tokio::io::duplex(10_000);
    let served = spawn(server::Connection::new(there, Answers, options.clone()));
    let (send, connection) = client::handshake(here, options);
    let called = spawn(connection);
    send.established().await.unwrap();
    let request = Request::post("/").body(Empty::<Bytes>::new()).unwrap();
    send.send(request).await.unwrap().into_body().collect().await.unwrap();
    let turns = async |count| {
        for _ in 0..count {
            tokio::task::yield_now().await;
        }
        [called.load(Relaxed), served.load(Relaxed)]
    };
    let before = turns(10).await;
    let after = turns(100).await;
    [after[0] - before[0], after[1] - before[1]]
}

#[test]
fn an_idle_connection_is_not_polled() {
    run("an_idle_connection_is_not_polled", async || {
        for window in [Duration::ZERO, Duration::from_nanos(1)] {
            assert_eq!(polls_after_a_call(&Options::new().busy_poll(window)).await, [0, 0], "{window:?}");
        }
    });
}

#[test]
fn within_the_window_a_connection_is_polled_once_a_turn() {
    run("within_the_window_a_connection_is_polled_once_a_turn", async || {
        let polls = polls_after_a_call(&Options::new().busy_poll(Duration::from_secs(3600))).await;
        assert!(polls.iter().all(|polls| (90..=110).contains(polls)), "{polls:?}");
    });
}

/// Both threads of the clients' runtime poll in place, each for longer than the test may take.
#[test]
fn tasks_run_while_connections_wait_in_place() {
    let _watchdog = Watchdog::start("tasks_run_while_connections_wait_in_place", LIMIT);
    let servers = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let clients = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let options = Options::new().busy_poll(Duration::from_secs(3600)).reads_at_once(true);
    let call = async |send: &client::SendRequest| {
        let request = Request::post("/").body(Empty::<Bytes>::new()).unwrap();
        send.send(request).await.unwrap().into_body().collect().await.unwrap();
    };
    clients.block_on(async {
        let mut connections = Vec::new();
        for _ in 0..2 {
            let (here, there) = tokio::io::duplex(10_000);
            servers.spawn(server::Connection::new(there, Answers, Options::new()));
            let (send, connection) = client::handshake(here, &options);
            spawn(connection);
            send.established().await.unwrap();
            connections.push(send);
        }
        for _ in 0..200 {
            tokio::join!(call(&connections[0]), call(&connections[1]));
        }
        for _ in 0..10 {
            tokio::spawn(tokio::task::yield_now()).await.unwrap();
        }
    });
}
