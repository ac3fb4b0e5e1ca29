//! What shares a connection: its two tasks, the calls and their handlers, and the calls that wait for a stream.

#![cfg(shuttle)]

mod util;

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use futures_util::future::join_all;
use grpc_ipc_http2::client::{self, Call, SendRequest};
use grpc_ipc_http2::{Error, Options, Reason, server};
use http::Request;
use http_body::{Body, Frame};
use http_body_util::Full;
use shuttle::future::{JoinHandle, spawn, yield_now};
use tower::service_fn;
use util::{answer, give_up_after, model, read};

/// Both ends of a connection.
struct Both {
    calls: SendRequest,
    client: JoinHandle<Result<(), Error>>,
    server: JoinHandle<Result<(), Error>>,
    handle: server::Handle,
}

/// Less than the size of a write.
const PIPE: usize = 100;

fn connect(options: &Options) -> Both {
    let (here, there) = tokio::io::duplex(PIPE);
    let service = service_fn(|request| Box::pin(answer(request)));
    let server = server::Connection::new(there, service, options.clone());
    let handle = server.handle();
    let (calls, client) = client::handshake(here, options);
    Both { calls, client: spawn(client), server: spawn(server), handle }
}

impl Both {
    /// Ends all calls. Both ends notice that.
    async fn end(self) {
        drop(self.calls);
        self.client.await.unwrap().unwrap();
        // The client may have disconnected without GOAWAY.
        _ = self.server.await.unwrap();
    }
}

/// A server that takes one call at a time.
async fn one_stream() -> Both {
    let both = connect(&Options::new().max_concurrent_streams(1));
    both.calls.established().await.unwrap();
    both
}

async fn call(calls: SendRequest, path: &str) -> Result<Bytes, Error> {
    read(calls.send(Request::post(path).body(Full::<Bytes>::default()).unwrap()).await?).await
}

/// The same, repeated while the server still counts too many cancelled calls.
async fn call_again(calls: SendRequest, path: &str) -> Result<Bytes, Error> {
    loop {
        match call(calls.clone(), path).await {
            Err(Error::Reset { reason: Reason::REFUSED_STREAM, .. }) => yield_now().await,
            result => return result,
        }
    }
}

#[test]
fn a_call_that_waits_gets_the_stream_of_one_that_ends() {
    model(|| async {
        let both = one_stream().await;
        let calls = ["/now", "/later", "/now"].map(|path| spawn(call(both.calls.clone(), path)));
        for call in calls {
            assert_eq!(call.await.unwrap().unwrap(), "hello");
        }
        both.end().await;
    });
}

#[test]
fn a_call_that_is_given_up_leaves_its_turn_to_the_next() {
    model(|| async {
        let both = one_stream().await;
        let first = spawn(call_again(both.calls.clone(), "/later"));
        let given_up = [1, 2, 3].map(|polls| spawn(give_up_after(polls, call(both.calls.clone(), "/now"))));
        let last = spawn(call_again(both.calls.clone(), "/later"));
        assert_eq!(first.await.unwrap().unwrap(), "hello");
        assert_eq!(last.await.unwrap().unwrap(), "hello");
        join_all(given_up).await;
        both.end().await;
    });
}

/// As in a channel whose connections are all full.
#[test]
fn a_call_waits_for_room_on_two_connections_at_a_time() {
    model(|| async {
        let both = [one_stream().await, one_stream().await];
        let calls: Vec<_> = (0..4)
            .map(|_| {
                let on = both.each_ref().map(|both| both.calls.clone());
                spawn(async move {
                    let mut call = Call::new(Request::post("/later").body(Full::<Bytes>::default()).unwrap());
                    let mut begun = None;
                    let response = std::future::poll_fn(move |cx| {
                        loop {
                            let connection: &SendRequest = match begun {
                                Some(begun) => &on[begun],
                                None => {
                                    let room = on.each_ref().map(|on| call.poll_room(on, cx).is_ready());
                                    begun = room.iter().position(|room| *room);
                                    match begun {
                                        Some(begun) => &on[begun],
                                        None => return Poll::Pending,
                                    }
                                }
                            };
                            match call.poll_on(connection, cx) {
                                Poll::Pending if !call.is_begun() => begun = None,
                                poll => return poll,
                            }
                        }
                    });
                    read(response.await?).await
                })
            })
            .collect();
        for call in calls {
            assert_eq!(call.await.unwrap().unwrap(), "hello");
        }
        for both in both {
            both.end().await;
        }
    });
}

/// A body of several pieces, which become ready one after the other.
struct Pieces(usize);

impl Body for Pieces {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        let Some(left) = self.0.checked_sub(1) else { return Poll::Ready(None) };
        self.0 = left;
        if left % 2 == 0 {
            return Poll::Ready(Some(Ok(Frame::data(Bytes::from_static(&[b'x'; 300])))));
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }
}

#[test]
fn bodies_are_read_while_they_are_sent() {
    model(|| async {
        let both = connect(&Options::new().initial_stream_window(400));
        let calls = [3, 5].map(|pieces| {
            let response = both.calls.send(Request::post("/echo").body(Pieces(pieces)).unwrap());
            spawn(async { read(response.await?).await })
        });
        let [few, more] = calls;
        assert_eq!(few.await.unwrap().unwrap().len(), 2 * 300);
        assert_eq!(more.await.unwrap().unwrap().len(), 3 * 300);
        both.end().await;
    });
}

/// More than the pipe takes. The server sends nothing before it has everything.
#[test]
fn a_request_that_does_not_fit_is_written_later() {
    model(|| async {
        let both = connect(&Options::new());
        both.calls.established().await.unwrap();
        let calls = [(); 2].map(|()| {
            let body = Full::<Bytes>::from(vec![b'x'; 300]);
            let response = both.calls.send(Request::post("/collect").body(body).unwrap());
            spawn(async { read(response.await?).await })
        });
        for call in calls {
            assert_eq!(call.await.unwrap().unwrap().len(), 300);
        }
        both.end().await;
    });
}

#[test]
fn the_last_caller_ends_the_connection() {
    model(|| async {
        let both = connect(&Options::new());
        let calls = ["/now", "/later"].map(|path| spawn(call(both.calls.clone(), path)));
        let idle = both.calls.clone();
        let idle = spawn(async move {
            yield_now().await;
            drop(idle);
        });
        both.end().await;
        for call in calls {
            assert_eq!(call.await.unwrap().unwrap(), "hello");
        }
        idle.await.unwrap();
    });
}

/// A call is answered, or known to be unprocessed.
#[test]
fn a_graceful_shutdown_loses_no_call() {
    model(|| async {
        let both = connect(&Options::new().max_concurrent_streams(2));
        let Both { calls, client, server, handle } = both;
        let under_way = ["/now", "/later", "/now"].map(|path| spawn(call(calls.clone(), path)));
        let shutdown = spawn(async move { handle.graceful_shutdown() });
        for call in under_way {
            match call.await.unwrap() {
                Ok(body) => assert_eq!(body, "hello"),
                Err(error) => assert!(error.is_unprocessed(), "{error:?}"),
            }
        }
        shutdown.await.unwrap();
        drop(calls);
        _ = client.await.unwrap();
        _ = server.await.unwrap();
    });
}

/// The connection's task is dropped at any moment. No other task waits forever.
#[test]
fn a_connection_that_is_dropped_leaves_nobody_waiting() {
    model(|| async {
        let Both { calls, client, server, .. } = connect(&Options::new().max_concurrent_streams(1));
        let under_way = ["/now", "/later", "/echo"].map(|path| spawn(call(calls.clone(), path)));
        let established = spawn({
            let calls = calls.clone();
            async move { calls.established().await }
        });
        yield_now().await;
        client.abort();
        for call in under_way {
            _ = call.await.unwrap();
        }
        _ = established.await.unwrap();
        assert!(client.await.is_err());
        assert!(!calls.is_usable());
        _ = server.await.unwrap();
    });
}

#[test]
fn whoever_waits_for_the_server_hears_of_it() {
    model(|| async {
        let both = connect(&Options::new());
        let waiting = [(); 2].map(|()| {
            let calls = both.calls.clone();
            spawn(async move { calls.established().await })
        });
        let calls = both.calls.clone();
        let given_up = spawn(async move { give_up_after(1, calls.established()).await });
        for waiting in waiting {
            waiting.await.unwrap().unwrap();
        }
        given_up.await.unwrap();
        both.end().await;
    });
}
