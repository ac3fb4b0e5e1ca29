//! How often an end writes.

use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::task::{Context, Poll};

use grpc_ipc_http2::direct::{Answer, Answered, Batch, BegunStream, Ending, Messages, UnaryCall};
use grpc_ipc_http2::{Options, client, server};
use http::HeaderMap;
use http_body_util::BodyExt as _;
use tokio::io::{AsyncRead, AsyncWrite, DuplexStream, ReadBuf, duplex};
use tokio::sync::mpsc::{Receiver, Sender, channel};

use super::demoted_responses::response;
use super::scene::{Client, call, run};
use super::service::{ECHO, FAIL, OTHER, TestService};
use crate::util::frame::{Frame, kind};
use crate::util::raw::RawPeer;

struct Counting {
    io: DuplexStream,
    writes: Arc<AtomicUsize>,
}

impl AsyncRead for Counting {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_read(cx, buffer)
    }
}

impl AsyncWrite for Counting {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.writes.fetch_add(1, Relaxed);
        Pin::new(&mut self.io).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(cx)
    }
}

fn counting() -> (RawPeer, Counting, Arc<AtomicUsize>) {
    let (ours, io) = duplex(1 << 20);
    let writes = Arc::new(AtomicUsize::new(0));
    (RawPeer::new(ours), Counting { io, writes: Arc::clone(&writes) }, writes)
}

#[test]
fn the_answers_to_what_was_read_leave_in_one_write() {
    run(async || {
        let (mut peer, io, writes) = counting();
        let (service, _) = TestService::new();
        let connection = server::Connection::new(io, service.clone(), Options::new());
        tokio::spawn(connection.direct(Box::new(service)));
        peer.greet_server(&[]).await;
        for round in 0..10 {
            let before = writes.load(Relaxed);
            let ids = (0..64).map(|index| 128 * round + 2 * index + 1);
            let calls: Vec<Frame> = ids
                .clone()
                .flat_map(|id| call(id, if id % 3 == 0 { &FAIL } else { &ECHO }, b"message"))
                .collect();
            peer.send_all(&calls).await;
            for id in ids {
                peer.expect_response(id).await;
            }
            assert_eq!(writes.load(Relaxed), before + 1);
        }
    });
}

#[test]
fn a_single_call_is_written_at_once_and_others_together() {
    run(async || {
        let (mut peer, io, writes) = counting();
        let (send, connection) = client::handshake(io, &Options::new());
        tokio::spawn(connection);
        let client = Client(send);
        peer.greet_client(&[]).await;
        for _ in 0..10 {
            let before = writes.load(Relaxed);
            let call = client.spawn(&ECHO, b"message").await;
            assert_eq!(writes.load(Relaxed), before + 1, "by its caller");
            let stream = peer.expect("a request", |frame| frame.kind == kind::HEADERS).await.stream;
            peer.send_all(&response(stream, b"answer")).await;
            call.await.unwrap().unwrap().direct();
            assert_eq!(writes.load(Relaxed), before + 1);
        }
        for _ in 0..10 {
            let before = writes.load(Relaxed);
            let mut calls = Vec::new();
            for _ in 0..64 {
                calls.push(client.spawn(&ECHO, b"message").await);
            }
            let mut responses = Vec::new();
            for _ in 0..64 {
                let head = peer.expect("a request", |frame| frame.kind == kind::HEADERS).await;
                responses.extend(response(head.stream, b"answer"));
            }
            assert!(writes.load(Relaxed) <= before + 2, "the first, and all others");
            peer.send_all(&responses).await;
            for call in calls {
                call.await.unwrap().unwrap().direct();
            }
        }
    });
}

/// Messages of a hundred bytes, from a task.
struct Awaited(Receiver<()>);

impl Messages for Awaited {
    fn poll(&mut self, cx: &mut Context<'_>, batch: &mut Batch) -> Poll<Option<Ending>> {
        while !batch.has_enough() {
            match self.0.poll_recv(cx) {
                Poll::Ready(Some(())) => {
                    batch.message(100, |out: &mut Vec<u8>| out.resize(out.len() + 100, b'x'));
                }
                Poll::Ready(None) => return Poll::Ready(Some(Ending::Done)),
                Poll::Pending => return Poll::Pending,
            }
        }
        Poll::Ready(None)
    }
}

async fn begin(send: &client::SendRequest) -> (Sender<()>, UnaryCall) {
    let (sender, receiver) = channel(1);
    let mut messages = Some(Awaited(receiver));
    let begun = poll_fn(|cx| {
        let messages = messages.take().unwrap();
        let answer = Answered::WithStream;
        Poll::Ready(send.begin_stream(answer, &OTHER, &HeaderMap::new(), None, messages, cx))
    });
    match begun.await {
        BegunStream::Call(call, _) => (sender, call),
        _ => panic!("it has not begun"),
    }
}

#[test]
fn messages_that_are_made_one_after_the_other_leave_together() {
    const MESSAGES: usize = 1000;
    run(async || {
        let (ours, theirs) = duplex(1 << 20);
        let (service, _) = TestService::new();
        tokio::spawn(server::Connection::new(theirs, service, Options::new()));
        let writes = Arc::new(AtomicUsize::new(0));
        let io = Counting { io: ours, writes: Arc::clone(&writes) };
        let (send, connection) = client::handshake(io, &Options::new());
        tokio::spawn(connection);
        send.established().await.unwrap();
        let (sender, mut call) = begin(&send).await;
        tokio::spawn(async move {
            for _ in 0..MESSAGES {
                sender.send(()).await.unwrap();
            }
        });
        let Answer::Response(response) = poll_fn(|cx| call.poll(cx, |_, _| ())).await.unwrap() else {
            panic!("a message alone");
        };
        let body = response.into_body().collect().await.unwrap().to_bytes();
        assert_eq!(body.len(), 105 * MESSAGES);
        assert!(writes.load(Relaxed) < MESSAGES / 5, "{writes:?}");
    });
}

#[test]
fn a_message_that_is_alone_is_written_at_once() {
    run(async || {
        let (mut peer, io, writes) = counting();
        let (send, connection) = client::handshake(io, &Options::new());
        tokio::spawn(connection);
        peer.greet_client(&[]).await;
        send.established().await.unwrap();
        let (sender, call) = begin(&send).await;
        peer.expect("a request", |frame| frame.kind == kind::HEADERS).await;
        for _ in 0..10 {
            let before = writes.load(Relaxed);
            sender.send(()).await.unwrap();
            peer.expect("a message", |frame| frame.kind == kind::DATA).await;
            assert_eq!(writes.load(Relaxed), before + 1);
        }
        drop(call);
    });
}
