//! How calls run: the number of writes and reads, where handlers are polled, and how calls end early.

use std::convert::Infallible;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};

use bytes::Bytes;
use grpc_ipc_conformance::{LIMIT, Watchdog, run};
use grpc_ipc_http2::{Error, Options, Reason, RecvBody, Side, client, server};
use http::{Request, Response};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt as _, Full, StreamBody};
use tokio::io::{AsyncRead, AsyncWrite, DuplexStream, ReadBuf};
use tokio::sync::Notify;
use tower_service::Service;

/// Counts the reads and writes that move data.
struct Counted {
    stream: DuplexStream,
    counts: Arc<Counts>,
}

#[derive(Default)]
struct Counts {
    reads: AtomicUsize,
    writes: AtomicUsize,
}

impl Counts {
    /// The counts since the last time.
    fn take(&self) -> (usize, usize) {
        (self.writes.swap(0, Ordering::Relaxed), self.reads.swap(0, Ordering::Relaxed))
    }
}

impl AsyncRead for Counted {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let read = Pin::new(&mut self.stream).poll_read(cx, buf);
        if read.is_ready() {
            self.counts.reads.fetch_add(1, Ordering::Relaxed);
        }
        read
    }
}

impl AsyncWrite for Counted {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        self.poll_write_vectored(cx, &[IoSlice::new(buf)])
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        // An in-memory stream takes one slice at a time; a socket takes all of them.
        let all: Vec<u8> = bufs.iter().flat_map(|buf| buf.iter().copied()).collect();
        let written = Pin::new(&mut self.stream).poll_write(cx, &all);
        if written.is_ready() {
            self.counts.writes.fetch_add(1, Ordering::Relaxed);
        }
        written
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

type BoxFuture =
    Pin<Box<dyn Future<Output = Result<Response<UnsyncBoxBody<Bytes, Error>>, Infallible>> + Send>>;

/// Behaves as the path says.
#[derive(Clone, Default)]
struct Handlers(Arc<Shared>);

#[derive(Default)]
struct Shared {
    go_on: Notify,
    begun: Notify,
    dropped: Notify,
}

impl Service<Request<RecvBody>> for Handlers {
    type Response = Response<UnsyncBoxBody<Bytes, Error>>;
    type Error = Infallible;
    type Future = BoxFuture;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<RecvBody>) -> BoxFuture {
        let shared = Arc::clone(&self.0);
        Box::pin(async move {
            match request.uri().path() {
                "/panic" => panic!("a handler that panics"),
                "/wait" => {
                    let _dropped = Dropped(Arc::clone(&shared));
                    shared.begun.notify_one();
                    shared.go_on.notified().await;
                }
                "/never" => {
                    let body = StreamBody::new(futures_util::stream::pending());
                    return Ok(Response::new(body.boxed_unsync()));
                }
                _ => {}
            }
            let body = request.into_body().collect().await.map(|body| body.to_bytes()).unwrap_or_default();
            Ok(Response::new(Full::new(body).map_err(|never| match never {}).boxed_unsync()))
        })
    }
}

struct Dropped(Arc<Shared>);

impl Drop for Dropped {
    fn drop(&mut self) {
        self.0.dropped.notify_one();
    }
}

struct Pair {
    calls: client::SendRequest,
    shared: Arc<Shared>,
    client: Arc<Counts>,
    server: Arc<Counts>,
}

fn connect(options: Options) -> Pair {
    let (here, there) = tokio::io::duplex(1 << 20);
    let (client, server) = (Arc::<Counts>::default(), Arc::<Counts>::default());
    let here = Counted { stream: here, counts: Arc::clone(&client) };
    let there = Counted { stream: there, counts: Arc::clone(&server) };
    let handlers = Handlers::default();
    let shared = Arc::clone(&handlers.0);
    tokio::spawn(server::Connection::new(there, handlers, options));
    let (calls, connection) = client::handshake(here, &Options::new());
    tokio::spawn(connection);
    Pair { calls, shared, client, server }
}

impl Pair {
    /// Resets the counts.
    fn forget(&self) {
        self.client.take();
        self.server.take();
    }

    async fn call(&self, path: &str, size: usize) -> Result<usize, Error> {
        let body = Full::new(Bytes::from(vec![7; size]));
        let response = self.calls.send(Request::post(path).body(body).unwrap()).await?;
        Ok(response.into_body().collect().await?.to_bytes().len())
    }
}

/// Runs on one thread, where turns do not overlap, so that reads and writes can be counted.
fn run_on_one_thread(name: &str, test: impl AsyncFnOnce()) {
    let _watchdog = Watchdog::start(name, LIMIT);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(test());
}

#[test]
fn a_unary_call_up_to_16_kib_is_one_write_and_one_read_at_each_end() {
    run_on_one_thread("a_unary_call_up_to_16_kib_is_one_write_and_one_read_at_each_end", async || {
        let pair = connect(Options::new());
        for _ in 0..3 {
            // After this, settings and the first header blocks have been exchanged.
            pair.call("/echo", 1).await.unwrap();
        }
        for size in [0, 1, 100, 1024, 1025, 10_000, 16_000, 16_384] {
            pair.forget();
            assert_eq!(pair.call("/echo", size).await.unwrap(), size);
            assert_eq!(pair.client.take(), (1, 1), "client, {size} bytes");
            assert_eq!(pair.server.take(), (1, 1), "server, {size} bytes");
        }
    });
}

#[test]
fn calls_of_one_turn_share_a_write() {
    run_on_one_thread("calls_of_one_turn_share_a_write", async || {
        let pair = connect(Options::new());
        for _ in 0..3 {
            pair.call("/echo", 1).await.unwrap();
        }
        pair.forget();
        let calls = (0..64).map(|_| pair.call("/echo", 100));
        for result in futures_util::future::join_all(calls).await {
            assert_eq!(result.unwrap(), 100);
        }
        // The first caller writes at once. The data of the others is written together, and so are the answers.
        let (client, server) = (pair.client.take(), pair.server.take());
        assert!(client.0 <= 2 && server.0 <= 2, "{client:?} {server:?}");
    });
}

#[test]
fn a_slow_handler_holds_up_nobody() {
    run("a_slow_handler_holds_up_nobody", || async {
        for in_place in [true, false] {
            let pair = Arc::new(connect(Options::new().poll_in_place(in_place)));
            let slow = tokio::spawn({
                let pair = Arc::clone(&pair);
                async move { pair.call("/wait", 5).await }
            });
            pair.shared.begun.notified().await;
            assert_eq!(pair.call("/echo", 3).await.unwrap(), 3);
            pair.shared.go_on.notify_one();
            assert_eq!(slow.await.unwrap().unwrap(), 5);
        }
    });
}

#[test]
fn a_handler_that_panics_ends_its_call_only() {
    run("a_handler_that_panics_ends_its_call_only", || async {
        for in_place in [true, false] {
            let pair = connect(Options::new().poll_in_place(in_place));
            let error = pair.call("/panic", 5).await.unwrap_err();
            let reset = matches!(error, Error::Reset { by: Side::Peer, reason: Reason::INTERNAL_ERROR });
            assert!(reset, "{error:?}");
            assert_eq!(pair.call("/echo", 3).await.unwrap(), 3);
            // For gRPC, there is a status.
            let request = Request::post("/panic").header("content-type", "application/grpc+proto");
            let response = pair.calls.send(request.body(Full::new(Bytes::new())).unwrap()).await.unwrap();
            assert_eq!(response.headers()["grpc-status"], "2");
            assert_eq!(response.headers()["grpc-message"], "the handler of /panic panicked");
            assert_eq!(pair.call("/echo", 3).await.unwrap(), 3);
        }
    });
}

#[test]
fn a_call_that_is_dropped_drops_its_handler() {
    run("a_call_that_is_dropped_drops_its_handler", || async {
        let pair = connect(Options::new());
        {
            let call = pair.call("/wait", 5);
            tokio::pin!(call);
            let begun = futures_util::future::select(&mut call, Box::pin(pair.shared.begun.notified()));
            assert!(matches!(begun.await, futures_util::future::Either::Right(_)), "not answered");
        }
        pair.shared.dropped.notified().await;
        assert_eq!(pair.call("/echo", 3).await.unwrap(), 3);
    });
}

#[test]
fn a_connection_that_is_dropped_drops_its_handlers() {
    run("a_connection_that_is_dropped_drops_its_handlers", || async {
        let (here, there) = tokio::io::duplex(1000);
        let handlers = Handlers::default();
        let shared = Arc::clone(&handlers.0);
        let server = tokio::spawn(server::Connection::new(there, handlers, Options::new()));
        let (calls, connection) = client::handshake(here, &Options::new());
        tokio::spawn(connection);
        let call = tokio::spawn(calls.send(Request::post("/wait").body(Full::<Bytes>::default()).unwrap()));
        shared.begun.notified().await;
        server.abort();
        shared.dropped.notified().await;
        let error = call.await.unwrap().unwrap_err();
        // It was accepted, so it may have been acted upon.
        assert!(matches!(error, Error::GoAway { by: Side::Peer, reason: Reason::NO_ERROR, .. }), "{error:?}");
    });
}

#[test]
fn a_deadline_is_kept_by_both_ends() {
    run("a_deadline_is_kept_by_both_ends", || async {
        let pair = connect(Options::new());
        let request = |path: &str| {
            let request = Request::post(path).header("grpc-timeout", "1m");
            request.body(Full::<Bytes>::default()).unwrap()
        };
        // Either end may notice first.
        let error = match pair.calls.send(request("/wait")).await {
            Ok(response) => {
                assert_eq!(response.headers()["grpc-status"], "4");
                None
            }
            Err(error) => Some(error),
        };
        assert!(matches!(error, None | Some(Error::DeadlineExceeded)), "{error:?}");
        pair.shared.dropped.notified().await;

        let error = match pair.calls.send(request("/never")).await {
            Ok(response) => match response.into_body().collect().await {
                Ok(body) => {
                    assert_eq!(body.trailers().unwrap()["grpc-status"], "4");
                    None
                }
                Err(error) => Some(error),
            },
            Err(error) => Some(error),
        };
        assert!(matches!(error, None | Some(Error::DeadlineExceeded)), "{error:?}");
    });
}

#[test]
fn a_call_that_the_server_never_saw_can_be_made_again() {
    run("a_call_that_the_server_never_saw_can_be_made_again", || async {
        let (here, there) = tokio::io::duplex(1000);
        let mut server = Box::pin(server::Connection::new(there, Handlers::default(), Options::new()));
        let (calls, connection) = client::handshake(here, &Options::new());
        let mut connection = Box::pin(connection);
        // The handshake is complete. Then the server goes away, and the client does not check.
        let both = futures_util::future::join(&mut server, &mut connection);
        tokio::select! {
            _ = both => unreachable!("an idle connection"),
            established = calls.established() => established.unwrap(),
        }
        drop(server);
        let call = calls.send(Request::post("/echo").body(Full::<Bytes>::default()).unwrap());
        let (error, _) = futures_util::future::join(call, connection).await;
        assert!(error.as_ref().is_err_and(Error::is_unprocessed), "{error:?}");
    });
}
