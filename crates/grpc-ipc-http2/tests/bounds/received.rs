//! Received bodies that are not read (`Options::initial_stream_window`, `max_stream_window`, `max_unread`).

use grpc_ipc_http2::Options;

use super::scene::{BASE, Scene, post, server, streams};
use crate::util::frame::{Frame, code, data, rst_stream, window_update};

/// The window of a stream, in octets, and the number of streams.
const STREAM: usize = 128 << 10;
const STREAMS: u32 = 4;
const ALL: usize = STREAMS as usize * STREAM;

fn options() -> Options {
    Options::new().initial_stream_window(STREAM as u32)
}

/// Fills the windows of some streams with frames of this length, which are not read. `besides` is sent as well.
async fn fill(scene: &mut Scene, length: usize, besides: &[Frame]) {
    for id in streams(STREAMS) {
        scene.peer.send(post(id, "/unread")).await;
        let piece = [&[data(id, vec![0; length])], besides].concat();
        // Not all at once, because the measurement would include the data to send.
        let at_once = (4096 / length).max(1);
        for _ in 0..STREAM / length / at_once {
            scene.peer.send_all(&vec![&piece[..]; at_once].concat()).await;
            tokio::task::yield_now().await;
        }
        scene.other.still_serves().await;
        assert_eq!(scene.peer.window(id), 0);
    }
}

/// Sends as much of each body as the windows allow, and more when they are opened. Returns the total.
async fn fill_all(scene: &mut Scene, ids: &[u32], octet: u8) -> usize {
    let mut sent = 0;
    loop {
        let before = sent;
        for id in ids {
            while scene.peer.window(*id) > 0 {
                let length = scene.peer.window(*id).min(16_384) as usize;
                scene.peer.send_within_windows(data(*id, vec![octet; length])).await;
                sent += length;
                scene.other.still_serves().await;
            }
            scene.peer.still_answers().await;
        }
        if sent == before {
            return sent;
        }
    }
}

/// The windows of all streams together grow by at most `max_unread`.
#[test]
fn what_is_not_read_is_bounded_and_holds_up_nobody() {
    what_is_not_read_is_bounded(0);
}

/// Whatever length the messages announce.
#[test]
fn messages_that_are_announced_are_bounded_and_hold_up_nobody() {
    what_is_not_read_is_bounded(0xff);
}

fn what_is_not_read_is_bounded(octet: u8) {
    const INITIAL: usize = 16 << 10;
    const UNREAD: usize = 2 << 20;
    let options = Options::new().initial_stream_window(INITIAL as u32).max_stream_window(1 << 20);
    server(options.max_unread(UNREAD), async |mut scene| {
        let ids: Vec<_> = streams(100).collect();
        for id in &ids {
            scene.peer.send(post(*id, "/unread")).await;
        }
        let sent = fill_all(&mut scene, &ids, octet).await;
        assert!(sent <= UNREAD + ids.len() * INITIAL, "{sent} octets");
        assert!(sent >= UNREAD / 2 + ids.len() * INITIAL, "windows are opened: {sent} octets");
        scene.goes_on().await;
        assert!(scene.peak.octets() <= BASE + 2 * sent, "{} octets for {sent}", scene.peak.octets());
        // Abandoned streams make room for others.
        for id in &ids {
            scene.peer.send(rst_stream(*id, code::CANCEL)).await;
        }
        scene.goes_on().await;
        assert!(scene.peak.left() <= BASE, "{} octets are left", scene.peak.left());
        scene.peer.send(post(1001, "/unread")).await;
        let again = fill_all(&mut scene, &[1001], octet).await;
        assert!(again >= UNREAD / 4, "{again} octets");
    });
}

/// A body that is read as it comes needs no larger window. One that comes faster gets it, but only once.
#[test]
fn windows_are_opened_for_bodies_that_fill_them() {
    server(Options::new(), async |mut scene| {
        scene.peer.send(post(1, "/hello")).await;
        for _ in 0..1000 {
            scene.peer.send_within_windows(data(1, vec![0; 1000])).await;
            scene.peer.still_answers().await;
        }
        assert!(scene.peer.window(1) <= 129 << 10, "{}", scene.peer.window(1));
        scene.peer.send(post(3, "/unread")).await;
        scene.peer.send_all(&[data(3, vec![0; 33 << 10]), data(3, vec![0; 33 << 10])]).await;
        scene.peer.still_answers().await;
        assert_eq!(scene.peer.window(3), (4 << 20) - (2 << 10));
    });
}

/// The prefix of a gRPC message.
fn head(length: u32) -> Vec<u8> {
    [&[0], &length.to_be_bytes()[..]].concat()
}

/// A window is opened for a message as soon as its length is known, and no further.
#[test]
fn a_window_is_opened_for_the_message_that_comes() {
    server(Options::new(), async |mut scene| {
        for (id, length) in [(1, 200_000_u32), (3, 1 << 20), (5, 3 << 20)] {
            scene.peer.send_all(&[post(id, "/unread"), data(id, head(length))]).await;
            scene.peer.still_answers().await;
            let room = scene.peer.window(id) - i64::from(length);
            assert!((0..16 << 10).contains(&room), "{length} octets, and room for {room} more");
        }
        // The announced length is not trusted.
        scene.peer.send_all(&[post(7, "/unread"), data(7, head(u32::MAX))]).await;
        scene.peer.still_answers().await;
        assert_eq!(scene.peer.window(7), (4 << 20) + (64 << 10) - 5);
    });
}

/// A message that fits needs no WINDOW_UPDATE; the data after it does.
#[test]
fn a_message_that_fits_opens_no_window() {
    const PIECE: usize = 16_000;
    server(Options::new(), async |mut scene| {
        for id in [1, 3] {
            let before = scene.peer.window(id);
            scene.peer.send_all(&[post(id, "/wait"), data(id, head(8 * PIECE as u32))]).await;
            for _ in 0..7 {
                scene.peer.send(data(id, vec![0; PIECE])).await;
                scene.peer.still_answers().await;
            }
            assert_eq!(scene.peer.window(id), before - 5 - 7 * PIECE as i64);
            if id == 1 {
                scene.peer.send(data(id, vec![0; PIECE]).end_stream()).await;
                scene.peer.still_answers().await;
                assert_eq!(scene.peer.window(id), before - 5 - 8 * PIECE as i64);
            } else {
                for _ in 0..100 {
                    scene.peer.send_within_windows(data(id, vec![0; PIECE])).await;
                }
            }
        }
    });
}

/// Hundreds of uploads that no handler reads, and one call that is still answered.
#[test]
fn unread_uploads_do_not_stop_other_calls() {
    for count in [5, 100, 999] {
        server(Options::new(), async |mut scene| {
            let ids: Vec<_> = streams(count).collect();
            for id in &ids {
                scene.peer.send(post(*id, "/unread")).await;
            }
            scene.peer.still_answers().await;
            if count == 5 {
                fill_all(&mut scene, &ids, 0).await;
            }
            // Otherwise, the initial window of each.
            for id in ids.iter().filter(|_| count > 5) {
                for _ in 0..4 {
                    scene.peer.send_within_windows(data(*id, vec![0; 16_384])).await;
                }
            }
            scene.goes_on().await;
            // Ordinary traffic, more than the window of the connection.
            for id in (10_001..).step_by(2).take(200) {
                scene.peer.send(post(id, "/echo")).await;
                scene.peer.send(window_update(0, 3 * 16_384)).await;
                for _ in 0..3 {
                    scene.peer.send_within_windows(data(id, vec![0; 16_384])).await;
                }
                scene.peer.send(data(id, []).end_stream()).await;
                scene.peer.expect_response(id).await;
            }
            assert_eq!(scene.service.alive(), ids.len());
        });
    }
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

/// Padding does not evade the limit.
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

/// The memory of a body does not depend on how it was split.
#[test]
fn frames_of_one_octet() {
    server(options(), async |mut scene| {
        fill(&mut scene, 1, &[]).await;
        scene.goes_on().await;
        assert!(scene.peak.octets() <= BASE + 3 * ALL, "{} octets", scene.peak.octets());
    });
}

#[test]
fn frames_of_a_few_octets() {
    server(options(), async |mut scene| {
        fill(&mut scene, 128, &[]).await;
        scene.goes_on().await;
        assert!(scene.peak.octets() <= BASE + 3 * ALL, "{} octets", scene.peak.octets());
    });
}

/// RUSTSEC-2026-0258: small DATA frames take as much memory as their octets, even with as many frames as the windows
/// allow, and the memory is freed with the stream.
#[test]
fn floods_of_small_data() {
    for length in [1, 7, 100] {
        server(Options::new(), async |mut scene| {
            scene.peer.send(post(1, "/unread")).await;
            let mut sent = 0;
            while scene.peer.window(1) >= 1000 * length {
                scene.peer.send_all(&vec![data(1, vec![0; length as usize]); 1000]).await;
                sent += 1000 * length as usize;
                scene.peer.still_answers().await;
                // Enough to show the cost of each.
                if sent > 2 << 20 {
                    break;
                }
            }
            scene.goes_on().await;
            // Copied pieces are in a buffer that doubles as it grows.
            let octets = scene.peak.octets();
            assert!(octets <= BASE + 3 * sent, "{octets} octets for {sent}");
            scene.peer.send(rst_stream(1, code::CANCEL)).await;
            scene.goes_on().await;
            assert!(scene.peak.left() <= BASE, "{} octets are left", scene.peak.left());
        });
    }
}

/// A piece of a buffer keeps only itself, whatever came with it.
#[test]
fn small_pieces_of_large_buffers() {
    for length in [1024, 4096, 16_384] {
        server(options(), async |mut scene| {
            let besides = Frame::new(0xfa, 0, 0, vec![0; 60_000]);
            fill(&mut scene, length, &[besides]).await;
            scene.goes_on().await;
            let octets = scene.peak.octets();
            assert!(octets <= 8 * BASE + 8 * ALL, "pieces of {length}: {octets} octets");
        });
    }
}

/// A frame that comes octet by octet is not stored as many pieces.
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

/// Data for an ended stream is freed, and so is its share of the limit.
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

/// A dropped body counts as read, including data that comes later.
#[test]
fn a_dropped_body_gives_its_window_back() {
    server(options(), async |mut scene| {
        for id in streams(10) {
            scene.peer.send(post(id, "/drop")).await;
            for _ in 0..2 * ALL / 16_384 {
                scene.peer.send_within_windows(data(id, vec![0; 16_384])).await;
            }
        }
        scene.goes_on().await;
        assert_eq!(scene.service.alive(), 10);
        assert!(scene.peak.octets() <= BASE, "{} octets", scene.peak.octets());
    });
}

/// The same for a stream that is reset.
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
        assert!(scene.peak.octets() <= BASE + 2 * ALL, "{} octets", scene.peak.octets());
    });
}

/// Each handler holds a small complete body, which no longer counts against the window. There are as many as handlers.
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
        assert!(octets <= BASE + 2 * (ALL + 200 * 16_384), "{octets} octets");
    });
}

/// A body that is read has no limit.
#[test]
fn a_body_that_is_read_may_be_of_any_length() {
    server(options(), async |mut scene| {
        scene.peer.send(post(1, "/hello")).await;
        for _ in 0..16 * ALL / 32_768 {
            scene.peer.send_within_windows(data(1, vec![0; 32_768])).await;
        }
        scene.other.still_serves().await;
    });
}
