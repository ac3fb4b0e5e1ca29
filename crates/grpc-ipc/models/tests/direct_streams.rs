//! What shares a direct call with streams: the tasks of its connection, its caller, and the two tasks that send
//! messages.

#![cfg(shuttle)]

mod util;

use std::future::poll_fn;
use std::pin::Pin;
use std::sync::{Arc, Weak};
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use grpc_ipc_http2::client::{self, SendRequest};
use grpc_ipc_http2::direct::{
    Answer, Answered, Batch, BegunStream, Ending, Head, Message, Messages, Method, Reply, Service,
};
use grpc_ipc_http2::{Error, Options, RecvBody, server};
use http::{HeaderMap, Request};
use http_body::Body as _;
use http_body_util::BodyExt as _;
use shuttle::future::{JoinHandle, spawn, yield_now};
use tower::service_fn;
use util::{answer, give_up_after, model};

/// Answers each piece of a request with a message.
static ECHO: Method = Method::new("/test.Test/Echo");
/// Answers all of a request with one message.
static COLLECT: Method = Method::new("/test.Test/Collect");
/// Answers with more messages than the window takes, and reads nothing.
static LONG: Method = Method::new("/test.Test/Long");
/// Answers with a message at once, and reads nothing.
static EARLY: Method = Method::new("/test.Test/Early");

/// The length of a message. The pipe and the windows take little more.
const LENGTH: usize = 150;

fn add(batch: &mut Batch, length: usize) {
    batch.message(length, |out: &mut Vec<u8>| out.resize(out.len() + length, b'x'));
}

/// A stream of messages. Other tasks run before every second one.
struct Sent {
    left: usize,
    /// Dropped with the messages. May contain a request that is not read, whose messages wait then.
    _held: (Arc<()>, Option<RecvBody>),
}

impl Messages for Sent {
    fn poll(&mut self, cx: &mut Context<'_>, batch: &mut Batch) -> Poll<Option<Ending>> {
        let Some(left) = self.left.checked_sub(1) else { return Poll::Ready(Some(Ending::Done)) };
        self.left = left;
        add(batch, LENGTH);
        if left.is_multiple_of(2) {
            return Poll::Ready(None);
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }
}

struct Echoed(RecvBody, #[expect(dead_code, reason = "it is dropped with the messages")] Arc<()>);

impl Messages for Echoed {
    fn poll(&mut self, cx: &mut Context<'_>, batch: &mut Batch) -> Poll<Option<Ending>> {
        match ready!(Pin::new(&mut self.0).poll_frame(cx)) {
            None => return Poll::Ready(Some(Ending::Done)),
            Some(Err(error)) => return Poll::Ready(Some(Ending::Failed(error.into()))),
            Some(Ok(frame)) => add(batch, frame.data_ref().map_or(0, Bytes::len)),
        }
        Poll::Ready(None)
    }
}

struct Test {
    held: Weak<()>,
}

impl Service for Test {
    fn route(&self, _: &str) -> Option<u32> {
        Some(0)
    }

    fn takes_stream(&self, _: u32) -> bool {
        true
    }

    fn call(&mut self, _: &mut Arc<Head>, _: Message<'_>, _: Reply<'_>) {}

    fn call_with_stream(&mut self, head: &mut Arc<Head>, body: RecvBody, reply: Reply<'_>) {
        let Some(held) = self.held.upgrade() else { return };
        if head.path() == ECHO.path() {
            reply.stream(None, Echoed(body, held));
        } else if head.path() == COLLECT.path() {
            reply.later(body.collect(), move |collected, reply| {
                _ = held;
                if let Ok(all) = collected {
                    let length = all.to_bytes().len();
                    reply.message(None, length, |out: &mut Vec<u8>| out.resize(out.len() + length, b'x'));
                }
            });
        } else if head.path() == LONG.path() {
            reply.stream(None, Sent { left: 20, _held: (held, Some(body)) });
        } else {
            reply.message(None, LENGTH, |out: &mut Vec<u8>| out.resize(out.len() + LENGTH, b'x'));
        }
    }
}

/// Both ends of a connection, with a counter of the messages that its calls hold.
struct Both {
    calls: SendRequest,
    client: JoinHandle<Result<(), Error>>,
    server: JoinHandle<Result<(), Error>>,
    held: Arc<()>,
}

async fn connect() -> Both {
    let options = Options::new().initial_stream_window(400).max_stream_window(400);
    let (here, there) = tokio::io::duplex(100);
    let held = Arc::new(());
    let service = service_fn(|request| Box::pin(answer(request)));
    let server = server::Connection::new(there, service, options.clone());
    let server = spawn(server.direct(Box::new(Test { held: Arc::downgrade(&held) })));
    let (calls, client) = client::handshake(here, &options);
    let client = spawn(client);
    calls.established().await.unwrap();
    Both { calls, client, server, held }
}

impl Both {
    /// Makes a call with `messages` messages, and returns the length of its response.
    fn call(
        &self,
        method: &'static Method,
        answered: Answered,
        messages: usize,
    ) -> impl Future<Output = Result<usize, Error>> + Send + use<> {
        let (calls, held) = (self.calls.clone(), Arc::clone(&self.held));
        async move {
            let mut messages = Some(Sent { left: messages, _held: (held, None) });
            let begun = poll_fn(|cx| {
                let messages = messages.take().unwrap();
                Poll::Ready(calls.begin_stream(answered, method, &HeaderMap::new(), None, messages, cx))
            });
            let response = match begun.await {
                BegunStream::Call(mut call, _) => {
                    match poll_fn(|cx| call.poll(cx, |message, _| 5 + message.as_slice().len())).await? {
                        Answer::Message(length) => return Ok(length),
                        Answer::Response(response) => *response,
                    }
                }
                BegunStream::Elsewhere(body) => {
                    calls.send(Request::post(method.path()).body(body).unwrap()).await?
                }
                BegunStream::Failed(error) => return Err(error),
            };
            Ok(response.into_body().collect().await?.to_bytes().len())
        }
    }

    /// Ends all calls. Both ends notice that, and drop all messages.
    async fn end(self) {
        drop(self.calls);
        _ = self.client.await;
        _ = self.server.await;
        while Arc::strong_count(&self.held) > 1 {
            yield_now().await;
        }
    }
}

/// Makes one call. Each end has one sending task then, and neither is left at the end.
async fn call(method: &'static Method, answered: Answered, messages: usize) -> usize {
    let both = connect().await;
    let length = spawn(both.call(method, answered, messages)).await.unwrap().unwrap();
    both.end().await;
    length
}

#[test]
fn messages_go_both_ways() {
    model(|| async {
        // A message may come in pieces. Each piece is answered with a message.
        assert!(call(&ECHO, Answered::WithStream, 3).await >= 3 * (5 + 5 + LENGTH));
    });
}

#[test]
fn messages_are_answered_once_they_are_all_there() {
    model(|| async {
        assert_eq!(call(&COLLECT, Answered::WithMessage, 4).await, 5 + 4 * (5 + LENGTH));
    });
}

#[test]
fn an_answer_that_comes_early_ends_what_the_client_sends() {
    model(|| async {
        assert_eq!(call(&EARLY, Answered::WithMessage, usize::MAX).await, 5 + LENGTH);
    });
}

#[test]
fn a_call_that_is_given_up_ends_what_both_ends_send() {
    model(|| async {
        let both = connect().await;
        let call = both.call(&LONG, Answered::WithStream, usize::MAX);
        // The call may have ended: if all messages are sent in time, one turn reads them.
        _ = spawn(give_up_after(5, call)).await.unwrap();
        both.end().await;
    });
}

#[test]
fn a_connection_that_is_dropped_ends_what_both_ends_send() {
    model(|| async {
        let both = connect().await;
        let call = spawn(both.call(&ECHO, Answered::WithStream, 20));
        yield_now().await;
        both.client.abort();
        _ = call.await.unwrap();
        both.end().await;
    });
}
