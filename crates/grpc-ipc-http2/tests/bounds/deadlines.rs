//! Deadlines of calls (`grpc-timeout`).

use std::future::{poll_fn, ready};
use std::io;
use std::pin::{Pin, pin};
use std::task::{Context, Poll};
use std::time::Duration;

use grpc_ipc_http2::{Error, Options, client, server};
use http::Request;
use http_body_util::Empty;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf, duplex};
use tokio::task::{coop, yield_now};
use tokio::time::{Instant, advance, sleep};

use super::scene::run;
use super::service::CountingService;
use crate::util::frame::{Frame, code, flag, headers, kind, ping, rst_stream, settings};
use crate::util::raw::{PREFACE, RawPeer};

const SECOND: Duration = Duration::from_secs(1);

fn request(timeout: &str) -> Request<Empty<bytes::Bytes>> {
    Request::post("/").header("grpc-timeout", timeout).body(Empty::new()).unwrap()
}

/// A client and its server.
async fn connect_client() -> (RawPeer, client::SendRequest) {
    let (ours, theirs) = duplex(64 << 10);
    let (send, connection) = client::handshake(theirs, &Options::new());
    tokio::spawn(connection);
    let mut peer = RawPeer::new(ours);
    peer.greet_client(&[]).await;
    send.established().await.unwrap();
    (peer, send)
}

#[test]
fn deadlines_are_kept_in_any_order() {
    run(async || {
        let (mut peer, send) = connect_client().await;
        let start = Instant::now();
        let mut calls = Vec::new();
        for (index, seconds) in [30, 10, 20, 40].into_iter().enumerate() {
            let call = send.send(request(&format!("{seconds}S")));
            calls.push((seconds, 2 * index as u32 + 1, tokio::spawn(call)));
            sleep(SECOND / 10).await;
        }
        calls.sort_by_key(|(seconds, ..)| *seconds);
        for (seconds, stream, call) in calls {
            let error = call.await.unwrap().unwrap_err();
            assert!(matches!(error, Error::DeadlineExceeded), "{error:?}");
            let passed = start.elapsed();
            assert!((seconds * SECOND..(seconds + 1) * SECOND).contains(&passed), "{seconds}: {passed:?}");
            peer.expect_reset(stream, code::CANCEL).await;
        }
    });
}

#[test]
fn a_response_that_has_come_is_in_time() {
    run(async || {
        let (mut peer, send) = connect_client().await;
        let mut call = pin!(send.send(request("5S")));
        assert!(poll_once(call.as_mut()).await.is_pending());
        peer.send(headers(1, &[(":status", "204")]).end_stream()).await;
        sleep(60 * SECOND).await;
        assert_eq!(call.await.unwrap().status(), 204);
    });
}

/// A server that notices the deadline first cancels the call.
#[test]
fn a_call_that_the_server_cancels_at_the_deadline_has_failed_because_of_that() {
    for (slept, exceeded) in [(4, false), (6, true)] {
        run(async || {
            let (mut peer, send) = connect_client().await;
            let mut call = pin!(send.send(request("5S")));
            assert!(poll_once(call.as_mut()).await.is_pending());
            peer.send(rst_stream(1, code::CANCEL)).await;
            sleep(slept * SECOND).await;
            let error = call.await.unwrap_err();
            assert_eq!(matches!(error, Error::DeadlineExceeded), exceeded, "{error:?}");
        });
    }
}

/// A peer that never stops sending: `beginning`, and then answers to pings that were never sent.
struct Flood {
    beginning: Vec<u8>,
    at: usize,
    /// One frame at a time, instead of filling the buffer.
    by_frames: bool,
}

impl Flood {
    fn new(beginning: &[u8], by_frames: bool) -> Self {
        Self { beginning: beginning.to_vec(), at: 0, by_frames }
    }
}

impl AsyncRead for Flood {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if pin!(coop::cooperative(ready(()))).poll(cx).is_pending() {
            return Poll::Pending;
        }
        let frame = ping([0; 8]).with(flag::ACK).encode();
        let octets = match self.at.checked_sub(self.beginning.len()) {
            None => self.beginning[self.at..].to_vec(),
            Some(after) if self.by_frames => frame[after % frame.len()..].to_vec(),
            Some(after) => {
                frame.iter().copied().cycle().skip(after % frame.len()).take(buffer.remaining()).collect()
            }
        };
        let count = octets.len().min(buffer.remaining());
        buffer.put_slice(&octets[..count]);
        self.at += count;
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Flood {
    fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, octets: &[u8]) -> Poll<io::Result<usize>> {
        Poll::Ready(Ok(octets.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

async fn poll_once<F: Future>(mut future: Pin<&mut F>) -> Poll<F::Output> {
    poll_fn(|cx| Poll::Ready(future.as_mut().poll(cx))).await
}

/// Polls a connection that always has something to do, and lets other tasks run.
async fn poll_often<F: Future>(mut connection: Pin<&mut F>) {
    for _ in 0..10 {
        assert!(poll_once(connection.as_mut()).await.is_pending(), "the connection is over");
        yield_now().await;
    }
}

#[test]
fn a_peer_that_sends_all_the_time_puts_no_deadline_off() {
    let options = || Options::new().max_control_frames(u32::MAX, 0);
    let own = Frame::encode(&settings(&[]));
    for by_frames in [false, true] {
        run(async || {
            let (send, connection) = client::handshake(Flood::new(&own, by_frames), &options());
            let mut connection = pin!(connection);
            poll_often(connection.as_mut()).await;
            let mut call = pin!(send.send(request("5S")));
            assert!(poll_once(call.as_mut()).await.is_pending());
            poll_often(connection.as_mut()).await;
            assert!(poll_once(call.as_mut()).await.is_pending());
            advance(6 * SECOND).await;
            poll_often(connection.as_mut()).await;
            let result = poll_once(call.as_mut()).await;
            assert!(matches!(result, Poll::Ready(Err(Error::DeadlineExceeded))), "{by_frames}: {result:?}");
        });
        run(async || {
            let fields =
                [(":method", "POST"), (":scheme", "http"), (":path", "/wait"), ("grpc-timeout", "5S")];
            let call = Frame::encode(&headers(1, &fields));
            let beginning = [&PREFACE[..], &own, &call].concat();
            let service = CountingService::default();
            let connection =
                server::Connection::new(Flood::new(&beginning, by_frames), service.clone(), options());
            let mut connection = pin!(connection);
            poll_often(connection.as_mut()).await;
            assert_eq!((service.started(), service.alive()), (1, 1));
            advance(6 * SECOND).await;
            poll_often(connection.as_mut()).await;
            assert_eq!(service.alive(), 0, "{by_frames}");
        });
    }
}

#[test]
fn a_deadline_far_away_is_none() {
    run(async || {
        let (mut peer, send) = connect_client().await;
        let call = tokio::spawn(send.send(request("99999999H")));
        peer.expect("a request", |frame| frame.kind == kind::HEADERS).await;
        sleep(365 * 86_400 * SECOND).await;
        peer.send(headers(1, &[(":status", "204")]).end_stream()).await;
        assert_eq!(call.await.unwrap().unwrap().status(), 204);
    });
}
