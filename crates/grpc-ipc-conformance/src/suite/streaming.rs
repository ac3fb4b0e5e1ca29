use std::future::poll_fn;
use std::io::IoSlice;
use std::pin::Pin;
use std::task::Poll;

use grpc_ipc_core::Connection;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};

use super::{listen, noise, pair, read_all, send};
use crate::Transport;

/// > Bytes are read in the order in which they were written, without loss.
pub async fn bytes_arrive_in_order(transport: impl Transport) {
    let mut listener = listen(&transport).await;
    let (client, server) = pair(&transport, &mut listener).await;
    let (client_read, client_write) = tokio::io::split(client);
    let (server_read, server_write) = tokio::io::split(server);
    let (up, down) = (noise(3_000_000, 1), noise(5_000_000, 2));
    // All four directions at once. The two writers use different sizes and calls.
    tokio::join!(
        write_in_pieces(client_write, &up, 7_001, false),
        write_in_pieces(server_write, &down, 300_007, true),
        assert_reads(server_read, &up),
        assert_reads(client_read, &down),
    );
}

async fn write_in_pieces(mut stream: impl AsyncWrite + Unpin, bytes: &[u8], size: usize, vectored: bool) {
    for piece in bytes.chunks(size) {
        let mut sent = 0;
        while sent < piece.len() {
            let (head, tail) = piece[sent..].split_at((piece.len() - sent) / 2);
            sent += match vectored {
                true => stream.write_vectored(&[IoSlice::new(head), IoSlice::new(tail)]).await,
                false => stream.write(&piece[sent..]).await,
            }
            .expect("write to a peer that reads");
        }
    }
    stream.flush().await.expect("flush to a peer that reads");
}

async fn assert_reads(mut stream: impl AsyncRead + Unpin, expected: &[u8]) {
    let mut received = vec![0; expected.len()];
    stream.read_exact(&mut received).await.expect("as many bytes as were written");
    let first_wrong = received.iter().zip(expected).position(|(a, b)| a != b);
    assert_eq!(first_wrong, None, "the first byte that differs");
}

/// > The peer reads everything written before `shutdown`, and then the end of the stream.
pub async fn the_end_comes_after_the_bytes(transport: impl Transport) {
    let mut listener = listen(&transport).await;
    let bytes = noise(1_000_000, 3);
    let (mut client, mut server) = pair(&transport, &mut listener).await;
    let write = async {
        client.write_all(&bytes).await.expect("write to a peer that reads");
        client.shutdown().await.expect("shut down an open connection");
    };
    let ((), received) = tokio::join!(write, read_all(&mut server));
    assert!(received == bytes, "{} of {} bytes", received.len(), bytes.len());
}

/// > A read that is pending at `shutdown` continues until the other end closes, unless `shutdown` has closed both directions.
pub async fn a_pending_read_ends_after_shutdown(transport: impl Transport) {
    let mut listener = listen(&transport).await;
    let (client, server) = pair(&transport, &mut listener).await;
    assert_pending_read_ends(client, server).await;
    let (client, server) = pair(&transport, &mut listener).await;
    assert_pending_read_ends(server, client).await;
    let (client, server) = pair(&transport, &mut listener).await;
    assert_copying_ends(client, server).await;
    let (client, server) = pair(&transport, &mut listener).await;
    assert_copying_ends(server, client).await;
}

async fn assert_pending_read_ends(near: impl Connection, mut far: impl Connection) {
    let (mut near_read, mut near_write) = tokio::io::split(near);
    let (pending, is_pending) = tokio::sync::oneshot::channel();
    let mut pending = Some(pending);
    let reading = tokio::spawn(async move {
        let mut byte = [0];
        let mut read = std::pin::pin!(near_read.read(&mut byte));
        // Polled again only when it is woken.
        poll_fn(|cx| {
            let polled = read.as_mut().poll(cx);
            if let Some(pending) = pending.take() {
                assert!(polled.is_pending(), "nothing was sent: {polled:?}");
                _ = pending.send(());
            }
            polled
        })
        .await
    });
    is_pending.await.expect("a read that is pending");
    near_write.shutdown().await.expect("shut down an open connection");
    assert_eq!(read_all(&mut far).await, b"");
    drop(far);
    // The end, or an error with the same meaning.
    assert_eq!(reading.await.expect("no panic").unwrap_or(0), 0);
}

/// As in a proxy, whose client sends a request and closes.
async fn assert_copying_ends(mut near: impl Connection, mut far: impl Connection) {
    let (mut client, mut proxy) = tokio::io::duplex(1024);
    let copying = tokio::spawn(async move { tokio::io::copy_bidirectional(&mut near, &mut proxy).await });
    send(&mut client, b"request").await;
    client.shutdown().await.expect("shut down an open connection");
    assert_eq!(read_all(&mut far).await, b"request");
    drop(far);
    // With or without an error: the other end has sent no answer.
    _ = copying.await.expect("no panic");
}

/// > The peer reads everything written before the connection is dropped, and then the end of the stream.
pub async fn a_dropped_connection_loses_nothing(transport: impl Transport) {
    let mut listener = listen(&transport).await;
    let bytes = noise(4_000, 4);
    for _ in 0..50 {
        let (mut client, mut server) = pair(&transport, &mut listener).await;
        client.write_all(&bytes).await.expect("write to an open connection");
        drop(client);
        let received = read_all(&mut server).await;
        assert!(received == bytes, "from the client: {} of {} bytes", received.len(), bytes.len());

        let (mut client, mut server) = pair(&transport, &mut listener).await;
        server.write_all(&bytes).await.expect("write to an open connection");
        drop(server);
        let received = read_all(&mut client).await;
        assert!(received == bytes, "from the server: {} of {} bytes", received.len(), bytes.len());
    }
}

/// > A write to a peer that does not read stays pending once a bounded amount is on its way.
pub async fn a_writer_waits_for_its_reader(transport: impl Transport) {
    const BOUND: usize = 64 << 20;
    let mut listener = listen(&transport).await;
    let (mut client, mut server) = pair(&transport, &mut listener).await;
    let piece = noise(64 * 1024, 5);
    // Awaited, because a write may be pending until the runtime has seen the new connection.
    let mut written = client.write(&piece).await.expect("write to an open connection");
    // Unconstrained, because the runtime's own budget would make a write pending too.
    tokio::task::unconstrained(poll_fn(|cx| {
        loop {
            match Pin::new(&mut client).poll_write(cx, &piece) {
                Poll::Ready(n) => written += n.expect("write to an open connection"),
                Poll::Pending => return Poll::Ready(()),
            }
            assert!(written < BOUND, "{written} bytes were taken for a peer that reads none");
        }
    }))
    .await;
    assert!(written > 0);
    let mut received = vec![0; written];
    let (read, more) = tokio::join!(server.read_exact(&mut received), client.write(&piece));
    read.expect("what was written");
    assert!(more.expect("write once the peer reads") > 0);
}
