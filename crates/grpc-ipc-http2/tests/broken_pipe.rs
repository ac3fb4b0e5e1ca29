//! A peer that sends data and closes. Its last data can still be read when writing to it already fails.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use grpc_ipc_conformance::{LIMIT, Watchdog};
use grpc_ipc_http2::{Error, Options, Reason, RecvBody, Side, client, server};
use http::{Request, Response};
use http_body_util::Full;
use tokio::io::{
    AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, DuplexStream, ReadBuf, duplex,
};
use tokio::time::Instant;

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
const SETTINGS: [u8; 9] = [0, 0, 0, 4, 0, 0, 0, 0, 0];

/// GOAWAY that no stream was processed.
fn goaway(reason: Reason) -> Vec<u8> {
    [&[0, 0, 8, 7, 0, 0, 0, 0, 0, 0, 0, 0, 0][..], &reason.code().to_be_bytes()].concat()
}

/// A stream whose writes fail on demand, while its reads continue.
struct Breaking {
    stream: DuplexStream,
    broken: Arc<AtomicBool>,
}

impl Breaking {
    /// The other end, and the flag that breaks this one.
    fn new() -> (DuplexStream, Self, Arc<AtomicBool>) {
        let (ours, stream) = duplex(1 << 20);
        let broken = Arc::<AtomicBool>::default();
        (ours, Self { stream, broken: Arc::clone(&broken) }, broken)
    }
}

impl AsyncRead for Breaking {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buf)
    }
}

impl AsyncWrite for Breaking {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        if self.broken.load(Ordering::Relaxed) {
            return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
        }
        Pin::new(&mut self.stream).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

#[track_caller]
fn run(test: impl AsyncFnOnce()) {
    let _watchdog = Watchdog::start(&std::panic::Location::caller().to_string(), LIMIT);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build();
    runtime.unwrap().block_on(test());
}

fn request() -> Request<Full<Bytes>> {
    Request::post("/").body(Full::default()).unwrap()
}

/// Lets all tasks run. Nothing waits for time.
async fn everybody() {
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
}

#[test]
fn goaway_is_read_after_writing_has_failed() {
    run(async || {
        let (mut peer, stream, broken) = Breaking::new();
        let (send, connection) = client::handshake(stream, &Options::new());
        let connection = tokio::spawn(connection);
        let written = tokio::spawn(send.send(request()));
        everybody().await;
        broken.store(true, Ordering::Relaxed);
        let unwritten = tokio::spawn(send.send(request()));
        everybody().await;
        assert!(!written.is_finished() && !unwritten.is_finished(), "what becomes of them is not known yet");
        peer.write_all(&[&SETTINGS[..], &goaway(Reason::NO_ERROR)].concat()).await.unwrap();
        drop(peer);
        for call in [written, unwritten] {
            let error = call.await.unwrap().unwrap_err();
            assert!(error.is_unprocessed(), "{error:?}");
        }
        let failure = send.failure().unwrap();
        assert!(matches!(&failure, Error::GoAway { by: Side::Peer, .. }), "{failure:?}");
        let error = connection.await.unwrap().unwrap_err();
        assert!(matches!(&error, Error::GoAway { by: Side::Peer, .. }), "{error:?}");
        send.established().await.expect("it had begun");
    });
}

/// Without a GOAWAY, a call that was sent may have been processed, and one that was not sent has not been.
#[test]
fn without_goaway_only_what_was_not_written_is_unprocessed() {
    run(async || {
        let (mut peer, stream, broken) = Breaking::new();
        let (send, connection) = client::handshake(stream, &Options::new());
        let connection = tokio::spawn(connection);
        peer.write_all(&SETTINGS).await.unwrap();
        let written = tokio::spawn(send.send(request()));
        everybody().await;
        broken.store(true, Ordering::Relaxed);
        let unwritten = tokio::spawn(send.send(request()));
        everybody().await;
        drop(peer);
        let error = written.await.unwrap().unwrap_err();
        assert!(matches!(error, Error::Closed), "{error:?}");
        assert!(unwritten.await.unwrap().unwrap_err().is_unprocessed());
        let error = connection.await.unwrap().unwrap_err();
        assert!(matches!(error, Error::Closed), "{error:?}");
    });
}

/// A peer that has only stopped reading is waited for, but not for ever.
#[test]
fn a_peer_that_does_not_read_and_does_not_close() {
    run(async || {
        let (_peer, stream, broken) = Breaking::new();
        let (send, connection) = client::handshake(stream, &Options::new());
        let connection = tokio::spawn(connection);
        everybody().await;
        broken.store(true, Ordering::Relaxed);
        let start = Instant::now();
        let call = tokio::spawn(send.send(request()));
        assert!(call.await.unwrap().unwrap_err().is_unprocessed());
        connection.await.unwrap().unwrap_err();
        assert!(start.elapsed() < Duration::from_secs(3), "{:?}", start.elapsed());
    });
}

/// Never answers.
#[derive(Clone)]
struct Silent;

impl tower_service::Service<Request<RecvBody>> for Silent {
    type Response = Response<Full<Bytes>>;
    type Error = Error;
    type Future = std::future::Pending<Result<Self::Response, Error>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Request<RecvBody>) -> Self::Future {
        std::future::pending()
    }
}

/// The same on the server: it learns why its client has left.
#[test]
fn a_server_reads_goaway_after_writing_has_failed() {
    run(async || {
        let (mut peer, stream, broken) = Breaking::new();
        let connection = tokio::spawn(server::Connection::new(stream, Silent, Options::new()));
        peer.write_all(&[PREFACE, &SETTINGS].concat()).await.unwrap();
        // Its settings, its window, and its acknowledgement of ours.
        peer.read_exact(&mut [0; 9]).await.unwrap();
        everybody().await;
        broken.store(true, Ordering::Relaxed);
        // The server cannot answer.
        peer.write_all(&[0, 0, 8, 6, 0, 0, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8]).await.unwrap();
        everybody().await;
        assert!(!connection.is_finished());
        peer.write_all(&goaway(Reason::ENHANCE_YOUR_CALM)).await.unwrap();
        drop(peer);
        let error = connection.await.unwrap().unwrap_err();
        let expected = Reason::ENHANCE_YOUR_CALM;
        assert!(
            matches!(&error, Error::GoAway { by: Side::Peer, reason, .. } if *reason == expected),
            "{error:?}"
        );
    });
}
