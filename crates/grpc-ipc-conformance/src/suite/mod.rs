//! The tests. Each takes its own fixture, and quotes the sentence that it checks.
#![expect(clippy::missing_panics_doc, reason = "a test panics if a guarantee is broken")]

mod connecting;
mod listening;
mod streaming;

pub use connecting::*;
pub use listening::*;
pub use streaming::*;

use std::time::Duration;

use grpc_ipc_core::{AccessPolicy, Connector, Listener};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::time::Instant;

use crate::Transport;

type Server<T> = <<T as Transport>::Listener as Listener>::Connection;
type Client<T> = <<T as Transport>::Connector as Connector>::Connection;

/// Longer than anything here takes, and shorter than the watchdog.
fn soon() -> Instant {
    Instant::now() + Duration::from_secs(30)
}

async fn listen<T: Transport>(transport: &T) -> T::Listener {
    transport.listen(AccessPolicy::default()).await.expect("listen on an address that nothing else uses")
}

async fn connect<T: Transport>(transport: &T) -> Client<T> {
    transport.connector(AccessPolicy::default()).connect(soon()).await.expect("connect to a listener")
}

async fn pair<T: Transport>(transport: &T, listener: &mut T::Listener) -> (Client<T>, Server<T>) {
    tokio::join!(connect(transport), listener.accept())
}

/// Checks that bytes go both ways.
async fn assert_talk(
    a: &mut (impl AsyncRead + AsyncWrite + Unpin),
    b: &mut (impl AsyncRead + AsyncWrite + Unpin),
) {
    let mut byte = [0];
    send(a, b"?").await;
    b.read_exact(&mut byte).await.expect("read from an open connection");
    send(b, b"!").await;
    a.read_exact(&mut byte).await.expect("read from an open connection");
    assert_eq!(&byte, b"!");
}

/// Writes and flushes, so that the other end can read the bytes even if this end does nothing more.
async fn send(stream: &mut (impl AsyncWrite + Unpin), bytes: &[u8]) {
    stream.write_all(bytes).await.expect("write to an open connection");
    stream.flush().await.expect("flush to an open connection");
}

/// Reads everything up to the end. A closed connection may also be reported as an error after the bytes.
async fn read_all(stream: &mut (impl AsyncRead + Unpin)) -> Vec<u8> {
    let mut bytes = Vec::new();
    while let Ok(1..) = stream.read_buf(&mut bytes).await {}
    bytes
}

/// Bytes without a pattern, the same each time.
fn noise(length: usize, seed: u32) -> Vec<u8> {
    let mut state = seed | 1;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 17;
        state ^= state << 5;
        state.to_le_bytes()[0]
    };
    (0..length).map(|_| next()).collect()
}
