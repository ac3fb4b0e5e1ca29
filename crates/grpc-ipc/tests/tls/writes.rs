//! How often a call uses the transport, and what happens to data that the transport does not take.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Wake};

use grpc_ipc::memory::{MemoryConnector, MemoryListener, MemoryStream, Network};
use grpc_ipc::tls::TlsStream;
use grpc_ipc::{AccessPolicy, Address, Channel, ConnectError, Connection, Connector, Listener, Peer, Server};
use grpc_ipc_conformance::{LIMIT, Watchdog, run};
use grpc_ipc_http2::{Error, Options, Side, client};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, ReadBuf};
use tokio::time::Instant;

use crate::certificates::Authority;
use crate::util::{DRAIN, MyGreeter, Running, greet};

/// Counts the writes of both ends.
#[derive(Clone)]
struct Writes {
    count: Arc<AtomicUsize>,
    /// The number of writes allowed. Later ones fail.
    limit: Arc<AtomicUsize>,
}

impl Default for Writes {
    fn default() -> Self {
        Self { count: Arc::default(), limit: Arc::new(AtomicUsize::new(usize::MAX)) }
    }
}

struct Counted<T>(T, Writes);

type Stream = Counted<MemoryStream>;

impl Stream {
    fn counted(
        &mut self,
        write: impl FnOnce(Pin<&mut MemoryStream>) -> Poll<io::Result<usize>>,
    ) -> Poll<io::Result<usize>> {
        if self.1.count.load(Ordering::Relaxed) >= self.1.limit.load(Ordering::Relaxed) {
            return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
        }
        let written = write(Pin::new(&mut self.0));
        if matches!(written, Poll::Ready(Ok(1..))) {
            self.1.count.fetch_add(1, Ordering::Relaxed);
        }
        written
    }
}

impl Connection for Stream {
    fn peer(&self) -> &Peer {
        self.0.peer()
    }
}

impl AsyncRead for Stream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_read(cx, buf)
    }
}

impl AsyncWrite for Stream {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        self.counted(|stream| stream.poll_write(cx, buf))
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.counted(|stream| stream.poll_write_vectored(cx, bufs))
    }

    fn is_write_vectored(&self) -> bool {
        self.0.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(cx)
    }
}

impl Listener for Counted<MemoryListener> {
    type Connection = Stream;

    async fn accept(&mut self) -> Stream {
        Counted(self.0.accept().await, self.1.clone())
    }

    fn local_address(&self) -> &Address {
        self.0.local_address()
    }
}

impl Connector for Counted<MemoryConnector> {
    type Connection = Stream;

    async fn connect(&self, deadline: Instant) -> Result<Stream, ConnectError> {
        Ok(Counted(self.0.connect(deadline).await?, self.1.clone()))
    }

    fn address(&self) -> &Address {
        self.0.address()
    }
}

/// On one thread, where turns do not overlap. The number is the same as without TLS.
#[test]
fn a_unary_call_is_one_write_at_each_end() {
    const CALLS: usize = 20;
    let _watchdog = Watchdog::start("a_unary_call_is_one_write_at_each_end", LIMIT);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let authority = Authority::new();
        let (network, writes) = (Network::new(), Writes::default());
        let listener = network.listen("writes", AccessPolicy::default()).unwrap();
        let listener = authority.server().listener(Counted(listener, writes.clone()));
        let server = Server::builder().add_service(MyGreeter::default().service()).listener(listener);
        let _running = Running::start(server.bind().await.unwrap(), DRAIN);
        let connector = Counted(network.connector("writes", AccessPolicy::default()), writes.clone());
        let channel = Channel::from_connector(authority.client().connector(connector));
        // The connection, and its first messages.
        for _ in 0..5 {
            greet(channel.clone(), "first").await.unwrap();
        }
        writes.count.store(0, Ordering::Relaxed);
        for _ in 0..CALLS {
            greet(channel.clone(), "world").await.unwrap();
        }
        assert_eq!(writes.count.load(Ordering::Relaxed), 2 * CALLS);
    });
}

/// Two ends of a connection with TLS, and the counter of their writes.
async fn pair() -> (TlsStream<Stream>, TlsStream<Stream>, Writes) {
    let authority = Authority::new();
    let (network, writes) = (Network::new(), Writes::default());
    let listener = network.listen("writes", AccessPolicy::default()).unwrap();
    let mut listener = authority.server().listener(Counted(listener, writes.clone()));
    let connector = Counted(network.connector("writes", AccessPolicy::default()), writes.clone());
    let connector = authority.client().connector(connector);
    let (client, server) = tokio::join!(connector.connect(Instant::now() + LIMIT), listener.accept());
    (client.unwrap(), server, writes)
}

fn allow(writes: &Writes, more: usize) {
    writes.limit.store(writes.count.load(Ordering::Relaxed) + more, Ordering::Relaxed);
}

/// A part may have been sent, so the caller must not send it again.
#[test]
fn what_was_taken_is_told_also_when_the_rest_fails() {
    run("what_was_taken_is_told_also_when_the_rest_fails", || async {
        let (mut client, mut server, writes) = pair().await;
        allow(&writes, 1);
        let taken = client.write(&[7; 1 << 20]).await.expect("what was taken");
        assert!(taken > 0);
        client.write(b"more").await.unwrap_err();
        let mut received = Vec::new();
        let reads = async { while let Ok(1..) = server.read_buf(&mut received).await {} };
        tokio::join!(reads, async { drop(client) });
        assert!(!received.is_empty(), "a part has gone");
        assert!(received.len() <= taken, "{} were sent of {taken}", received.len());
    });
}

#[test]
fn a_reader_is_not_woken_over_and_over_because_nothing_can_be_written() {
    run("a_reader_is_not_woken_over_and_over_because_nothing_can_be_written", || async {
        let (mut client, _server, writes) = pair().await;
        allow(&writes, 0);
        assert_eq!(client.write(b"lost").await.unwrap(), 4);
        let wakes = Arc::new(Wakes::default());
        let waker = Arc::clone(&wakes).into();
        for _ in 0..10 {
            let mut buf = [0];
            let read = Pin::new(&mut client)
                .poll_read(&mut Context::from_waker(&waker), &mut ReadBuf::new(&mut buf));
            assert!(read.is_pending());
        }
        assert_eq!(wakes.0.load(Ordering::Relaxed), 0);
    });
}

#[derive(Default)]
struct Wakes(AtomicUsize);

impl Wake for Wakes {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

/// The peer's last data is read, although nothing can be written to it.
#[test]
fn goaway_is_read_after_writing_has_failed() {
    run("goaway_is_read_after_writing_has_failed", || async {
        let (client, mut server, writes) = pair().await;
        let settings = [0, 0, 0, 4, 0, 0, 0, 0, 0];
        let goaway = [0, 0, 8, 7, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
        server.write_all(&[&settings[..], &goaway].concat()).await.unwrap();
        server.flush().await.unwrap();
        allow(&writes, 0);
        let (calls, connection) = client::handshake(client, &Options::new());
        let call = calls.send(http::Request::new(http_body_util::Full::<bytes::Bytes>::default()));
        let connection = tokio::spawn(connection);
        drop(server);
        let error = call.await.unwrap_err();
        assert!(error.is_unprocessed(), "{error:?}");
        let failure = calls.failure().unwrap();
        assert!(matches!(failure, Error::GoAway { by: Side::Peer, .. }), "{failure:?}");
        drop(calls);
        _ = connection.await.unwrap();
    });
}
