//! Behavior of gRPC implementations that looks like a flood but is not one. The bursts are small and do not refill, so
//! a peer is limited to what its messages allow.

use std::collections::BTreeMap;

use grpc_ipc_http2::Options;

use super::scene::{Scene, post, server, server_with, streams};
use crate::util::frame::{Frame, code, data, flag, kind, ping, rst_stream, setting, window_update};

fn options() -> Options {
    Options::new().max_control_frames(100, 0).max_resets(10, 0)
}

/// C-core measures the bandwidth with a PING after its data.
#[test]
fn a_ping_after_each_frame_of_a_long_upload() {
    server(options(), async |mut scene| {
        scene.peer.send(post(1, "/hello")).await;
        for _ in 0..2000 {
            scene.peer.send_within_windows(data(1, vec![0; 4096])).await;
            scene.peer.send(ping([1; 8])).await;
            scene.peer.expect("PING", |frame| frame.kind == kind::PING).await;
        }
        scene.peer.send(data(1, []).end_stream()).await;
        scene.peer.expect_response(1).await;
        scene.goes_on().await;
    });
}

/// Reads the answer to a call. After each DATA frame, it pings and opens the windows of these streams again.
async fn download(scene: &mut Scene, streams: &[u32], pings: usize) -> usize {
    let (mut frames, mut unanswered) = (0, 0);
    loop {
        let frame = scene.peer.expect("DATA", |frame| matches!(frame.kind, kind::DATA | kind::PING)).await;
        if frame.kind == kind::PING {
            unanswered -= 1;
            continue;
        }
        frames += 1;
        if frame.has(flag::END_STREAM) {
            break;
        }
        let length = frame.payload.len() as u32;
        let mut answers: Vec<_> = streams.iter().map(|id| window_update(*id, length)).collect();
        answers.extend(vec![ping([1; 8]); pings]);
        unanswered += pings;
        scene.peer.send_all(&answers).await;
    }
    for _ in 0..unanswered {
        scene.peer.expect("PING", |frame| frame.kind == kind::PING).await;
    }
    frames
}

/// C-core pings at most once for each frame that it reads, and every client opens windows.
#[test]
fn a_ping_and_window_updates_after_each_frame_of_a_long_download() {
    // Small pieces share a frame.
    for (pieces, size) in [(66_000, 1000), (4000, 16_384), (4000, 40_000)] {
        server(options(), async |mut scene| {
            scene.peer.send(post(1, &format!("/pieces/{pieces}/{size}")).end_stream()).await;
            let frames = download(&mut scene, &[0, 1], 1).await;
            assert!(frames >= 4000);
            scene.goes_on().await;
        });
    }
}

/// grpc-go and .NET acknowledge each small message that they read.
#[test]
fn a_window_update_after_each_tiny_message_of_a_long_download() {
    server(options(), async |mut scene| {
        scene.peer.send(post(1, "/pieces/100000/6").end_stream()).await;
        download(&mut scene, &[0, 1], 0).await;
        scene.goes_on().await;
    });
}

#[test]
fn a_hundred_thousand_tiny_messages_up() {
    server(options(), async |mut scene| {
        scene.peer.send(post(1, "/hello")).await;
        let messages = vec![data(1, [0]); 1000];
        for round in 0..100 {
            for window in [0, 1] {
                scene.peer.wait_for_window(window, messages.len()).await;
            }
            scene.peer.send_all(&messages).await;
            scene.peer.send_all(&[ping([round; 8]), window_update(0, 6)]).await;
            scene.peer.expect("PING", |frame| frame.kind == kind::PING).await;
        }
        scene.peer.send(data(1, []).end_stream()).await;
        assert_eq!(scene.peer.expect_response(1).await.body, b"hello");
        scene.goes_on().await;
    });
}

#[test]
fn a_hundred_thousand_tiny_messages_back_and_forth() {
    server(options(), async |mut scene| {
        scene.peer.send(post(1, "/echo")).await;
        for _ in 0..20_000 {
            scene.peer.send_within_windows(data(1, "tiny")).await;
            let frame = scene.peer.expect("DATA", |frame| frame.kind == kind::DATA).await;
            assert_eq!(frame.payload, b"tiny");
            scene.peer.send_all(&[window_update(0, 4), window_update(1, 4), ping([0; 8])]).await;
            scene.peer.expect("PING", |frame| frame.kind == kind::PING).await;
        }
        scene.goes_on().await;
    });
}

#[test]
fn ten_thousand_calls_with_a_ping_and_a_window_update_each() {
    server(options(), async |mut scene| {
        for id in streams(10_000) {
            let request = [post(id, "/echo"), data(id, "hello").end_stream()];
            scene.peer.send_all(&request).await;
            assert_eq!(scene.peer.expect_response(id).await.body, b"hello");
            scene.peer.send_all(&[window_update(0, 5), ping([0; 8])]).await;
            scene.peer.expect("PING", |frame| frame.kind == kind::PING).await;
        }
        scene.goes_on().await;
    });
}

/// Padding hides the length of a message, which still counts as a message.
#[test]
fn padded_messages() {
    server(options(), async |mut scene| {
        scene.peer.send(post(1, "/hello")).await;
        for _ in 0..5000 {
            scene.peer.send_within_windows(data(1, "x").padded(200)).await;
        }
        scene.goes_on().await;
    });
}

/// A window of a few octets is small but not an attack, as long as messages fit.
#[test]
fn windows_of_one_message() {
    server_with(options(), &[(setting::INITIAL_WINDOW_SIZE, 10)], async |mut scene| {
        scene.peer.send(post(1, "/pieces/5000/10").end_stream()).await;
        download(&mut scene, &[0, 1], 0).await;
        scene.goes_on().await;
    });
}

/// Windows smaller than a message: the peer asked for them.
#[test]
fn windows_of_less_than_a_message() {
    for window in [64, 100, 1000] {
        server_with(options(), &[(setting::INITIAL_WINDOW_SIZE, window)], async |mut scene| {
            scene.peer.send(post(1, "/pieces/20/10000").end_stream()).await;
            download(&mut scene, &[0, 1], 0).await;
            scene.goes_on().await;
        });
    }
}

/// A peer that reads more slowly than the server writes always has unread data, but no answer waits for long.
#[test]
fn pings_while_there_is_always_something_to_write() {
    let settings = [(setting::INITIAL_WINDOW_SIZE, (1 << 31) - 1)];
    server_with(Options::new(), &settings, async |mut scene| {
        scene.peer.send(window_update(0, 1 << 30)).await;
        scene.peer.send(post(1, "/pieces/20000/16384").end_stream()).await;
        let (mut read, mut answers) = (0, 0);
        while answers < 10_000 {
            let is_either = |frame: &Frame| matches!(frame.kind, kind::DATA | kind::PING);
            let frame = scene.peer.expect("DATA or PING", is_either).await;
            if frame.kind == kind::PING {
                answers += 1;
            } else if read < 10_000 {
                read += 1;
                scene.peer.send(ping([1; 8])).await;
            }
        }
        scene.other.still_serves().await;
    });
}

/// The server answers before the requests are complete. The client is not to blame for data that was on its way.
#[test]
fn early_answers_to_many_uploads() {
    server(options(), async |mut scene| {
        let ids: Vec<_> = streams(200).collect();
        let requests: Vec<_> = ids.iter().map(|id| post(*id, "/early")).collect();
        scene.peer.send_all(&requests).await;
        scene.other.still_serves().await;
        // The answers have not been read yet.
        for _ in 0..4 {
            let bodies: Vec<_> = ids.iter().map(|id| data(*id, vec![0; 100])).collect();
            scene.peer.send_all(&bodies).await;
        }
        let ends: Vec<_> = ids.iter().map(|id| data(*id, "end").end_stream()).collect();
        scene.peer.send_all(&ends).await;
        for _ in &ids {
            let reset = scene.peer.expect("RST_STREAM", |frame| frame.kind == kind::RST_STREAM).await;
            assert_eq!(reset.u32(0), code::NO_ERROR);
        }
        scene.goes_on().await;
    });
}

/// grpc-go resets a stream whose answer came before its request was complete.
#[test]
fn resets_after_early_answers() {
    server(options(), async |mut scene| {
        for id in streams(1000) {
            scene.peer.send(post(id, "/early")).await;
            scene.peer.expect("HEADERS", |frame| frame.kind == kind::HEADERS).await;
            scene.peer.send(rst_stream(id, code::NO_ERROR)).await;
        }
        scene.goes_on().await;
    });
}

/// As many calls as allowed at a time end, and as many begin.
#[test]
fn a_hundred_calls_at_a_time() {
    server(options().max_concurrent_streams(100), async |mut scene| {
        let ids: Vec<_> = streams(5000).collect();
        for ids in ids.chunks(100) {
            let requests: Vec<_> = ids.iter().map(|id| post(*id, "/hello")).collect();
            scene.peer.send_all(&requests).await;
            for id in ids {
                scene.peer.send(data(*id, "x").end_stream()).await;
            }
            for id in ids {
                // In the order of arrival, because nothing waits.
                scene.peer.expect_response(*id).await;
            }
        }
        scene.goes_on().await;
    });
}

/// Many large responses at once. Each is complete early, instead of all of them at the end.
#[test]
fn large_responses_come_one_after_the_other() {
    const SIZE: usize = 1 << 20;
    server_with(Options::new(), &[(setting::INITIAL_WINDOW_SIZE, 1 << 30)], async |mut scene| {
        scene.peer.send(window_update(0, 1 << 30)).await;
        let calls: Vec<_> = streams(8).map(|id| post(id, "/pieces/1/1048576").end_stream()).collect();
        scene.peer.send_all(&calls).await;
        let mut received = BTreeMap::<u32, usize>::new();
        while !received.values().any(|length| *length == SIZE) {
            let data = scene.peer.expect("DATA", |frame| frame.kind == kind::DATA).await;
            *received.entry(data.stream).or_default() += data.payload.len();
        }
        assert!(received.values().sum::<usize>() < 2 * SIZE, "{received:?}");
    });
}
