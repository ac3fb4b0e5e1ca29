//! What shares a channel: the calls, the connection that is being opened for all of them, and additional connections.

#![cfg(shuttle)]

mod util;

use std::future::poll_fn;
use std::sync::Arc;
use std::task::{Poll, Waker};

use bytes::Bytes;
use futures_util::future::join_all;
use grpc_ipc::{Address, Channel, ConnectError, Connector, Peer, PeerStream};
use grpc_ipc_http2::{Error, Options, RecvBody, server};
use http::Request;
use http_body_util::{BodyExt as _, Full};
use shuttle::future::{JoinHandle, spawn, yield_now};
use shuttle::sync::Mutex;
use tokio::io::DuplexStream;
use tokio::time::Instant;
use tonic::Status;
use tonic::body::Body;
use tower::service_fn;
use tower_service::Service as _;
use util::{answer, give_up_after, model, read};

/// Connects to servers that accept `streams` calls at a time.
struct Servers {
    address: Address,
    streams: u32,
    /// The number of calls that wait for one another, and their wakers.
    together: Arc<Mutex<(usize, Vec<Waker>)>>,
    /// The maximum number of connections.
    most: usize,
    /// The connections that were made.
    made: Made,
}

type Made = Arc<Mutex<Vec<(server::Handle, JoinHandle<Result<(), Error>>)>>>;

impl Servers {
    fn channel(streams: u32, most: usize) -> (Channel, Made) {
        let made = Made::default();
        let address = Address::custom("model", "server");
        let made_by = Arc::clone(&made);
        let servers = Self { address, streams, together: Arc::default(), most, made: made_by };
        (Channel::from_connector(servers), made)
    }
}

impl Connector for Servers {
    type Connection = PeerStream<DuplexStream>;

    async fn connect(&self, _: Instant) -> Result<Self::Connection, ConnectError> {
        yield_now().await;
        let mut made = self.made.lock().unwrap();
        if made.len() == self.most {
            return Err(ConnectError::Refused { address: self.address.clone() });
        }
        let (here, there) = tokio::io::duplex(200);
        let options = Options::new().max_concurrent_streams(self.streams);
        let together = Arc::clone(&self.together);
        let service = service_fn(move |request: Request<RecvBody>| {
            let together = (request.uri().path() == "/together").then(|| Arc::clone(&together));
            Box::pin(async move {
                if let Some(together) = together {
                    all_together(&together).await;
                }
                answer(request).await
            })
        });
        let server = server::Connection::new(there, service, options);
        made.push((server.handle(), spawn(server)));
        Ok(PeerStream::new(here, Peer::new("model")))
    }

    fn address(&self) -> &Address {
        &self.address
    }
}

/// How many calls wait for one another.
const TOGETHER: usize = 3;

async fn all_together(together: &Mutex<(usize, Vec<Waker>)>) {
    together.lock().unwrap().0 += 1;
    poll_fn(|cx| {
        let (here, wakers) = &mut *together.lock().unwrap();
        if *here < TOGETHER {
            wakers.push(cx.waker().clone());
            return Poll::Pending;
        }
        wakers.drain(..).for_each(Waker::wake);
        Poll::Ready(())
    })
    .await;
}

async fn call(mut channel: Channel, path: &str) -> Result<Bytes, Status> {
    let body = Body::new(Full::<Bytes>::default().map_err(|never| match never {}));
    read(channel.call(Request::post(path).body(body).unwrap()).await?).await
}

/// Ends all calls, and waits until no connection is left.
async fn end(channel: Channel, made: Made) {
    drop(channel);
    loop {
        let Some((_, server)) = made.lock().unwrap().pop() else { return };
        _ = server.await.unwrap();
    }
}

#[test]
fn calls_wait_for_one_connection_and_get_more() {
    model(|| async {
        let (channel, made) = Servers::channel(1, usize::MAX);
        let calls = ["/later", "/now", "/later", "/now"].map(|path| spawn(call(channel.clone(), path)));
        for call in calls {
            assert_eq!(call.await.unwrap().unwrap(), "hello");
        }
        end(channel, made).await;
    });
}

/// A server answers no call before it has all of them, so each call needs a connection of its own.
#[test]
fn a_channel_grows_as_far_as_its_calls_need() {
    model(|| async {
        let (channel, made) = Servers::channel(1, usize::MAX);
        let calls = [(); TOGETHER].map(|()| spawn(call(channel.clone(), "/together")));
        for call in calls {
            assert_eq!(call.await.unwrap().unwrap(), "hello");
        }
        end(channel, made).await;
    });
}

/// This includes calls that were opening the connection, and calls that wait for a stream.
#[test]
fn calls_that_are_given_up_hold_up_nobody() {
    model(|| async {
        let (channel, made) = Servers::channel(1, 2);
        let given_up = [1, 2, 4, 8].map(|polls| spawn(give_up_after(polls, call(channel.clone(), "/later"))));
        let calls = ["/now", "/later"].map(|path| spawn(call(channel.clone(), path)));
        for call in calls {
            assert_eq!(call.await.unwrap().unwrap(), "hello");
        }
        join_all(given_up).await;
        end(channel, made).await;
    });
}

/// No call waits for an additional connection that cannot be opened.
#[test]
fn calls_share_a_connection_when_there_is_no_other() {
    model(|| async {
        let (channel, made) = Servers::channel(1, 1);
        let calls = ["/later", "/now", "/later"].map(|path| spawn(call(channel.clone(), path)));
        for call in calls {
            assert_eq!(call.await.unwrap().unwrap(), "hello");
        }
        end(channel, made).await;
    });
}

/// Calls that the old server has not processed are retried on the new one.
#[test]
fn a_server_that_goes_away_loses_no_call() {
    model(|| async {
        let (channel, made) = Servers::channel(100, usize::MAX);
        let calls = ["/now", "/later", "/now"].map(|path| spawn(call(channel.clone(), path)));
        let restart = spawn({
            let made = Arc::clone(&made);
            async move {
                yield_now().await;
                if let Some((handle, _)) = made.lock().unwrap().first() {
                    handle.graceful_shutdown();
                }
            }
        });
        for call in calls {
            assert_eq!(call.await.unwrap().unwrap(), "hello");
        }
        restart.await.unwrap();
        end(channel, made).await;
    });
}
