//! RFC 9113, 5.3 and 6.3: priorities, which are deprecated.

use super::{GET, request};
use crate::util::frame::{Frame, code, headers, kind, priority};
use crate::util::raw::Outcome;
use crate::util::server;

#[test]
fn rfc9113_5_3_2_headers_that_depend_on_themselves_are_served() {
    server(async |mut peer| {
        peer.send(headers(1, &GET).end_stream().prioritized(1, 255)).await;
        peer.expect_response(1).await;
    });
}

#[test]
fn rfc9113_5_3_2_priority_that_depends_on_itself_is_ignored() {
    server(async |mut peer| {
        peer.send_all(&[headers(1, &request("GET", "/wait")).end_stream(), priority(1, 1, 255)]).await;
        peer.still_serves().await;
    });
}

#[test]
fn rfc9113_6_3_priority_is_accepted_on_a_stream_in_any_state() {
    server(async |mut peer| {
        peer.send(priority(1, 0, 1)).await;
        peer.send_all(&[headers(1, &request("POST", "/wait")), priority(1, 1 << 31, 255)]).await;
        peer.send(headers(3, &GET).end_stream()).await;
        peer.expect_response(3).await;
        peer.send_all(&[priority(3, 1, 255), priority(2, 1, 255)]).await;
        peer.still_serves().await;
    });
}

#[test]
fn rfc9113_6_3_priority_on_an_idle_stream_does_not_close_those_below() {
    server(async |mut peer| {
        peer.send_all(&[priority(99, 0, 1), headers(1, &GET).end_stream()]).await;
        peer.expect_response(1).await;
    });
}

#[test]
fn rfc9113_6_3_priority_on_stream_0_is_a_connection_error() {
    server(async |mut peer| {
        peer.send(priority(0, 1, 16)).await;
        peer.connection_error(code::PROTOCOL_ERROR).await;
    });
}

#[test]
fn rfc9113_6_3_priority_of_a_wrong_size_is_a_stream_error() {
    for size in [0, 4, 6] {
        server(async |mut peer| {
            let frame = Frame::new(kind::PRIORITY, 0, 1, vec![0; size]);
            peer.send_all(&[headers(1, &request("GET", "/wait")).end_stream(), frame]).await;
            if let Outcome::Reset(_) = peer.stream_error(1, code::FRAME_SIZE_ERROR).await {
                peer.still_serves().await;
            }
        });
    }
}
