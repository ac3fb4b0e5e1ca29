//! The memory of an idle connection.

use grpc_ipc_http2::{Options, server};
use tokio::io::duplex;

use super::scene::{post, run, streams};
use super::service::CountingService;
use super::sys::Peak;
use crate::util::frame::{data, window_update};
use crate::util::raw::RawPeer;

const CONNECTIONS: usize = 50;
/// The memory of the test itself for each connection: an in-memory stream and its other end.
const TEST: usize = 5 << 10;

/// The number of octets that each of many connections keeps after the same calls.
async fn kept_after(calls: impl AsyncFn(&mut RawPeer)) -> usize {
    let service = CountingService::default();
    // Allocates the thread's own caches.
    let mut peers = Vec::with_capacity(CONNECTIONS + 1);
    let mut peak = Peak::start();
    for connection in 0..=CONNECTIONS {
        let (ours, theirs) = duplex(2048);
        tokio::spawn(server::Connection::new(theirs, service.clone(), Options::new()));
        let mut peer = RawPeer::new(ours);
        peer.greet_server(&[]).await;
        calls(&mut peer).await;
        peers.push(peer);
        if connection == 0 {
            peak = Peak::start();
        }
    }
    tokio::task::yield_now().await;
    peak.left() / CONNECTIONS
}

#[test]
fn an_idle_connection_is_small() {
    run(async || {
        let kept = kept_after(async |peer| peer.still_answers().await).await;
        assert!(kept <= 8_000, "{kept} octets");
    });
}

#[test]
fn an_idle_connection_keeps_no_buffer() {
    run(async || {
        let kept = kept_after(async |peer| {
            peer.send_all(&[window_update(0, 1 << 20), post(1, "/echo"), window_update(1, 1 << 20)]).await;
            peer.send_all(&[data(1, vec![0; 20_000]), data(1, vec![0; 20_000]).end_stream()]).await;
            assert_eq!(peer.expect_response(1).await.body.len(), 40_000);
            peer.still_answers().await;
        });
        let kept = kept.await;
        assert!(kept <= TEST + 10_000, "{kept} octets");
    });
}

#[test]
fn an_idle_connection_keeps_nothing_of_a_thousand_calls() {
    run(async || {
        let kept = kept_after(async |peer| {
            let calls: Vec<_> = streams(900).map(|id| post(id, "/hello").end_stream()).collect();
            for call in calls {
                peer.send(call).await;
            }
            for id in streams(900) {
                peer.expect_response(id).await;
            }
            peer.still_answers().await;
        });
        let kept = kept.await;
        assert!(kept <= TEST + 64_000, "{kept} octets");
    });
}
