//! Frames that move no message forward (`Options::max_control_frames`): CVE-2019-9511 to 9518 and similar attacks.

use grpc_ipc_http2::Options;

use super::scene::{BASE, Scene, post, run, server, server_with};
use crate::util::engine::code_of;
use crate::util::frame::{
    Frame, code, data, flag, goaway, headers, headers_of, kind, ping, priority, rst_stream, setting,
    settings, settings_ack, window_update,
};

const BURST: u32 = 50;
/// The number of frames in a flood.
const FLOOD: usize = 2000;

/// A low limit that does not refill, so that no test depends on time.
fn options() -> Options {
    Options::new().max_control_frames(BURST, 0)
}

/// Repeating these frames ends the connection. Stream 1 is open, stream 3 has ended.
#[track_caller]
fn is_a_flood(frames: &[Frame]) {
    server(options(), async |mut scene| {
        scene.peer.send_all(&[post(1, "/wait"), post(3, "/hello").end_stream()]).await;
        scene.peer.expect_response(3).await;
        scene.repeat(frames, FLOOD).await;
        scene.calms_down(0).await;
    });
}

#[test]
fn pings_as_many_as_the_burst_are_answered() {
    server(options(), async |mut scene| {
        scene.repeat(&[ping([0; 8])], FLOOD).await;
        let mut answers = 0;
        while let Some(frame) = scene.peer.next().await {
            match frame.kind {
                kind::PING => answers += 1,
                _ => assert_eq!((frame.kind, frame.u32(4)), (kind::GOAWAY, code::ENHANCE_YOUR_CALM)),
            }
        }
        // Its SETTINGS and its acknowledgement of ours count, too.
        assert!((BURST - 2..=BURST).contains(&answers), "{answers}");
        scene.other.still_serves().await;
    });
}

#[test]
fn ping_flood() {
    is_a_flood(&[ping([0; 8])]);
}

#[test]
fn flood_of_answers_to_no_ping() {
    is_a_flood(&[ping([0; 8]).with(flag::ACK)]);
}

#[test]
fn settings_flood() {
    is_a_flood(&[settings(&[])]);
    is_a_flood(&[
        settings(&[(setting::HEADER_TABLE_SIZE, 0), (setting::HEADER_TABLE_SIZE, 4096)]),
        settings(&[(setting::INITIAL_WINDOW_SIZE, 0)]),
        settings(&[(setting::INITIAL_WINDOW_SIZE, 65_535)]),
    ]);
}

#[test]
fn settings_of_a_whole_frame() {
    is_a_flood(&[settings(&[(setting::HEADER_TABLE_SIZE, 100); 10_000])]);
}

#[test]
fn flood_of_answers_to_no_settings() {
    is_a_flood(&[settings_ack()]);
}

/// CVE-2019-9513.
#[test]
fn resource_loop() {
    is_a_flood(&[priority(1, 0, 1), priority(1, 3, 255)]);
    let frames: Vec<Frame> = (0..1000).map(|index| priority(2 * index + 5, 2 * index + 3, 7)).collect();
    is_a_flood(&frames);
}

/// CVE-2019-9518.
#[test]
fn empty_frames() {
    is_a_flood(&[data(1, [])]);
    is_a_flood(&[data(1, []).padded(0)]);
    is_a_flood(&[data(1, []).padded(255)]);
}

/// A block that continues; it carries no message.
#[test]
fn empty_blocks_of_headers_are_no_requests() {
    server(Options::new().max_resets(BURST, 0), async |mut scene| {
        let frames: Vec<Frame> = (0..1000).map(|index| headers_of(2 * index + 1, [])).collect();
        scene.peer.send_all(&frames).await;
        assert_eq!(scene.service.started(), 0);
        scene.calms_down(0).await;
    });
}

#[test]
fn window_updates() {
    is_a_flood(&[window_update(0, 1)]);
    is_a_flood(&[window_update(1, 1)]);
    is_a_flood(&[window_update(3, 1)]);
}

#[test]
fn resets_of_streams_that_are_over() {
    is_a_flood(&[rst_stream(3, code::CANCEL)]);
}

#[test]
fn frames_of_unknown_types() {
    is_a_flood(&[Frame::new(0xfa, 0xff, 7, [])]);
    is_a_flood(&[Frame::new(0xfa, 0xff, 1, vec![0; 50_000])]);
}

#[test]
fn goaways() {
    is_a_flood(&[goaway(0, code::NO_ERROR)]);
}

/// Frames for a stream that was reset are ignored, and allow no further frames.
#[test]
fn frames_on_a_reset_stream_do_not_pay_for_others() {
    server(options(), async |mut scene| {
        scene.peer.send_all(&[post(1, "/wait"), window_update(1, 0)]).await;
        scene.peer.expect("RST_STREAM", |frame| frame.kind == kind::RST_STREAM).await;
        for paid in [data(1, []).end_stream(), data(1, "x"), headers_of(1, [0x82]).end_stream()] {
            scene.repeat(&[paid], 1000).await;
        }
        let frames =
            [data(1, []).end_stream(), data(1, "x"), headers_of(1, [0x82]).end_stream(), ping([0; 8])];
        scene.repeat(&frames, FLOOD).await;
        scene.calms_down(0).await;
    });
}

/// DATA and HEADERS on streams that have ended. Some may have been on their way, but not more than the windows allow.
#[test]
fn frames_on_streams_that_are_over() {
    let trailers = |id| headers(id, &[("x-trailer", "late")]).end_stream();
    for (how, resets) in [("ended", false), ("reset by the client", true)] {
        for late in [data(1, "late"), data(1, vec![0; 1000]), data(1, []).end_stream(), trailers(1)] {
            // Right after the end, and after the stream has been forgotten.
            for others in [0, 200] {
                server(options().max_resets(BURST, 0), async |mut scene| {
                    scene.peer.send(post(1, if resets { "/wait" } else { "/hello" })).await;
                    scene.peer.still_answers().await;
                    if resets {
                        scene.peer.send(rst_stream(1, code::CANCEL)).await;
                    } else {
                        scene.peer.send(data(1, []).end_stream()).await;
                        scene.peer.expect_response(1).await;
                    }
                    for id in (3..).step_by(2).take(others) {
                        scene.peer.send(post(id, "/hello").end_stream()).await;
                        scene.peer.expect_response(id).await;
                    }
                    let flood = scene.repeat(std::slice::from_ref(&late), FLOOD);
                    flood.await;
                    scene.other.still_serves().await;
                    let error = scene.connection.await.unwrap().unwrap_err();
                    let code = code_of(&error).unwrap();
                    let codes = [code::ENHANCE_YOUR_CALM, code::STREAM_CLOSED];
                    assert!(codes.contains(&code), "{late:?} on a stream that was {how}: {error:?}");
                    assert!(scene.peak.octets() <= BASE, "{} octets", scene.peak.octets());
                });
            }
        }
    }
}

/// Frames that were on their way when the server reset a stream are ignored, within its window.
#[test]
fn what_was_under_way_is_no_flood() {
    server(options(), async |mut scene| {
        for id in (1..).step_by(2).take(200) {
            scene.peer.send(post(id, "/early")).await;
        }
        scene.other.still_serves().await;
        for id in (1..).step_by(2).take(200) {
            let frames = vec![data(id, vec![0; 100]); 500];
            scene.peer.send_all(&frames).await;
            scene.peer.send(headers(id, &[("x-trailer", "late")]).end_stream()).await;
            scene.other.still_serves().await;
        }
        scene.peer.still_answers().await;
    });
}

/// CVE-2019-9511: the window is opened one octet at a time.
#[test]
fn data_dribble() {
    for stream in [0, 1] {
        let settings = [(setting::INITIAL_WINDOW_SIZE, if stream == 0 { 1 << 20 } else { 0 })];
        server_with(options(), &settings, async |mut scene| {
            scene.peer.send(post(1, "/pieces/10/100000").end_stream()).await;
            if stream == 0 {
                // The connection's window is used up completely.
                let mut left = 65_535;
                while left > 0 {
                    left -= scene.peer.expect("DATA", |frame| frame.kind == kind::DATA).await.payload.len();
                }
            }
            scene.repeat(&[window_update(stream, 1)], FLOOD).await;
            let mut dribbled = 0;
            loop {
                let frame = scene.peer.next().await.expect("GOAWAY");
                match frame.kind {
                    kind::DATA => dribbled += frame.payload.len(),
                    kind::GOAWAY => break,
                    _ => {}
                }
            }
            assert!(dribbled <= BURST as usize, "{dribbled}");
            scene.other.still_serves().await;
        });
    }
}

/// Output that the peer causes and does not read is kept only up to a limit.
#[test]
fn answers_that_are_not_read() {
    for frame in [ping([0; 8]), settings(&[])] {
        server(Options::new().max_control_frames(u32::MAX, 0), async |mut scene| {
            scene.repeat(&[frame], 100_000).await;
            // The pipe takes 64 KiB, and the server keeps about as much.
            scene.calms_down(0).await;
        });
    }
}

#[test]
fn the_default_burst_ends_too() {
    server(Options::new(), async |mut scene| {
        scene.repeat(&[priority(1, 0, 1), window_update(0, 1)], 10_000).await;
        scene.calms_down(0).await;
    });
}

/// An attack in small pieces is an attack all the same.
#[test]
fn frames_that_come_by_the_octet() {
    server(options(), async |mut scene| {
        for _ in 0..BURST * 2 {
            for octet in ping([0; 8]).encode() {
                scene.peer.send_octets(&[octet]).await;
                tokio::task::yield_now().await;
            }
        }
        scene.calms_down(0).await;
    });
}

/// Unused allowances of earlier calls do not accumulate.
#[test]
fn messages_allow_for_no_more_than_the_burst() {
    server(options(), async |mut scene| {
        for stream in (1..400).step_by(2) {
            scene.peer.send(post(stream, "/hello").end_stream()).await;
            scene.peer.expect_response(stream).await;
        }
        scene.repeat(&[priority(1, 0, 1)], BURST as usize + 1).await;
        scene.calms_down(0).await;
    });
}

/// A peer that sends only valid but useless frames costs no more than its connection.
#[test]
fn a_thousand_connections() {
    run(async || {
        let Scene { service, mut other, peak, .. } = Scene::new(Options::new(), &[]).await;
        let mut peers = Vec::new();
        for _ in 0..1000 {
            let (mut peer, _) = super::scene::connect(&service, &Options::new());
            peer.greet_server(&[]).await;
            peers.push(peer);
        }
        other.still_serves().await;
        assert!(peak.octets() < BASE + 1000 * (64 << 10), "{} octets", peak.octets());
    });
}
