//! Peers that do not take what they requested (`Options::max_output`, keepalive): CVE-2019-9517.

use std::time::Duration;

use grpc_ipc_http2::{Error, Options};
use tokio::io::AsyncWriteExt as _;
use tokio::time::timeout;

use super::scene::{BASE, Scene, post, server, server_with, streams};
use crate::util::frame::{Frame, code, data, kind, rst_stream, setting, window_update};

/// How much of a body is taken in advance, in octets, and the size of its pieces here.
const AHEAD: usize = 64 << 10;
const PIECE: usize = 16 << 10;
const MAX_OUTPUT: usize = 256 << 10;
/// Calls with an answer of 1 MiB each.
const CALLS: u32 = 100;

/// Sends octets as long as the server reads them, and returns whether all were sent. The clock advances when it does
/// not.
async fn send_unless_stuck(scene: &mut Scene, octets: &[u8]) -> bool {
    let sent = timeout(Duration::from_secs(5), scene.peer.io.write_all(octets)).await;
    matches!(sent, Ok(Ok(())))
}

async fn call(scene: &mut Scene) {
    let calls: Vec<_> = streams(CALLS).map(|id| post(id, "/pieces/64/16384").end_stream()).collect();
    scene.peer.send_all(&calls).await;
    scene.other.still_serves().await;
    assert_eq!(scene.service.started(), CALLS as usize + 1);
}

fn check(scene: &Scene, in_frames: usize) {
    let taken = scene.service.taken();
    let most = CALLS as usize * (AHEAD + PIECE) + in_frames;
    assert!(taken <= most, "{taken} octets of bodies are taken, of {most}");
    assert!(scene.peak.octets() <= BASE + 2 * most, "{} octets", scene.peak.octets());
}

#[test]
fn a_window_that_is_never_opened() {
    server_with(Options::new(), &[(setting::INITIAL_WINDOW_SIZE, 0)], async |mut scene| {
        call(&mut scene).await;
        check(&scene, 0);
        scene.peer.still_answers().await;
        // Calls that need no window continue.
        scene.peer.send(post(1001, "/early").end_stream()).await;
        scene.peer.expect_response(1001).await;
        check(&scene, 0);
    });
}

/// The windows are open, but the bytes are not read.
#[test]
fn a_socket_that_is_never_read() {
    server_with(Options::new(), &[(setting::INITIAL_WINDOW_SIZE, 1 << 30)], async |mut scene| {
        scene.peer.send(window_update(0, 1 << 30)).await;
        call(&mut scene).await;
        // The pipe takes another 64 KiB, and a frame may begin below the limit.
        check(&scene, MAX_OUTPUT + 2 * (64 << 10));
        // The peer reads in the end.
        let mut left = CALLS as usize;
        while left > 0 {
            let frame = scene.peer.expect("DATA", |frame| frame.kind == kind::DATA).await;
            left -= usize::from(frame.has(crate::util::frame::flag::END_STREAM));
        }
        scene.goes_on().await;
    });
}

/// With keepalive, the connection ends, and all its memory is freed.
#[test]
fn keepalive_ends_a_stalled_connection() {
    for window in [0, 1 << 30] {
        let options = Options::new().keepalive(Duration::from_secs(30));
        server_with(options, &[(setting::INITIAL_WINDOW_SIZE, window)], async |mut scene| {
            scene.peer.send(window_update(0, 1 << 30)).await;
            call(&mut scene).await;
            let start = tokio::time::Instant::now();
            let error = (&mut scene.connection).await.unwrap().unwrap_err();
            assert!(matches!(error, Error::KeepAlive), "{error:?}");
            // In the worst case, data came just before the end of the first interval.
            assert!(start.elapsed() <= Duration::from_secs(30 + 30 + 20 + 1), "{:?}", start.elapsed());
            assert_eq!(scene.service.alive(), 0);
            assert!(scene.peak.left() <= BASE, "{} octets are left", scene.peak.left());
        });
    }
}

/// A failed connection does not wait for its peer to read the error.
#[test]
fn an_error_that_nobody_reads() {
    server_with(Options::new(), &[(setting::INITIAL_WINDOW_SIZE, 1 << 30)], async |mut scene| {
        scene.peer.send(window_update(0, 1 << 30)).await;
        call(&mut scene).await;
        scene.peer.send(data(0, "wrong")).await;
        (&mut scene.connection).await.unwrap().unwrap_err();
        assert!(scene.peak.left() <= BASE, "{} octets are left", scene.peak.left());
    });
}

/// Answers without a body need no window and keep no stream. The peer may request as many as it reads.
#[test]
fn answers_without_a_body_that_are_never_read() {
    server(Options::new(), async |mut scene| {
        let mut id = 1;
        let mut asked = 0;
        // 100 MB of answers, if nothing limits them.
        for _ in 0..10_000 {
            let ids = (id..).step_by(2).take(100);
            let calls: Vec<u8> = ids.flat_map(|id| post(id, "/early").end_stream().encode()).collect();
            id += 200;
            if !send_unless_stuck(&mut scene, &calls).await {
                break;
            }
            asked += 100;
        }
        scene.other.still_serves().await;
        let octets = scene.peak.octets();
        assert!(octets <= 3 * BASE, "{octets} octets after {asked} calls");
    });
}

/// The same for calls that are refused for their metadata.
#[test]
fn refusals_that_are_never_read() {
    server(Options::new().max_header_list_size(100), async |mut scene| {
        let mut id = 1;
        for _ in 0..2000 {
            let ids = (id..).step_by(2).take(100);
            let calls: Vec<u8> = ids.flat_map(|id| post(id, "/early").end_stream().encode()).collect();
            id += 200;
            if !send_unless_stuck(&mut scene, &calls).await {
                break;
            }
        }
        let octets = scene.peak.octets();
        assert!(octets <= 3 * BASE, "{octets} octets");
    });
}

/// Reading makes room again.
#[test]
fn a_peer_that_reads_late_gets_everything() {
    server(Options::new(), async |mut scene| {
        let mut asked = 0;
        let mut id = 1;
        loop {
            let ids = (id..).step_by(2).take(100);
            let calls: Vec<u8> = ids.flat_map(|id| post(id, "/early").end_stream().encode()).collect();
            id += 200;
            if asked == 20_000 || !send_unless_stuck(&mut scene, &calls).await {
                break;
            }
            asked += 100;
        }
        for _ in 0..asked {
            scene.peer.expect("HEADERS", |frame| frame.kind == kind::HEADERS).await;
        }
        scene.other.still_serves().await;
    });
}

/// Streams wait for their turn to send, and are reset before it comes.
#[test]
fn nothing_is_left_of_streams_that_waited_to_send() {
    let options = Options::new().max_resets(u32::MAX, 0);
    server_with(options, &[(setting::INITIAL_WINDOW_SIZE, 1 << 20)], async |mut scene| {
        // This one uses up the window of the connection.
        scene.peer.send(post(1, "/pieces/64/16384").end_stream()).await;
        let mut left = 65_535;
        while left > 0 {
            left -= scene.peer.expect("DATA", |frame| frame.kind == kind::DATA).await.payload.len();
        }
        let mut id = 3;
        let mut after_some = 0;
        for round in 0..600 {
            let ids: Vec<u32> = (id..).step_by(2).take(100).collect();
            id += 200;
            let calls: Vec<Frame> = ids.iter().map(|id| post(*id, "/pieces/1/10").end_stream()).collect();
            scene.peer.send_all(&calls).await;
            for _ in 0..2 {
                scene.peer.still_answers().await;
            }
            let resets: Vec<Frame> = ids.iter().map(|id| rst_stream(*id, code::CANCEL)).collect();
            scene.peer.send_all(&resets).await;
            scene.peer.still_answers().await;
            if round == 100 {
                after_some = scene.peak.left();
            }
        }
        let left = scene.peak.left();
        assert!(left < after_some + (64 << 10), "{after_some} octets after some, {left} after more");
        scene.other.still_serves().await;
    });
}

/// One octet of window for each octet of a body, and nobody reads the answers that this causes.
#[test]
fn windows_that_are_given_back_and_not_read() {
    let options = Options::new().initial_stream_window(1).max_control_frames(u32::MAX, 0);
    server(options, async |mut scene| {
        scene.peer.send(post(1, "/hello")).await;
        let octets = data(1, "x").encode().repeat(1000);
        for _ in 0..1000 {
            if !send_unless_stuck(&mut scene, &octets).await {
                break;
            }
        }
        assert!(scene.peak.octets() <= 2 * BASE, "{} octets", scene.peak.octets());
        scene.other.still_serves().await;
    });
}

/// Data that a peer sends after its connection has failed is discarded, and causes no answers.
#[test]
fn a_peer_that_goes_on_after_the_end() {
    server(Options::new(), async |mut scene| {
        scene.peer.send(post(1, "/pieces/64/16384").end_stream()).await;
        scene.other.still_serves().await;
        let started = scene.service.started();
        // DATA on stream 0 ends the connection. The peer reads neither the error nor the answers that it requested.
        let calls: Vec<u8> =
            streams(1000).flat_map(|id| post(id + 2, "/hello").end_stream().encode()).collect();
        scene.peer.send_octets(&[data(0, []).encode(), calls].concat()).await;
        let more = data(0, vec![0; 16_384]).encode();
        for _ in 0..1000 {
            send_unless_stuck(&mut scene, &more).await;
        }
        assert_eq!(scene.service.started(), started);
        assert!(scene.peak.octets() <= BASE, "{} octets", scene.peak.octets());
        scene.other.still_serves().await;
    });
}

/// The server waits a while for the peer to read, without doing anything else; otherwise the clock would stand still.
#[test]
fn a_peer_that_closes_and_does_not_read() {
    server_with(Options::new(), &[(setting::INITIAL_WINDOW_SIZE, 1 << 30)], async |mut scene| {
        scene.peer.send(window_update(0, 1 << 30)).await;
        call(&mut scene).await;
        scene.peer.close().await;
        let error = (&mut scene.connection).await.unwrap().unwrap_err();
        assert!(matches!(error, Error::Closed), "{error:?}");
        assert!(scene.peak.left() <= BASE, "{} octets are left", scene.peak.left());
    });
}
