//! The number of concurrent calls (`Options::max_concurrent_streams`).

use grpc_ipc_http2::Options;

use super::scene::{post, server, streams};
use crate::util::frame::{code, data, rst_stream};

const LIMIT: u32 = 10;

#[test]
fn one_more_is_refused_and_the_others_go_on() {
    server(Options::new().max_concurrent_streams(LIMIT), async |mut scene| {
        let requests: Vec<_> = streams(LIMIT + 1).map(|id| post(id, "/echo")).collect();
        scene.peer.send_all(&requests).await;
        let refused = 2 * LIMIT + 1;
        loop {
            let frame = scene.peer.next().await.unwrap();
            if frame.stream == refused {
                assert_eq!(frame.u32(0), code::REFUSED_STREAM);
                break;
            }
        }
        assert_eq!(scene.service.started(), LIMIT as usize);
        scene.other.still_serves().await;
        scene.peer.send(data(1, "all").end_stream()).await;
        scene.peer.expect_on(1).await;
        // There is room for one again.
        scene.peer.still_serves().await;
    });
}

/// As many as allowed, repeatedly.
#[test]
fn the_limit_is_of_those_at_a_time() {
    server(Options::new().max_concurrent_streams(LIMIT), async |mut scene| {
        let ids: Vec<_> = streams(100 * LIMIT).collect();
        for ids in ids.chunks(LIMIT as usize) {
            let requests: Vec<_> = ids.iter().map(|id| post(*id, "/hello").end_stream()).collect();
            scene.peer.send_all(&requests).await;
            let mut ended = 0;
            while ended < ids.len() {
                let frame = scene.peer.expect("no error", |_| true).await;
                ended += usize::from(frame.has(crate::util::frame::flag::END_STREAM) && frame.stream != 0);
            }
        }
        scene.goes_on().await;
    });
}

/// Also when streams are reset and replaced, because handlers may take time to end.
#[test]
fn handlers_are_bounded_when_streams_are_reset_and_opened_again() {
    let options = Options::new().max_concurrent_streams(LIMIT).max_resets(u32::MAX, 0);
    for poll_in_place in [true, false] {
        for at_once in [1, LIMIT as usize, 1000] {
            server(options.clone().poll_in_place(poll_in_place), async |mut scene| {
                let ids: Vec<_> = streams(3000).collect();
                for ids in ids.chunks(at_once) {
                    let requests = ids.iter().map(|id| post(*id, "/unread"));
                    let resets = ids.iter().map(|id| rst_stream(*id, code::CANCEL));
                    scene.peer.send_all(&requests.collect::<Vec<_>>()).await;
                    scene.peer.send_all(&resets.collect::<Vec<_>>()).await;
                }
                scene.other.still_serves().await;
                let most = scene.service.most_alive();
                assert!(most <= 2 * LIMIT as usize + 1, "{most} handlers at a time");
                assert_eq!(scene.service.alive(), 0);
                assert!(scene.peak.octets() < super::scene::BASE, "{} octets", scene.peak.octets());
            });
        }
    }
}
