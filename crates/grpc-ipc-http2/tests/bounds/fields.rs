//! Header fields (`Options::max_header_list_size`, `header_table_size`, `max_frame_size`).

use grpc_ipc_http2::Options;

use super::scene::{BASE, Scene, post, server, streams};
use crate::util::frame::{Frame, code, continuation, headers_of, kind};
use crate::util::hpack::{integer, literals, string};

/// The default limit, in octets.
const LIMIT: usize = 32 << 10;
/// The maximum number of frames in a block.
const FRAMES: usize = 32;

/// The fields of a request, and their size.
fn request() -> (Vec<u8>, usize) {
    let fields = [(":method", "POST"), (":scheme", "http"), (":path", "/hello"), (":authority", "localhost")];
    (literals(&fields), fields.iter().map(|(name, value)| name.len() + value.len() + 32).sum())
}

/// The call ends with RESOURCE_EXHAUSTED, without a handler, and the connection continues.
async fn is_too_large(mut scene: Scene, block: Vec<u8>) {
    assert!(block.len() <= 2 * LIMIT);
    scene.peer.send(headers_of(1, block).end_stream()).await;
    let response = scene.peer.expect_response(1).await;
    assert_eq!(response.field("grpc-status"), "8");
    assert_eq!(response.field("content-type"), "application/grpc");
    assert_eq!(scene.service.started(), 0);
    scene.goes_on().await;
    assert!(scene.peak.octets() < BASE, "{} octets", scene.peak.octets());
}

#[test]
fn many_fields() {
    server(Options::new(), async |scene| {
        let (mut block, _) = request();
        block.extend(literals(&[("x-many", "0123456789"); 700]));
        is_too_large(scene, block).await;
    });
}

#[test]
fn many_names() {
    server(Options::new(), async |scene| {
        let (mut block, _) = request();
        for index in 0..1500 {
            block.extend(literals(&[(&*format!("x{index}"), "")]));
        }
        is_too_large(scene, block).await;
    });
}

#[test]
fn one_large_value() {
    server(Options::new(), async |scene| {
        let (mut block, _) = request();
        block.extend(literals(&[("x-large", &*"x".repeat(LIMIT))]));
        is_too_large(scene, block).await;
    });
}

#[test]
fn a_value_that_grows_when_it_is_decoded() {
    server(Options::new(), async |scene| {
        let (mut block, _) = request();
        // 'a' is five bits long, so eight of them are five octets.
        let coded = [0b0001_1000, 0b1100_0110, 0b0011_0001, 0b1000_1100, 0b0110_0011].repeat(8000);
        block.extend([0, 1, b'x']);
        block.extend(integer(0x80, 7, coded.len()));
        block.extend(coded);
        is_too_large(scene, block).await;
    });
}

/// One octet that stands for 4 KB, 60 000 times: 240 MB.
#[test]
fn an_index_again_and_again() {
    server(Options::new(), async |scene| {
        let (mut block, _) = request();
        block.extend([0x40, 1, b'x']);
        block.extend(string(&"x".repeat(4000)));
        block.extend([0xbe; 60_000]);
        is_too_large(scene, block).await;
    });
}

/// Below the limit, on as many streams as allowed: an indexed value exists only once.
#[test]
fn an_index_on_every_stream() {
    server(Options::new(), async |mut scene| {
        let mut block = post(1, "/unread").payload;
        block.extend([0x40, 1, b'x']);
        block.extend(string(&"x".repeat(4000)));
        scene.peer.send(headers_of(1, block)).await;
        let mut block = post(1, "/unread").payload;
        block.extend([0xbe; 7]);
        for id in streams(1000).skip(1) {
            scene.peer.send(headers_of(id, block.clone())).await;
        }
        scene.other.still_serves().await;
        assert_eq!(scene.service.alive(), 1000);
        assert!(scene.peak.octets() < BASE + 1000 * 4096, "{} octets", scene.peak.octets());
    });
}

#[test]
fn fields_of_exactly_the_limit() {
    server(Options::new(), async |mut scene| {
        let (mut block, size) = request();
        let value = "x".repeat(LIMIT - size - 32 - 1);
        block.extend(literals(&[("x", &*value)]));
        scene.peer.send(headers_of(1, block.clone()).end_stream()).await;
        assert_eq!(scene.peer.expect_response(1).await.body, b"hello");
        scene.goes_on().await;
    });
    server(Options::new(), async |scene| {
        let (mut block, size) = request();
        let value = "x".repeat(LIMIT - size - 32);
        block.extend(literals(&[("x", &*value)]));
        is_too_large(scene, block).await;
    });
}

/// Handlers hold their metadata, whose memory is proportional to the limit.
#[test]
fn as_much_as_is_allowed_on_every_stream() {
    server(Options::new().max_concurrent_streams(100), async |mut scene| {
        for id in streams(100) {
            let mut block = post(id, "/unread").payload;
            for index in 0..800 {
                block.extend(literals(&[(&*format!("x{index}"), "")]));
            }
            scene.peer.send(headers_of(id, block)).await;
        }
        scene.other.still_serves().await;
        assert_eq!(scene.service.alive(), 100);
        assert!(scene.peak.octets() < BASE + 100 * 8 * LIMIT, "{} octets", scene.peak.octets());
    });
}

/// CVE-2024-27316: a block without an end.
#[test]
fn a_block_of_more_than_twice_the_limit() {
    server(Options::new(), async |mut scene| {
        let (block, _) = request();
        scene.peer.send(headers_of(1, block).unfinished()).await;
        let mut more = vec![0, 1, b'x'];
        more.extend(integer(0, 7, 1 << 30));
        scene.peer.send(continuation(1, more).unfinished()).await;
        scene.repeat(&[continuation(1, [b'x'; 10_000]).unfinished()], 1000).await;
        scene.calms_down(0).await;
    });
    server(Options::new().max_frame_size(1 << 20), async |mut scene| {
        scene.peer.send(headers_of(1, vec![0x82; 2 * LIMIT + 1]).unfinished()).await;
        scene.calms_down(0).await;
    });
}

/// The limit applies to the block, not to the other parts of the frame.
#[test]
fn a_block_of_exactly_twice_the_limit() {
    server(Options::new().max_frame_size(1 << 20), async |mut scene| {
        let (mut block, _) = request();
        block.resize(2 * LIMIT, 0x82);
        scene.peer.send(headers_of(1, block).end_stream().prioritized(0, 0).padded(255)).await;
        assert_eq!(scene.peer.expect_response(1).await.field("grpc-status"), "8");
        scene.goes_on().await;
    });
}

fn in_frames(block: &[u8], empty: usize) -> Vec<Frame> {
    let mut frames = vec![headers_of(1, block).end_stream().unfinished()];
    frames.extend(vec![continuation(1, []).unfinished(); empty]);
    frames.push(continuation(1, []));
    frames
}

#[test]
fn empty_continuations() {
    server(Options::new(), async |mut scene| {
        scene.peer.send_all(&in_frames(&request().0, FRAMES - 2)).await;
        assert_eq!(scene.peer.expect_response(1).await.body, b"hello");
        scene.goes_on().await;
    });
    server(Options::new(), async |mut scene| {
        scene.peer.send_all(&in_frames(&request().0, FRAMES - 1)).await;
        scene.calms_down(0).await;
    });
    server(Options::new(), async |mut scene| {
        scene.peer.send(headers_of(1, []).unfinished()).await;
        scene.repeat(&[continuation(1, []).unfinished()], 10_000).await;
        scene.calms_down(0).await;
    });
}

/// Even where no message is possible: on a stream that was reset, whose blocks must still be decoded.
#[test]
fn continuations_on_a_reset_stream() {
    server(Options::new(), async |mut scene| {
        scene.peer.send_all(&[post(1, "/unread"), crate::util::frame::window_update(1, 0)]).await;
        scene.peer.expect("RST_STREAM", |frame| frame.kind == kind::RST_STREAM).await;
        scene.peer.send(headers_of(1, []).unfinished()).await;
        scene.repeat(&[continuation(1, []).unfinished()], 10_000).await;
        scene.calms_down(0).await;
    });
}

/// However many fields the peer indexes, the table holds at most 4096 octets.
#[test]
fn what_is_remembered_is_bounded() {
    for size in [0, 100, 4096, 16_384] {
        let options = Options::new().header_table_size(size).max_resets(u32::MAX, 0);
        server(options, async |mut scene| {
            for id in streams(300) {
                let mut block = request().0;
                for index in 0..100 {
                    block.extend([0x40]);
                    block.extend(string(&format!("x-{id}-{index}")));
                    block.extend(string("value"));
                }
                scene.peer.send(headers_of(id, block).end_stream()).await;
                scene.peer.expect_response(id).await;
            }
            scene.goes_on().await;
            assert!(scene.peak.left() < BASE, "{} octets", scene.peak.left());
        });
    }
}

#[test]
fn a_table_larger_than_allowed() {
    for size in [0, 100, 4096] {
        server(Options::new().header_table_size(size), async |mut scene| {
            let mut block = integer(0x20, 5, size as usize + 1);
            block.extend(request().0);
            scene.peer.send(headers_of(1, block)).await;
            scene.ends_with(code::COMPRESSION_ERROR).await;
        });
    }
}

/// A frame that is too long is refused before it has come; one of exactly the limit is not.
#[test]
fn a_frame_longer_than_allowed() {
    for (kind, stream) in [(kind::DATA, 1_u32), (kind::HEADERS, 3), (kind::PING, 0), (0xfa, 1)] {
        for size in [16_384_u32, 65_536] {
            server(Options::new().max_frame_size(size), async |mut scene| {
                scene
                    .peer
                    .send_all(&[post(1, "/wait"), Frame::new(0xfa, 0, 0, vec![0; size as usize])])
                    .await;
                scene.peer.still_serves().await;
                let mut head = (size + 1).to_be_bytes()[1..].to_vec();
                head.extend([kind, 0]);
                head.extend(stream.to_be_bytes());
                scene.peer.send_octets(&head).await;
                scene.ends_with(code::FRAME_SIZE_ERROR).await;
            });
        }
    }
}
