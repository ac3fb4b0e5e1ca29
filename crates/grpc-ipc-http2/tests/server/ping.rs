//! RFC 9113, 6.7: PING.

use crate::util::frame::{Frame, code, flag, kind, ping};
use crate::util::server;

#[test]
fn rfc9113_6_7_ping_is_answered_with_the_same_octets() {
    server(async |mut peer| {
        for octets in [*b"12345678", [0; 8], [0xff; 8]] {
            peer.send(ping(octets)).await;
            let answer = peer.expect("the answer", |frame| frame.kind == kind::PING).await;
            assert_eq!(answer, ping(octets).with(flag::ACK));
        }
    });
}

#[test]
fn rfc9113_6_7_an_answer_is_not_answered() {
    server(async |mut peer| {
        peer.send_all(&[ping(*b"ignore..").with(flag::ACK), ping(*b"answer..")]).await;
        let answer = peer.expect("the answer", |frame| frame.kind == kind::PING).await;
        assert_eq!(answer.payload, b"answer..");
        peer.still_serves().await;
    });
}

#[test]
fn rfc9113_6_7_ping_on_a_stream_is_a_connection_error() {
    server(async |mut peer| {
        peer.send(Frame { stream: 1, ..ping(*b"........") }).await;
        peer.connection_error(code::PROTOCOL_ERROR).await;
    });
}

#[test]
fn rfc9113_6_7_ping_of_a_wrong_size_is_a_connection_error() {
    for size in [0, 6, 7, 9, 16] {
        server(async |mut peer| {
            peer.send(Frame::new(kind::PING, 0, 0, vec![0; size])).await;
            peer.connection_error(code::FRAME_SIZE_ERROR).await;
        });
    }
}
