//! How often a call touches the transport.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};

use grpc_ipc::memory::{MemoryConnector, MemoryListener, MemoryStream, Network};
use grpc_ipc::{AccessPolicy, Address, Channel, ConnectError, Connection, Connector, Listener, Peer, Server};
use grpc_ipc_conformance::{LIMIT, Watchdog};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::Instant;

use crate::certificates::Authority;
use crate::util::{DRAIN, MyGreeter, Running, greet};

/// Counts the writes of both ends.
#[derive(Clone, Default)]
struct Writes(Arc<AtomicUsize>);

struct Counted<T>(T, Writes);

type Stream = Counted<MemoryStream>;

impl Stream {
    fn count(&self, written: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        if matches!(written, Poll::Ready(Ok(1..))) {
            self.1.0.fetch_add(1, Ordering::Relaxed);
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
        let written = Pin::new(&mut self.0).poll_write(cx, buf);
        self.count(written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.0).poll_write_vectored(cx, bufs);
        self.count(written)
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

/// On one thread, where turns do not overlap; the same with TLS as without.
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
        // The connection, and what is said at its beginning.
        for _ in 0..5 {
            greet(channel.clone(), "first").await.unwrap();
        }
        writes.0.store(0, Ordering::Relaxed);
        for _ in 0..CALLS {
            greet(channel.clone(), "world").await.unwrap();
        }
        assert_eq!(writes.0.load(Ordering::Relaxed), 2 * CALLS);
    });
}
