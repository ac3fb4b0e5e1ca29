//! Streams that are reset, by the peer or because of it (`Options::max_resets`): CVE-2023-44487 and CVE-2025-8671.

use grpc_ipc_http2::Options;

use super::scene::{post, server, streams};
use crate::util::frame::{Frame, code, data, headers, headers_of, kind, ping, rst_stream, window_update};
use crate::util::hpack::literals;
use crate::util::raw::RawPeer;

const BURST: u32 = 20;

fn options() -> Options {
    Options::new().max_resets(BURST, 0).initial_stream_window(65_535)
}

/// Streams like this one, again and again, end the connection, whether they come in one piece or in many.
#[track_caller]
fn is_an_attack(stream: impl Fn(u32) -> Vec<Frame>) {
    is_an_attack_on(options(), &stream);
}

#[track_caller]
fn is_an_attack_on(options: Options, stream: &dyn Fn(u32) -> Vec<Frame>) {
    for in_pieces in [false, true] {
        server(options.clone(), async |mut scene| {
            // As many as are allowed.
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
            // Those that were let in, and what asked whether the connections still serve.
            let frames = frames.concat();
            let (service, asked) = (scene.service.clone(), frames.len() + 4);
            // The test holds what it sends.
            scene.calms_down(8 * frames.iter().map(|frame| frame.payload.len()).sum::<usize>()).await;
            assert!(service.started() <= BURST as usize + asked, "{}", service.started());
            assert!(service.most_alive() <= BURST as usize + 2, "{}", service.most_alive());
        });
    }
}

/// Streams may have been reset, but the connection goes on.
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

#[test]
fn rapid_reset() {
    is_an_attack(|id| vec![post(id, "/unread"), rst_stream(id, code::CANCEL)]);
    is_an_attack(|id| vec![post(id, "/unread").end_stream(), rst_stream(id, code::NO_ERROR)]);
}

#[test]
fn rapid_reset_with_the_defaults() {
    server(Options::new(), async |mut scene| {
        for batch in streams(5000).collect::<Vec<_>>().chunks(100) {
            let frames = batch.iter().flat_map(|id| [post(*id, "/unread"), rst_stream(*id, code::CANCEL)]);
            scene.peer.send_all(&frames.collect::<Vec<_>>()).await;
            scene.other.still_serves().await;
        }
        scene.calms_down(0).await;
    });
}

/// A thousand at once are fine: somebody has given up all that was under way.
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

/// No time of the peer's is lost to a stream that was over before it was reset.
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
        let fields = vec![("x", "y"); 1000];
        vec![post(id, "/unread"), headers(id, &fields).end_stream()]
    });
}

#[test]
fn refused_streams() {
    let none = options().max_concurrent_streams(1);
    for in_pieces in [false, true] {
        server(none.clone(), async |mut scene| {
            let mut frames: Vec<_> = streams(BURST + 1).map(|id| post(id, "/unread")).collect();
            scene.peer.send_all(&frames).await;
            let is_reset = |frame: &Frame| frame.kind == kind::RST_STREAM;
            for _ in 0..BURST {
                let frame = loop {
                    let frame = scene.peer.next().await.unwrap();
                    if is_reset(&frame) {
                        break frame;
                    }
                };
                assert_eq!(frame.u32(0), code::REFUSED_STREAM);
            }
            frames = (BURST + 1..3 * BURST).map(|index| post(2 * index + 1, "/unread")).collect();
            match in_pieces {
                false => scene.peer.send_all(&frames).await,
                true => {
                    for frame in frames {
                        scene.peer.send(frame).await;
                        scene.other.still_serves().await;
                    }
                }
            }
            let service = scene.service.clone();
            scene.calms_down(0).await;
            assert!(service.most_alive() <= 2, "{}", service.most_alive());
        });
    }
}

/// All ways at once have one bound.
#[test]
fn all_ways_together() {
    is_an_attack(|id| match id % 6 {
        1 => vec![post(id, "/unread"), rst_stream(id, code::CANCEL)],
        3 => vec![post(id, "/unread"), window_update(id, 0)],
        _ => vec![with(id, &[("te", "gzip")])],
    });
}
