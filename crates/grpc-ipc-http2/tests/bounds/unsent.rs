//! Responses that a client requested and does not take (`Options::max_unsent`, `max_unsent_together`).

use std::time::Duration;

use grpc_ipc_http2::{Options, server::Connection};
use tokio::io::duplex;
use tokio::time::sleep;

use super::scene::{BASE, Scene, connect, post, run, server, server_with, streams};
use super::service::CountingService;
use crate::util::frame::{Frame, code, flag, kind, rst_stream, setting, window_update};
use crate::util::raw::RawPeer;

const MAX: usize = 4 << 20;
const PIECE: usize = 1 << 20;
const CALLS: u32 = 300;
/// No stream has a window.
const SHUT: [(u16, u32); 1] = [(setting::INITIAL_WINDOW_SIZE, 0)];

fn options() -> Options {
    Options::new().max_unsent(MAX)
}

async fn call(peer: &mut RawPeer, path: &str, calls: u32) {
    let calls: Vec<_> = streams(calls).map(|id| post(id, path).end_stream()).collect();
    peer.send_all(&calls).await;
    peer.still_answers().await;
}

/// Collects calls that end with gRPC's RESOURCE_EXHAUSTED, until there are `count`.
async fn expect_refused(peer: &mut RawPeer, count: usize) {
    for _ in 0..count {
        let refused = peer.expect("a refusal", |frame| {
            frame.kind == kind::HEADERS && frame.fields.iter().any(|(name, _)| name == "grpc-status")
        });
        let refused = refused.await;
        assert!(refused.has(flag::END_STREAM));
        assert!(refused.fields.contains(&("grpc-status".into(), "8".into())), "{refused:?}");
    }
}

fn check(scene: &Scene) {
    let octets = scene.peak.octets();
    assert!(octets <= BASE + MAX + 3 * PIECE, "{octets} octets");
}

/// A client that takes nothing. The server keeps data up to its limit, then calls no more handlers, and finally refuses
/// calls.
#[test]
fn a_client_that_takes_nothing() {
    server_with(options(), &SHUT, async |mut scene| {
        call(&mut scene.peer, "/pieces/1/1048576", CALLS).await;
        scene.other.still_serves().await;
        check(&scene);
        let kept = MAX / PIECE + 1;
        assert_eq!(scene.service.started(), kept + 1);
        expect_refused(&mut scene.peer, CALLS as usize - kept).await;
        // The next one is refused at once.
        scene.peer.send(post(1001, "/early").end_stream()).await;
        expect_refused(&mut scene.peer, 1).await;
        scene.other.still_serves().await;
        check(&scene);
        assert_eq!(scene.service.started(), kept + 2);
        // The client takes one response in the end, which makes room for more.
        scene.peer.send_all(&[window_update(0, 1 << 30), window_update(1, 2 << 20)]).await;
        let is_end = |frame: &Frame| frame.kind == kind::DATA && frame.has(flag::END_STREAM);
        assert_eq!(scene.peer.expect("the end of a body", is_end).await.stream, 1);
        scene.peer.send(post(2001, "/early").end_stream()).await;
        scene.peer.expect_response(2001).await;
        assert_eq!(scene.service.started(), kept + 3);
    });
}

/// The same for handlers that have all been called by then: their bodies are not begun.
#[test]
fn bodies_that_come_later() {
    server_with(options(), &SHUT, async |mut scene| {
        call(&mut scene.peer, "/later/1/1048576", CALLS).await;
        sleep(Duration::from_secs(2)).await;
        scene.other.still_serves().await;
        assert_eq!(scene.service.started(), CALLS as usize + 1);
        check(&scene);
        expect_refused(&mut scene.peer, CALLS as usize - MAX / PIECE - 1).await;
        check(&scene);
        scene.other.still_serves().await;
    });
}

/// Bodies that have begun: each is taken only as far as it can be sent.
#[test]
fn bodies_that_go_on() {
    server_with(options().max_control_frames(u32::MAX, 0), &SHUT, async |mut scene| {
        call(&mut scene.peer, "/pieces/100/30000", 1000).await;
        scene.other.still_serves().await;
        check(&scene);
        // A small window for each makes no difference.
        let ids: Vec<_> = streams(1000).collect();
        scene.peer.send(window_update(0, 1 << 30)).await;
        for _ in 0..10 {
            scene.peer.send_all(&ids.iter().map(|id| window_update(*id, 30_000)).collect::<Vec<_>>()).await;
            scene.other.still_serves().await;
        }
        scene.peer.expect("DATA", |frame| frame.kind == kind::DATA).await;
        let octets = scene.peak.octets();
        assert!(octets <= 2 * BASE + 3 * MAX, "{octets} octets");
    });
}

/// All but the last octet of each body, which keeps its whole memory allocated.
#[test]
fn bodies_of_which_little_is_left() {
    server_with(options(), &[(setting::INITIAL_WINDOW_SIZE, PIECE as u32 - 1)], async |mut scene| {
        scene.peer.send(window_update(0, 1 << 30)).await;
        let calls: Vec<_> = streams(50).map(|id| post(id, "/pieces/1/1048576").end_stream()).collect();
        scene.peer.send_all(&calls).await;
        let kept = MAX / PIECE + 1;
        let mut left = kept * (PIECE - 1);
        while left > 0 {
            left -= scene.peer.expect("DATA", |frame| frame.kind == kind::DATA).await.payload.len();
        }
        sleep(Duration::from_secs(6)).await;
        expect_refused(&mut scene.peer, 50 - kept).await;
        let octets = scene.peak.octets();
        assert!(octets <= 2 * BASE + MAX + 5 * PIECE, "{octets} octets");
    });
}

/// Abandoned calls make room for waiting ones.
#[test]
fn calls_that_are_given_up_make_room() {
    server_with(options(), &SHUT, async |mut scene| {
        call(&mut scene.peer, "/pieces/1/1048576", 20).await;
        let started = scene.service.started();
        assert!(started < 20);
        let resets: Vec<_> = streams(20).take(started).map(|id| rst_stream(id, code::CANCEL)).collect();
        scene.peer.send_all(&resets).await;
        scene.peer.still_answers().await;
        assert!(scene.service.started() > started + 2);
        check(&scene);
    });
}

/// A client that reads gets everything, however much it is and whatever its windows. It only has to wait.
#[test]
fn a_client_that_reads() {
    for window in [65_535, 1 << 30] {
        server_with(options(), &[(setting::INITIAL_WINDOW_SIZE, window)], async |mut scene| {
            scene.peer.send(window_update(0, (1 << 31) - 1 - 65_535)).await;
            let paths = ["/pieces/1/1048576", "/later/1/1048576", "/pieces/40/30000"];
            for (begin, path) in (0..).step_by(1000).zip(paths) {
                let ids: Vec<_> = streams(100).map(|id| id + begin).collect();
                let calls: Vec<_> = ids.iter().map(|id| post(*id, path).end_stream()).collect();
                scene.peer.send_all(&calls).await;
                let mut left = ids.len();
                while left > 0 {
                    let frame = scene.peer.expect("DATA", |frame| frame.kind == kind::DATA).await;
                    if frame.has(flag::END_STREAM) {
                        left -= 1;
                    } else if window == 65_535 {
                        scene.peer.send(window_update(frame.stream, frame.payload.len() as u32)).await;
                    }
                }
            }
            scene.goes_on().await;
            // Bodies in progress may be as large again as those that are kept, plus the frames that end messages.
            let octets = scene.peak.octets();
            assert!(octets <= 2 * BASE + 2 * MAX + 16 * PIECE, "{octets} octets");
        });
    }
}

/// Many connections take nothing. Their total is limited, and another connection is not affected.
#[test]
fn clients_that_take_nothing_together() {
    let options = Options::new().max_unsent(16 << 20).max_unsent_together(16 << 20);
    server(options.clone(), async |mut scene| {
        let mut peers = Vec::new();
        for _ in 0..8 {
            let (mut peer, _) = connect(&scene.service, &options);
            peer.greet_server(&SHUT).await;
            call(&mut peer, "/pieces/1/1048576", 50).await;
            peers.push(peer);
        }
        // Each of them alone could keep all of it.
        let octets = scene.peak.octets();
        assert!(octets <= BASE + (16 << 20) + 8 * 3 * PIECE, "{octets} octets");
        for id in (1..).step_by(2).take(20) {
            scene
                .other
                .send_all(&[window_update(0, 1 << 20), post(1000 + id, "/pieces/1/900000").end_stream()])
                .await;
            scene.other.send(window_update(1000 + id, 1 << 20)).await;
            scene.other.expect_response(1000 + id).await;
        }
        // It is freed with the connections.
        drop(peers);
        scene.other.still_serves().await;
        call(&mut scene.peer, "/pieces/1/60000", 10).await;
        scene.other.still_serves().await;
        assert!(scene.peak.left() <= 2 * BASE, "{} octets are left", scene.peak.left());
    });
}

/// However a connection with waiting requests ends, none of them counts as a running handler.
#[test]
fn requests_that_wait_when_the_connection_ends() {
    let second = Duration::from_secs(1);
    let ends = [
        options().max_connection_age(second).max_connection_age_grace(second),
        options().keepalive(second).keepalive_timeout(second),
        // Closed, or no longer run.
        options(),
        options(),
    ];
    for (way, options) in ends.into_iter().enumerate() {
        run(async || {
            let (ours, theirs) = duplex(64 << 10);
            let connection = Connection::new(theirs, CountingService::default(), options);
            let handle = connection.handle();
            let connection = tokio::spawn(connection);
            let mut peer = RawPeer::new(ours);
            peer.greet_server(&SHUT).await;
            call(&mut peer, "/pieces/1/1048576", CALLS).await;
            match way {
                2 => handle.close(),
                3 => connection.abort(),
                _ => {}
            }
            _ = connection.await;
            handle.finished().await;
            assert_eq!(handle.running(), 0);
        });
    }
}
