//! Streams that the peer resets or causes to be reset (`Options::max_resets`): CVE-2023-44487 and CVE-2025-8671.

use std::time::Duration;

use grpc_ipc_http2::Options;
use tokio::io::AsyncWriteExt as _;
use tokio::time::timeout;

use super::scene::{BASE, post, server, streams};
use crate::util::frame::{Frame, code, data, headers, headers_of, kind, ping, rst_stream, window_update};
use crate::util::hpack::literals;
use crate::util::raw::RawPeer;

const BURST: u32 = 20;

fn options() -> Options {
    Options::new().max_resets(BURST, 0).initial_stream_window(65_535)
}

/// Repeating streams like this one ends the connection, whether they come in one piece or in many.
#[track_caller]
fn is_an_attack(stream: impl Fn(u32) -> Vec<Frame>) {
    is_an_attack_on(options(), &stream);
}

#[track_caller]
fn is_an_attack_on(options: Options, stream: &dyn Fn(u32) -> Vec<Frame>) {
    for in_pieces in [false, true] {
        server(options.clone(), async |mut scene| {
            // As many as allowed.
            let mut ids = streams(10 * BURST);
            for id in ids.by_ref().take(BURST as usize) {
                scene.peer.send_all(&stream(id)).await;
            }
            still_answers(&mut scene.peer).await;
            scene.other.still_serves().await;
            let frames: Vec<Vec<Frame>> = ids.map(stream).collect();
            if in_pieces {
                for frame in frames.concat() {
                    scene.peer.send(frame).await;
                    scene.other.still_serves().await;
                }
            } else {
                scene.peer.send_all(&frames.concat()).await;
            }
            // The accepted streams, and those that test whether the connections still serve.
            let frames = frames.concat();
            let (service, asked) = (scene.service.clone(), frames.len() + 4);
            // The test itself holds the frames that it sends.
            scene.calms_down(8 * frames.iter().map(|frame| frame.payload.len()).sum::<usize>()).await;
            assert!(service.started() <= BURST as usize + asked, "{}", service.started());
            assert!(service.most_alive() <= BURST as usize + 2, "{}", service.most_alive());
        });
    }
}

/// Streams may have been reset, but the connection continues.
async fn still_answers(peer: &mut RawPeer) {
    peer.send(ping([0; 8])).await;
    loop {
        let frame = peer.next().await.expect("an answer");
        assert_ne!(frame.kind, kind::GOAWAY, "{frame:?}");
        if frame.kind == kind::PING {
            return;
        }
    }
}

/// The number of early resets that count as one broken rule.
const EARLY: u32 = 32;

/// A request and its reset, in one piece: its handler is never called.
fn reset_at_once(id: u32) -> [Frame; 2] {
    [post(id, "/unread"), rst_stream(id, code::CANCEL)]
}

#[test]
fn rapid_reset() {
    for end in [false, true] {
        server(options(), async |mut scene| {
            let attack = |id| {
                let [request, reset] = reset_at_once(id);
                [if end { request.end_stream() } else { request }, reset]
            };
            let mut ids = streams(BURST * EARLY + 1);
            for _ in 0..BURST {
                let frames: Vec<_> = ids.by_ref().take(EARLY as usize).flat_map(attack).collect();
                scene.peer.send_all(&frames).await;
                scene.other.still_serves().await;
            }
            still_answers(&mut scene.peer).await;
            scene.peer.send_all(&attack(ids.next().unwrap())).await;
            let service = scene.service.clone();
            scene.calms_down(0).await;
            assert!(service.started() <= BURST as usize + 10, "{} handlers", service.started());
        });
    }
}

#[test]
fn rapid_reset_with_the_defaults() {
    server(Options::new(), async |mut scene| {
        let mut ids = streams(1 << 20);
        while !scene.connection.is_finished() {
            let attack: Vec<_> = ids.by_ref().take(500).flat_map(reset_at_once).collect();
            scene.peer.send_all(&attack).await;
            scene.other.still_serves().await;
        }
        scene.calms_down(0).await;
    });
}

/// A cancelled call has cost as much as any call, so there is no limit. Its handler is dropped at once.
#[test]
fn calls_that_are_given_up_are_no_attack() {
    server(options().max_control_frames(BURST, 0), async |mut scene| {
        for id in streams(10 * BURST * EARLY) {
            scene.peer.send(post(id, "/unread")).await;
            scene.peer.still_answers().await;
            scene.peer.send(rst_stream(id, code::CANCEL)).await;
        }
        scene.goes_on().await;
        assert_eq!(scene.service.alive(), 0);
        assert!(scene.service.most_alive() <= 3, "{}", scene.service.most_alive());
        assert!(scene.peak.octets() <= BASE, "{} octets", scene.peak.octets());
    });
}

/// A thousand at once are fine: a client has cancelled everything.
#[test]
fn as_many_as_the_default_burst() {
    server(Options::new(), async |mut scene| {
        let requests: Vec<_> = streams(1000).map(|id| post(id, "/unread")).collect();
        scene.peer.send_all(&requests).await;
        scene.other.still_serves().await;
        assert_eq!(scene.service.most_alive(), 1001);
        let resets: Vec<_> = streams(1000).map(|id| rst_stream(id, code::CANCEL)).collect();
        scene.peer.send_all(&resets).await;
        scene.goes_on().await;
        assert_eq!(scene.service.alive(), 0);
    });
}

/// Time is not charged to the peer for a stream that had ended before it was reset.
#[test]
fn resets_of_answered_calls_are_not_counted() {
    server(options().max_control_frames(BURST, 0), async |mut scene| {
        for id in streams(50 * BURST) {
            scene.peer.send(post(id, "/hello").end_stream()).await;
            scene.peer.expect_response(id).await;
            scene.peer.send(rst_stream(id, code::CANCEL)).await;
        }
        scene.goes_on().await;
    });
}

#[test]
fn window_update_of_0() {
    is_an_attack(|id| vec![post(id, "/unread"), window_update(id, 0)]);
}

#[test]
fn overflow_of_a_stream_window() {
    is_an_attack(|id| vec![post(id, "/unread"), window_update(id, (1 << 31) - 1)]);
}

#[test]
fn data_after_the_end() {
    is_an_attack(|id| vec![post(id, "/unread").end_stream(), data(id, "x")]);
}

#[test]
fn headers_after_the_end() {
    is_an_attack(|id| vec![post(id, "/unread").end_stream(), post(id, "/unread").end_stream()]);
}

#[test]
fn data_beyond_the_stream_window() {
    is_an_attack(|id| vec![post(id, "/unread"), data(id, vec![0; 65_536])]);
}

fn with(id: u32, more: &[(&str, &str)]) -> Frame {
    let mut block = post(id, "/unread").payload;
    block.extend(literals(more));
    headers_of(id, block)
}

#[test]
fn another_length_than_announced() {
    is_an_attack(|id| vec![with(id, &[("content-length", "3")]), data(id, "four")]);
    is_an_attack(|id| vec![with(id, &[("content-length", "3")]), data(id, "no").end_stream()]);
    is_an_attack(|id| vec![with(id, &[("content-length", "3")]).end_stream()]);
}

#[test]
fn malformed_headers() {
    is_an_attack(|id| vec![headers(id, &[(":method", "GET")])]);
    is_an_attack(|id| vec![with(id, &[("connection", "close")])]);
    is_an_attack(|id| vec![with(id, &[("Upper", "case")])]);
    is_an_attack(|id| vec![with(id, &[("content-length", "many")])]);
    is_an_attack(|id| vec![with(id, &[(":path", "/late")])]);
}

/// CVE-2019-9516.
#[test]
fn headers_without_name_and_value() {
    is_an_attack(|id| vec![with(id, &[("", ""); 1000])]);
}

#[test]
fn malformed_trailers() {
    is_an_attack(|id| vec![post(id, "/unread"), headers(id, &[("not", "the end")])]);
    is_an_attack(|id| vec![post(id, "/unread"), headers(id, &[(":path", "/")]).end_stream()]);
    is_an_attack(|id| {
        let fields = literals(&vec![("x", "y"); 1000]);
        vec![post(id, "/unread"), headers_of(id, fields).end_stream()]
    });
}

/// A burst of calls beyond the limit is refused call by call, and is not an attack. The client may also cancel calls
/// before it learns that they were refused.
#[test]
fn refused_streams() {
    server(options().max_concurrent_streams(1), async |mut scene| {
        scene.peer.send(post(1, "/unread")).await;
        let mut id = 3;
        for _ in 0..100 {
            let ids: Vec<_> = (id..).step_by(2).take(200).collect();
            id += 400;
            scene.peer.send_all(&ids.iter().map(|id| post(*id, "/unread")).collect::<Vec<_>>()).await;
            let late = ids.iter().map(|id| rst_stream(*id, code::CANCEL)).collect::<Vec<_>>();
            scene.peer.send_all(&late).await;
            for _ in &ids {
                let is_reset = |frame: &Frame| frame.kind == kind::RST_STREAM;
                loop {
                    let frame = scene.peer.next().await.unwrap();
                    assert_ne!(frame.kind, kind::GOAWAY, "{frame:?}");
                    if is_reset(&frame) {
                        assert_eq!(frame.u32(0), code::REFUSED_STREAM);
                        break;
                    }
                }
            }
        }
        still_answers(&mut scene.peer).await;
        scene.other.still_serves().await;
        assert_eq!(scene.service.most_alive(), 2);
    });
}

/// The server stops reading from a client that does not read its refusals.
#[test]
fn refusals_that_are_not_read() {
    server(options().max_concurrent_streams(1), async |mut scene| {
        let mut asked = 0;
        let mut ids = streams(100_000);
        while asked < 100_000 {
            let octets: Vec<u8> =
                ids.by_ref().take(1000).flat_map(|id| post(id, "/unread").encode()).collect();
            let sent = timeout(Duration::from_secs(5), scene.peer.io.write_all(&octets)).await;
            if !matches!(sent, Ok(Ok(()))) {
                break;
            }
            asked += 1000;
            scene.other.still_serves().await;
        }
        assert!(asked < 100_000, "{asked} refusals are written for nobody");
        assert!(scene.peak.octets() <= 3 * BASE, "{} octets", scene.peak.octets());
        // When the client reads, the server continues.
        for _ in 1..asked {
            let frame = scene.peer.next().await.unwrap();
            assert_eq!((frame.kind, frame.u32(0)), (kind::RST_STREAM, code::REFUSED_STREAM));
        }
        scene.other.still_serves().await;
    });
}

/// All kinds together share one limit.
#[test]
fn all_ways_together() {
    is_an_attack(|id| match id % 6 {
        1 => reset_at_once(id).into(),
        3 => vec![post(id, "/unread"), window_update(id, 0)],
        _ => vec![with(id, &[("te", "gzip")])],
    });
}
