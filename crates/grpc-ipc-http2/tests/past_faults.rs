//! Faults that the engine once had, each with a test that failed then.

#[expect(dead_code, reason = "the tests of RFC 9113 use the rest")]
mod util;

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake};
use std::time::Duration;

use bytes::Bytes;
use futures_util::poll;
use grpc_ipc_conformance::{LIMIT, Watchdog, run};
use grpc_ipc_http2::{Error, Options, RecvBody, client, server};
use http::{Request, Response};
use http_body::Frame;
use http_body_util::{BodyExt as _, Full, StreamBody};
use tokio::sync::{Notify, mpsc};
use tokio::task::JoinHandle;
use tower_service::Service;
use util::frame::{data, flag, goaway, headers, kind, setting};
use util::raw::{Outcome, RawPeer};
use util::service::TestBody;

const OK: [(&str, &str); 1] = [(":status", "200")];

struct Client {
    server: RawPeer,
    calls: client::SendRequest,
    connection: JoinHandle<Result<(), Error>>,
}

async fn connect(options: Options, settings: &[(u16, u32)]) -> Client {
    let (ours, theirs) = tokio::io::duplex(4 << 20);
    let (calls, connection) = client::handshake(theirs, &options);
    let connection = tokio::spawn(connection);
    let mut server = RawPeer::new(ours);
    server.greet_client(settings).await;
    Client { server, calls, connection }
}

impl Client {
    /// A call whose response is read to its end.
    fn call(&self) -> JoinHandle<Result<usize, Error>> {
        let response = self.calls.send(Request::get("/").body(Full::<Bytes>::default()).unwrap());
        tokio::spawn(async move { Ok(response.await?.into_body().collect().await?.to_bytes().len()) })
    }
}

type Frames = std::pin::Pin<Box<dyn futures_core::Stream<Item = Result<Frame<Bytes>, Infallible>> + Send>>;

/// A body that comes piece by piece.
fn channel() -> (mpsc::Sender<Bytes>, StreamBody<Frames>) {
    let (sender, receiver) = mpsc::channel::<Bytes>(1);
    let frames = futures_util::stream::unfold(receiver, async |mut receiver| {
        let data = receiver.recv().await?;
        Some((Ok(Frame::data(data)), receiver))
    });
    (sender, StreamBody::new(Box::pin(frames)))
}

/// Whether a task was woken.
#[derive(Default)]
struct Woken(AtomicBool);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Before the server has sent anything, there is room for a hundred calls. The next call waits behind a task that waits
/// for the server and needs no room.
#[test]
fn room_goes_to_a_call_and_not_to_a_task_that_waits_for_the_server() {
    run("room_goes_to_a_call_and_not_to_a_task_that_waits_for_the_server", || async {
        let (_server, io) = tokio::io::duplex(4 << 20);
        let (calls, _connection) = client::handshake(io, &Options::new());
        let call = || Box::pin(calls.send(Request::get("/").body(Full::<Bytes>::default()).unwrap()));
        let mut under_way: Vec<_> = (0..100).map(|_| call()).collect();
        for call in &mut under_way {
            assert!(poll!(call).is_pending());
        }
        let mut established = Box::pin(calls.established());
        assert!(poll!(established.as_mut()).is_pending());
        let woken = Arc::new(Woken::default());
        let mut last = call();
        assert!(last.as_mut().poll(&mut Context::from_waker(&Arc::clone(&woken).into())).is_pending());

        under_way.pop();
        assert!(calls.has_room());
        assert!(poll!(established.as_mut()).is_pending());
        assert!(woken.0.load(Ordering::Relaxed), "the call does not hear that there is room");
        assert!(poll!(last.as_mut()).is_pending());
        assert!(!calls.has_room());
    });
}

#[test]
fn answers_to_calls_that_were_cancelled_long_ago_are_ignored() {
    run("answers_to_calls_that_were_cancelled_long_ago_are_ignored", || async {
        let mut client = connect(Options::new(), &[]).await;
        let calls: Vec<_> = (0..80).map(|_| client.call()).collect();
        for _ in 0..80 {
            client.server.expect("a request", |frame| frame.kind == kind::HEADERS).await;
        }
        for call in calls {
            call.abort();
            assert!(call.await.is_err());
        }
        for call in 0..80 {
            client.server.send(headers(1 + 2 * call, &OK).end_stream()).await;
        }
        assert_eq!(client.server.outcome(0).await, Outcome::Ignored);
    });
}

#[test]
fn the_body_of_a_request_is_dropped_when_the_server_has_ended_the_call() {
    run("the_body_of_a_request_is_dropped_when_the_server_has_ended_the_call", || async {
        let mut client = connect(Options::new(), &[]).await;
        let (sender, body) = channel();
        let call = tokio::spawn(client.calls.send(Request::post("/").body(body).unwrap()));
        assert_eq!(client.server.expect_on(1).await.kind, kind::HEADERS);
        client.server.send(headers(1, &OK).end_stream()).await;
        call.await.unwrap().unwrap();
        sender.closed().await;
    });
}

#[test]
fn what_whole_responses_took_of_the_window_is_given_back_at_once() {
    run("what_whole_responses_took_of_the_window_is_given_back_at_once", || async {
        let mut client = connect(Options::new(), &[]).await;
        let calls = client.server.window(0) as usize / 16_384;
        for id in (1..).step_by(2).take(calls) {
            let call = client.call();
            assert_eq!(client.server.expect_on(id).await.kind, kind::HEADERS);
            client.server.send_all(&[headers(id, &OK), data(id, vec![0; 16_384]).end_stream()]).await;
            assert_eq!(call.await.unwrap().unwrap(), 16_384);
        }
        client.server.expect("WINDOW_UPDATE", |frame| frame.kind == kind::WINDOW_UPDATE).await;
    });
}

#[test]
fn a_client_leaves_when_the_last_call_before_a_goaway_is_answered() {
    run("a_client_leaves_when_the_last_call_before_a_goaway_is_answered", || async {
        let mut client = connect(Options::new(), &[]).await;
        let call = client.call();
        assert_eq!(client.server.expect_on(1).await.kind, kind::HEADERS);
        client.server.send(goaway(1, 0)).await;
        client.server.send_all(&[headers(1, &OK), data(1, vec![0; 100]).end_stream()]).await;
        assert_eq!(call.await.unwrap().unwrap(), 100);
        client.connection.await.unwrap().unwrap();
    });
}

#[test]
fn a_call_whose_trailers_are_too_large_for_the_server_fails() {
    run("a_call_whose_trailers_are_too_large_for_the_server_fails", || async {
        let client = connect(Options::new(), &[(setting::MAX_HEADER_LIST_SIZE, 1000)]).await;
        let body = TestBody::from("hello").trailers([("x-large", &*"x".repeat(2000))]);
        let call = client.calls.send(Request::post("/").body(body).unwrap());
        let error = call.await.unwrap_err();
        assert!(matches!(error, Error::Unsendable(_)), "{error:?}");
    });
}

#[test]
fn the_end_of_a_body_needs_no_window() {
    run("the_end_of_a_body_needs_no_window", || async {
        let mut client = connect(Options::new(), &[(setting::INITIAL_WINDOW_SIZE, 1 << 20)]).await;
        let (sender, body) = channel();
        let _first = tokio::spawn(client.calls.send(Request::post("/").body(body).unwrap()));
        assert_eq!(client.server.expect_on(1).await.kind, kind::HEADERS);
        // More than the connection's window.
        let large = Full::new(Bytes::from(vec![0; 100_000]));
        let _second = tokio::spawn(client.calls.send(Request::post("/").body(large).unwrap()));
        assert_eq!(client.server.expect_on(3).await.kind, kind::HEADERS);
        drop(sender);
        client.server.expect("an end", |frame| frame.stream == 1 && frame.has(flag::END_STREAM)).await;
    });
}

/// Answers when told to.
#[derive(Clone, Default)]
struct WhenTold(Arc<Notify>);

impl Service<Request<RecvBody>> for WhenTold {
    type Response = Response<TestBody>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Response<TestBody>, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Request<RecvBody>) -> Self::Future {
        let told = Arc::clone(&self.0);
        Box::pin(async move {
            told.notified().await;
            Ok(Response::new(TestBody::from("hello")))
        })
    }
}

/// On one thread, with a clock that stands still while any task can run.
#[test]
fn an_answer_that_is_ready_when_its_deadline_passes_is_sent() {
    let _watchdog = Watchdog::start("an_answer_that_is_ready_when_its_deadline_passes_is_sent", LIMIT);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build();
    runtime.unwrap().block_on(async {
        let (ours, theirs) = tokio::io::duplex(1 << 20);
        let service = WhenTold::default();
        tokio::spawn(server::Connection::new(theirs, service.clone(), Options::new()));
        let mut peer = RawPeer::new(ours);
        peer.greet_server(&[]).await;
        let fields = [(":method", "POST"), (":scheme", "http"), (":path", "/"), ("grpc-timeout", "1S")];
        peer.send(headers(1, &fields).end_stream()).await;
        peer.still_answers().await;
        // Now the deadline passes for the server, too.
        tokio::time::sleep(Duration::from_secs(1)).await;
        service.0.notify_one();
        assert_eq!(peer.expect_response(1).await.body, b"hello");
    });
}
