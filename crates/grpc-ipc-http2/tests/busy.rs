//! Busy programs: their connection continues, and other calls on it are not affected.

use std::convert::Infallible;
use std::future::pending;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use grpc_ipc_conformance::Watchdog;
use grpc_ipc_http2::{Error, Options, RecvBody, client, server};
use http::{Request, Response};
use http_body_util::{BodyExt as _, Empty, Full};
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::sleep;
use tower_service::Service;

/// Answers by path: `/never` not at all, `/slow` after a second, `/ok` at once.
#[derive(Clone)]
struct Handlers;

impl Service<Request<RecvBody>> for Handlers {
    type Response = Response<Full<Bytes>>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<RecvBody>) -> Self::Future {
        Box::pin(async move {
            match request.uri().path() {
                "/never" => pending().await,
                "/slow" => sleep(Duration::from_secs(1)).await,
                _ => {}
            }
            Ok(Response::new(Full::from("ok")))
        })
    }
}

/// A client and a server with default options, and a call that is always active.
struct Scene {
    send: client::SendRequest,
    steady: JoinHandle<Result<Response<RecvBody>, Error>>,
}

impl Scene {
    async fn ok(&self) {
        let response = self.send.send(request("/ok")).await.unwrap();
        assert_eq!(response.into_body().collect().await.unwrap().to_bytes(), "ok");
    }

    /// Other calls have not been affected.
    async fn goes_on(self) {
        self.ok().await;
        assert!(!self.steady.is_finished(), "{:?}", self.steady.await);
        self.steady.abort();
    }
}

/// The clock advances when nothing else can run.
fn busy(name: &str, test: impl AsyncFnOnce(Scene)) {
    let _watchdog = Watchdog::start(name, Duration::from_secs(120));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build();
    runtime.unwrap().block_on(async {
        let (here, there) = tokio::io::duplex(200 << 10);
        tokio::spawn(server::Connection::new(there, Handlers, Options::new()));
        let (send, connection) = client::handshake(here, &Options::new());
        tokio::spawn(connection);
        send.established().await.unwrap();
        let steady = tokio::spawn(send.send(request("/never")));
        test(Scene { send, steady }).await;
    });
}

fn request(path: &str) -> Request<Empty<Bytes>> {
    Request::post(path).body(Empty::new()).unwrap()
}

fn with_timeout(path: &str, timeout: &str) -> Request<Empty<Bytes>> {
    Request::post(path).header("grpc-timeout", timeout).body(Empty::new()).unwrap()
}

/// Each caller cancels as soon as its request is sent.
#[test]
fn twenty_thousand_calls_that_are_given_up_at_once() {
    busy("twenty_thousand_calls_that_are_given_up_at_once", async |scene| {
        for round in 0..20_000 {
            let mut call = Box::pin(scene.send.send(request("/never")));
            assert!(std::future::poll_fn(|cx| Poll::Ready(call.as_mut().poll(cx).is_pending())).await);
            drop(call);
            // Many of them in each write, and sometimes one in a separate write.
            if round % 100 == 0 {
                scene.ok().await;
            }
        }
        scene.goes_on().await;
    });
}

/// Each caller cancels when its handler runs.
#[test]
fn twenty_thousand_calls_that_are_given_up_later() {
    busy("twenty_thousand_calls_that_are_given_up_later", async |scene| {
        for _ in 0..200 {
            let mut calls = JoinSet::new();
            for _ in 0..100 {
                calls.spawn(scene.send.send(request("/never")));
            }
            scene.ok().await;
            calls.shutdown().await;
        }
        scene.goes_on().await;
    });
}

/// Both ends end the calls at the same time, so answers and resets cross.
#[test]
fn three_thousand_deadlines_in_a_burst() {
    busy("three_thousand_deadlines_in_a_burst", async |scene| {
        for _ in 0..3 {
            let mut calls = JoinSet::new();
            for _ in 0..3000 {
                calls.spawn(scene.send.send(with_timeout("/never", "20m")));
            }
            while let Some(call) = calls.join_next().await {
                match call.unwrap() {
                    Err(Error::DeadlineExceeded) => {}
                    Ok(response) => assert_eq!(response.headers()["grpc-status"], "4"),
                    Err(error) => panic!("{error:?}"),
                }
            }
        }
        scene.goes_on().await;
    });
}

/// Calls beyond the server's limit wait for their turn.
#[test]
fn five_thousand_calls_at_once() {
    busy("five_thousand_calls_at_once", async |scene| {
        let mut calls = JoinSet::new();
        for _ in 0..5000 {
            calls.spawn(scene.send.send(request("/slow")));
        }
        while let Some(call) = calls.join_next().await {
            call.unwrap().unwrap();
        }
        scene.goes_on().await;
    });
}

/// Windows of any size. Small ones cause many frames, but are not an attack.
#[test]
fn small_windows() {
    for (here, there) in [(1, 1), (255, 1 << 20), (1 << 20, 255), (1024, 1024)] {
        let _watchdog = Watchdog::start("small_windows", Duration::from_secs(120));
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build();
        runtime.unwrap().block_on(async {
            // Neither time nor other calls allow more frames.
            let options = Options::new().max_control_frames(20, 0);
            let (ours, theirs) = tokio::io::duplex(4096);
            let echo = Echo;
            tokio::spawn(server::Connection::new(theirs, echo, options.clone().initial_stream_window(there)));
            let (send, connection) = client::handshake(ours, &options.initial_stream_window(here));
            tokio::spawn(connection);
            let body = Bytes::from(vec![1; 300_000]);
            let request = Request::post("/").body(Full::new(body.clone())).unwrap();
            let echo = send.send(request).await.unwrap().into_body().collect().await.unwrap();
            assert!(echo.to_bytes() == body, "{here} and {there}");
        });
    }
}

/// Answers with the body of the request, as it comes.
#[derive(Clone)]
struct Echo;

impl Service<Request<RecvBody>> for Echo {
    type Response = Response<RecvBody>;
    type Error = Infallible;
    type Future = std::future::Ready<Result<Self::Response, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<RecvBody>) -> Self::Future {
        std::future::ready(Ok(Response::new(request.into_body())))
    }
}
