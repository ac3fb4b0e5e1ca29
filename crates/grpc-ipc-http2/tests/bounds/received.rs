//! Bodies that come and are not read (`Options::initial_stream_window`, `initial_connection_window`).

use grpc_ipc_http2::Options;

use super::scene::{BASE, Scene, post, server, streams};
use crate::util::frame::{Frame, code, data, rst_stream};

/// The window of the connection, in octets.
const WINDOW: usize = 512 << 10;
/// The window of a stream, in octets.
const STREAM: usize = WINDOW / 4;

fn options() -> Options {
    Options::new().initial_connection_window(WINDOW as u32).initial_stream_window(STREAM as u32)
}

/// Fills the window of the connection with frames like these, which nobody reads. They may say something besides.
async fn fill(scene: &mut Scene, length: usize, besides: &[Frame]) {
    for id in streams(4) {
        scene.peer.send(post(id, "/unread")).await;
        let piece = [&[data(id, vec![0; length])], besides].concat();
        // Not all at once: the measure would count what is to be sent.
        let at_once = (4096 / length).max(1);
        for _ in 0..STREAM / length / at_once {
            scene.peer.send_all(&vec![&piece[..]; at_once].concat()).await;
            tokio::task::yield_now().await;
        }
        scene.other.still_serves().await;
    }
    assert_eq!(scene.peer.window(0), 0);
}

#[test]
fn not_one_octet_more_than_the_window_is_accepted() {
    server(options(), async |mut scene| {
        fill(&mut scene, 16_384, &[]).await;
        scene.goes_on().await;
        assert!(scene.peak.octets() <= BASE + 2 * WINDOW, "{} octets", scene.peak.octets());
        let id = 101;
        scene.peer.send_all(&[post(id, "/unread"), data(id, "x")]).await;
        scene.ends_with(code::FLOW_CONTROL_ERROR).await;
    });
}

#[test]
fn not_one_octet_more_than_the_window_of_a_stream_is_accepted() {
    server(options(), async |mut scene| {
        scene.peer.send(post(1, "/unread")).await;
        scene.peer.send_all(&vec![data(1, vec![0; 16_384]); STREAM / 16_384]).await;
        scene.goes_on().await;
        scene.peer.send(data(1, "x")).await;
        scene.peer.expect_reset(1, code::FLOW_CONTROL_ERROR).await;
        scene.goes_on().await;
    });
}

/// Padding is no way around it.
#[test]
fn padding_counts() {
    server(options(), async |mut scene| {
        scene.peer.send(post(1, "/unread")).await;
        let frame = data(1, vec![0; 16_384 - 256]).padded(255);
        scene.peer.send_all(&vec![frame.clone(); STREAM / 16_384]).await;
        assert!(scene.peer.window(1) >= 0);
        scene.peer.send(frame).await;
        scene.peer.expect_reset(1, code::FLOW_CONTROL_ERROR).await;
        scene.goes_on().await;
    });
}

/// What a body takes does not depend on how it was cut.
#[test]
fn frames_of_one_octet() {
    server(options(), async |mut scene| {
        fill(&mut scene, 1, &[]).await;
        scene.goes_on().await;
        assert!(scene.peak.octets() <= BASE + 3 * WINDOW, "{} octets", scene.peak.octets());
    });
}

#[test]
fn frames_of_a_few_octets() {
    server(options(), async |mut scene| {
        fill(&mut scene, 128, &[]).await;
        scene.goes_on().await;
        assert!(scene.peak.octets() <= BASE + 3 * WINDOW, "{} octets", scene.peak.octets());
    });
}

/// A piece of a buffer keeps no more than itself, whatever came with it.
#[test]
fn small_pieces_of_large_buffers() {
    for length in [1024, 4096, 16_384] {
        server(options(), async |mut scene| {
            let besides = Frame::new(0xfa, 0, 0, vec![0; 60_000]);
            fill(&mut scene, length, &[besides]).await;
            scene.goes_on().await;
            let octets = scene.peak.octets();
            assert!(octets <= 8 * BASE + 8 * WINDOW, "pieces of {length}: {octets} octets");
        });
    }
}

/// A frame that comes by the octet is not as many pieces.
#[test]
fn a_frame_that_comes_by_the_octet() {
    server(options(), async |mut scene| {
        scene.peer.send(post(1, "/unread")).await;
        for octet in data(1, vec![0; 65_536]).encode() {
            scene.peer.send_octets(&[octet]).await;
            tokio::task::yield_now().await;
        }
        scene.other.still_serves().await;
        assert!(scene.peak.octets() <= BASE + (256 << 10), "{} octets", scene.peak.octets());
    });
}

/// What came for a stream that is over is gone, and so is the room for it.
#[test]
fn nothing_is_left_of_streams_that_were_reset() {
    for (length, count) in [(1, 3), (1024, 50)] {
        server(options(), async |mut scene| {
            for id in streams(count) {
                scene.peer.send(post(id, "/unread")).await;
                let batch = vec![data(id, vec![0; length]); 64];
                for _ in 0..STREAM / length / batch.len() {
                    scene.peer.wait_for_window(0, batch.len() * length).await;
                    scene.peer.send_all(&batch).await;
                }
                scene.other.still_serves().await;
                scene.peer.send(rst_stream(id, code::CANCEL)).await;
            }
            scene.goes_on().await;
            assert!(scene.peak.left() <= BASE, "{} octets are left", scene.peak.left());
        });
    }
}

/// A body that is dropped counts as read, also what comes of it later.
#[test]
fn a_dropped_body_gives_its_window_back() {
    server(options(), async |mut scene| {
        for id in streams(10) {
            scene.peer.send(post(id, "/drop")).await;
            for _ in 0..2 * WINDOW / 16_384 {
                scene.peer.send_within_windows(data(id, vec![0; 16_384])).await;
            }
        }
        scene.goes_on().await;
        assert_eq!(scene.service.alive(), 10);
        assert!(scene.peak.octets() <= BASE, "{} octets", scene.peak.octets());
    });
}

/// So does that of a stream that is reset.
#[test]
fn a_reset_stream_gives_its_window_back() {
    server(options(), async |mut scene| {
        for id in streams(40) {
            scene.peer.send(post(id, "/unread")).await;
            for _ in 0..STREAM / 16_384 {
                scene.peer.send_within_windows(data(id, vec![0; 16_384])).await;
            }
            scene.peer.send(rst_stream(id, code::CANCEL)).await;
        }
        scene.goes_on().await;
        assert!(scene.peak.octets() <= BASE + 2 * WINDOW, "{} octets", scene.peak.octets());
    });
}

/// A handler has a small body that is complete in its hands, and not in the window; there are as many as handlers.
#[test]
fn small_bodies_are_bounded_by_the_streams() {
    server(options().max_concurrent_streams(200), async |mut scene| {
        for id in streams(200) {
            scene.peer.send_all(&[post(id, "/unread"), data(id, vec![0; 16_384]).end_stream()]).await;
            scene.other.still_serves().await;
        }
        scene.peer.still_answers().await;
        assert_eq!(scene.service.alive(), 200);
        let octets = scene.peak.octets();
        assert!(octets <= BASE + 2 * (WINDOW + 200 * 16_384), "{octets} octets");
    });
}

/// A body that is read is not bounded.
#[test]
fn a_body_that_is_read_may_be_of_any_length() {
    server(options(), async |mut scene| {
        scene.peer.send(post(1, "/hello")).await;
        for _ in 0..16 * WINDOW / 32_768 {
            scene.peer.send_within_windows(data(1, vec![0; 32_768])).await;
        }
        scene.other.still_serves().await;
    });
}
