//! A connection that moves data all the time lets the runtime do everything else.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use futures_util::stream;
use grpc_ipc_conformance::{LIMIT, Watchdog};
use grpc_ipc_http2::{Options, RecvBody, client, server};
use http::{Request, Response};
use http_body::{Body, Frame};
use http_body_util::{BodyExt as _, Empty, StreamBody};
use tower_service::Service;

type BoxBody = Pin<Box<dyn Body<Data = Bytes, Error = Infallible> + Send>>;

fn endless() -> BoxBody {
    let data = || Ok(Frame::data(Bytes::from_static(&[0; 64 * 1024])));
    Box::pin(StreamBody::new(stream::iter(std::iter::repeat_with(data))))
}

/// Reads requests to their end, and then answers without end.
#[derive(Clone)]
struct Endless;

impl Service<Request<RecvBody>> for Endless {
    type Response = Response<BoxBody>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<RecvBody>) -> Self::Future {
        let mut body = request.into_body();
        Box::pin(async move {
            while body.frame().await.is_some() {}
            Ok(Response::new(endless()))
        })
    }
}

/// Timers fire only when the runtime polls its drivers. This one does so only when no task is ready.
fn timers_fire_during(test: &str, body: fn() -> BoxBody) {
    let _watchdog = Watchdog::start(test, LIMIT);
    let mut builder = tokio::runtime::Builder::new_current_thread();
    builder.enable_all().event_interval(u32::MAX).build().unwrap().block_on(async {
        let (here, there) = tokio::io::duplex(1 << 20);
        // A connection that polls for more yields.
        let options = Options::new().busy_poll(Duration::ZERO);
        tokio::spawn(server::Connection::new(there, Endless, options.clone()));
        let (send, connection) = client::handshake(here, &options);
        tokio::spawn(connection);
        let call = tokio::spawn(async move {
            let mut body = send.send(Request::post("/").body(body()).unwrap()).await.unwrap().into_body();
            while body.frame().await.is_some() {}
        });
        for _ in 0..10 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        assert!(!call.is_finished());
        call.abort();
    });
}

#[test]
fn timers_fire_during_a_download() {
    timers_fire_during("timers_fire_during_a_download", || Box::pin(Empty::new()));
}

#[test]
fn timers_fire_during_an_upload() {
    timers_fire_during("timers_fire_during_an_upload", endless);
}
