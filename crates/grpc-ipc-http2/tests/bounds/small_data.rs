//! Small DATA frames (RUSTSEC-2026-0258, where a queue had an entry for each empty frame): the cost of a flood of them.
//! Many calls with small messages are not a flood.

use grpc_ipc_http2::Options;

use super::scene::{BASE, Scene, post, server, streams};
use crate::util::frame::{Frame, data, flag, kind, window_update};

/// The number of unread streams.
const UNREAD: u32 = 100;

async fn unread(scene: &mut Scene) -> Vec<u32> {
    let ids: Vec<u32> = streams(UNREAD).collect();
    for id in &ids {
        scene.peer.send(post(*id, "/unread")).await;
    }
    ids
}

#[test]
fn empty_frames_on_many_unread_streams_are_a_flood() {
    server(Options::new(), async |mut scene| {
        let empty: Vec<_> = unread(&mut scene).await.iter().map(|id| data(*id, [])).collect();
        scene.repeat(&empty, 10_000).await;
        scene.calms_down(0).await;
    });
}

/// One octet allows some empty frames. They take no memory, and the windows limit the octets.
#[test]
fn empty_frames_among_small_ones_cost_nothing() {
    const OCTETS: usize = 128 << 10;
    server(Options::new(), async |mut scene| {
        let mut ids = unread(&mut scene).await.into_iter().cycle();
        for _ in 0..OCTETS / 64 {
            let id = ids.next().unwrap();
            let frames: Vec<_> = (0..64).flat_map(|_| [data(id, "x"), data(id, []), data(id, [])]).collect();
            scene.peer.send_all(&frames).await;
        }
        scene.goes_on().await;
        assert!(scene.peak.octets() <= BASE + 3 * OCTETS, "{} octets", scene.peak.octets());
    });
}

/// Hundreds of concurrent calls, each with hundreds of messages of a few octets in either direction. The budgets do not
/// refill.
#[test]
fn many_calls_of_small_messages_are_served() {
    const MESSAGES: usize = 300;
    server(Options::new().max_control_frames(100, 0), async |mut scene| {
        let ids: Vec<u32> = streams(200).collect();
        for id in &ids {
            scene.peer.send(post(*id, "/echo")).await;
        }
        let round: Vec<Frame> = ids.iter().map(|id| data(*id, "six by")).collect();
        let mut octets = 0;
        for _ in 0..MESSAGES {
            scene.peer.send_all(&round).await;
            while octets < round.len() * 6 {
                octets += scene.peer.expect("DATA", |frame| frame.kind == kind::DATA).await.payload.len();
            }
            scene.peer.send(window_update(0, octets as u32)).await;
            octets -= round.len() * 6;
        }
        let ends: Vec<Frame> = ids.iter().map(|id| data(*id, []).end_stream()).collect();
        scene.peer.send_all(&ends).await;
        for _ in &ids {
            scene.peer.expect("END_STREAM", |frame| frame.has(flag::END_STREAM)).await;
        }
        scene.goes_on().await;
    });
}
