//! RFC 9113, 5.1: the frames allowed in each state of a stream.

use super::{GET, POST, request};
use crate::util::frame::{
    Frame, code, continuation, data, headers, kind, priority, rst_stream, window_update,
};
use crate::util::raw::{Outcome, RawPeer};
use crate::util::{server, server_and_service};

/// The outcome of a frame on a closed stream: an error of the stream or of the connection, or nothing, because an
/// endpoint may minimally process and discard frames.
const CLOSED: [Outcome; 4] = [
    Outcome::Reset(code::STREAM_CLOSED),
    Outcome::ConnectionError(code::STREAM_CLOSED),
    Outcome::ConnectionError(code::PROTOCOL_ERROR),
    Outcome::Ignored,
];

#[test]
fn rfc9113_5_1_data_on_an_idle_stream_is_a_connection_error() {
    server(async |mut peer| {
        peer.send(data(1, "x").end_stream()).await;
        peer.connection_error(code::PROTOCOL_ERROR).await;
    });
}

#[test]
fn rfc9113_5_1_rst_stream_on_an_idle_stream_is_a_connection_error() {
    server(async |mut peer| {
        peer.send(rst_stream(1, code::CANCEL)).await;
        peer.connection_error(code::PROTOCOL_ERROR).await;
    });
}

#[test]
fn rfc9113_5_1_window_update_on_an_idle_stream_is_a_connection_error() {
    server(async |mut peer| {
        peer.send(window_update(1, 100)).await;
        peer.connection_error(code::PROTOCOL_ERROR).await;
    });
}

#[test]
fn rfc9113_5_1_continuation_on_an_idle_stream_is_a_connection_error() {
    server(async |mut peer| {
        peer.send(continuation(1, [])).await;
        peer.connection_error(code::PROTOCOL_ERROR).await;
    });
}

#[test]
fn rfc9113_5_1_frames_on_an_idle_stream_of_the_server_are_a_connection_error() {
    for frame in
        [data(2, "x"), rst_stream(2, code::CANCEL), window_update(2, 1), headers(2, &GET).end_stream()]
    {
        server(async |mut peer| {
            peer.send(frame.clone()).await;
            peer.connection_error(code::PROTOCOL_ERROR).await;
        });
    }
}

#[test]
fn rfc9113_5_1_priority_on_an_idle_stream_is_accepted() {
    server(async |mut peer| {
        peer.send_all(&[priority(1, 0, 255), priority(99, 1, 0)]).await;
        peer.still_serves().await;
    });
}

/// A frame after END_STREAM, before the response.
fn half_closed_remote(frame: Frame) {
    server(async |mut peer| {
        peer.send(headers(1, &request("GET", "/wait")).end_stream()).await;
        peer.send(frame.clone()).await;
        peer.stream_error(1, code::STREAM_CLOSED).await;
    });
}

#[test]
fn rfc9113_5_1_data_on_a_half_closed_stream_is_a_stream_error() {
    half_closed_remote(data(1, "x"));
}

#[test]
fn rfc9113_5_1_headers_on_a_half_closed_stream_are_a_stream_error() {
    half_closed_remote(headers(1, &[("x-trailer", "late")]).end_stream());
}

#[test]
fn rfc9113_5_1_continuation_on_a_half_closed_stream_is_an_error() {
    server(async |mut peer| {
        peer.send_all(&[headers(1, &request("GET", "/wait")).end_stream(), continuation(1, [])]).await;
        // 5.1 says STREAM_CLOSED, 6.10 says PROTOCOL_ERROR.
        let codes = [code::STREAM_CLOSED, code::PROTOCOL_ERROR];
        peer.expect_outcome(1, &codes.map(Outcome::ConnectionError)).await;
    });
}

#[test]
fn rfc9113_5_1_the_stream_error_of_late_data_leaves_others_alone() {
    server(async |mut peer| {
        peer.send_all(&[headers(1, &request("GET", "/wait")).end_stream(), data(1, "x")]).await;
        if let Outcome::Reset(_) = peer.stream_error(1, code::STREAM_CLOSED).await {
            peer.still_serves().await;
        }
    });
}

#[test]
fn rfc9113_5_1_window_update_on_a_half_closed_stream_is_accepted() {
    server(async |mut peer| {
        peer.send_all(&[headers(1, &request("GET", "/wait")).end_stream(), window_update(1, 1)]).await;
        peer.still_serves().await;
    });
}

#[test]
fn rfc9113_5_1_priority_on_a_half_closed_stream_is_accepted() {
    server(async |mut peer| {
        peer.send_all(&[headers(1, &request("GET", "/wait")).end_stream(), priority(1, 0, 1)]).await;
        peer.still_serves().await;
    });
}

#[test]
fn rfc9113_5_1_rst_stream_on_a_half_closed_stream_is_accepted() {
    server(async |mut peer| {
        let request = headers(1, &request("GET", "/wait")).end_stream();
        peer.send_all(&[request, rst_stream(1, code::CANCEL)]).await;
        peer.still_serves().await;
    });
}

/// A frame on a stream that both ends have closed with END_STREAM.
fn closed(frame: Frame) {
    server(async |mut peer| {
        get(&mut peer, 1).await;
        peer.send(frame.clone()).await;
        peer.expect_outcome(1, &CLOSED).await;
    });
}

async fn get(peer: &mut RawPeer, stream: u32) {
    peer.send(headers(stream, &GET).end_stream()).await;
    peer.expect_response(stream).await;
}

#[test]
fn rfc9113_5_1_data_on_a_closed_stream_is_stream_closed() {
    closed(data(1, "x"));
}

#[test]
fn rfc9113_5_1_headers_on_a_closed_stream_are_stream_closed() {
    closed(headers(1, &GET).end_stream());
}

#[test]
fn rfc9113_5_1_trailers_on_a_closed_stream_are_stream_closed() {
    closed(headers(1, &[("x-trailer", "late")]).end_stream());
}

#[test]
fn rfc9113_5_1_continuation_on_a_closed_stream_is_a_connection_error() {
    server(async |mut peer| {
        get(&mut peer, 1).await;
        peer.send(continuation(1, [])).await;
        let codes = [code::STREAM_CLOSED, code::PROTOCOL_ERROR];
        peer.expect_outcome(1, &codes.map(Outcome::ConnectionError)).await;
    });
}

#[test]
fn rfc9113_5_1_window_update_priority_and_rst_stream_on_a_closed_stream_are_accepted() {
    server(async |mut peer| {
        get(&mut peer, 1).await;
        peer.send_all(&[window_update(1, 1), priority(1, 0, 1), rst_stream(1, code::CANCEL)]).await;
        peer.still_serves().await;
    });
}

/// A frame on a stream that the client has reset itself.
fn reset(frame: Frame) {
    server(async |mut peer| {
        peer.send_all(&[headers(1, &request("POST", "/wait")), rst_stream(1, code::CANCEL), frame.clone()])
            .await;
        peer.expect_outcome(1, &STREAM_CLOSED).await;
    });
    // Also while a handler runs, and long after.
    for between in [0, 200] {
        server(async |mut peer| {
            peer.send(headers(1, &request("POST", "/wait"))).await;
            peer.still_answers().await;
            peer.send(rst_stream(1, code::CANCEL)).await;
            for id in (3..).step_by(2).take(between) {
                get(&mut peer, id).await;
            }
            peer.send(frame.clone()).await;
            if between == 0 {
                peer.expect_outcome(1, &STREAM_CLOSED).await;
            } else {
                peer.expect_outcome(1, &CLOSED).await;
            }
        });
    }
}

/// The outcomes that RFC 9113 allows for frames after RST_STREAM.
const STREAM_CLOSED: [Outcome; 2] =
    [Outcome::Reset(code::STREAM_CLOSED), Outcome::ConnectionError(code::STREAM_CLOSED)];

#[test]
fn rfc9113_5_1_data_after_rst_stream_is_stream_closed() {
    reset(data(1, "x"));
}

#[test]
fn rfc9113_5_1_headers_after_rst_stream_are_stream_closed() {
    reset(headers(1, &[("x-trailer", "late")]).end_stream());
}

#[test]
fn rfc9113_5_1_continuation_after_rst_stream_is_a_connection_error() {
    server(async |mut peer| {
        peer.send_all(&[headers(1, &POST), rst_stream(1, code::CANCEL), continuation(1, [])]).await;
        let codes = [code::STREAM_CLOSED, code::PROTOCOL_ERROR];
        peer.expect_outcome(1, &codes.map(Outcome::ConnectionError)).await;
    });
}

#[test]
fn rfc9113_5_1_window_update_and_priority_after_rst_stream_are_accepted() {
    server(async |mut peer| {
        peer.send_all(&[headers(1, &request("POST", "/wait")), rst_stream(1, code::CANCEL)]).await;
        peer.send_all(&[window_update(1, 1), priority(1, 0, 1)]).await;
        peer.still_serves().await;
    });
}

#[test]
fn rfc9113_5_1_frames_that_cross_the_servers_rst_stream_are_discarded() {
    server(async |mut peer| {
        // The second frame makes the request malformed. The client does not know that yet when it sends the others.
        let request = headers(1, &super::and(&request("POST", "/wait"), &[("content-length", "1")]));
        let late = [data(1, "late"), headers(1, &[("x-trailer", "late")]).end_stream(), window_update(1, 1)];
        peer.send_all(&[request, data(1, "too long")]).await;
        peer.send_all(&late).await;
        if let Outcome::Reset(_) = peer.stream_error(1, code::PROTOCOL_ERROR).await {
            let second = peer.outcome(1).await;
            assert!(matches!(second, Outcome::Ignored | Outcome::Reset(code::STREAM_CLOSED)), "{second:?}");
            peer.still_serves().await;
        }
    });
}

#[test]
fn rfc9113_5_1_a_response_can_come_before_the_request_ends() {
    server(async |mut peer| {
        peer.send(headers(1, &request("POST", "/trailers"))).await;
        let response = peer.expect_response(1).await;
        assert_eq!(response.body, b"hello");
        assert_eq!(response.trailers.unwrap(), [("x-trailer".to_owned(), "yes".to_owned())]);
        // The rest of the request may be refused (NO_ERROR), but is not an error.
        peer.send(data(1, "rest").end_stream()).await;
        let accepted = [Outcome::Ignored, Outcome::Reset(code::NO_ERROR), Outcome::Reset(code::CANCEL)];
        peer.expect_outcome(1, &[&accepted[..], &[Outcome::Reset(code::STREAM_CLOSED)]].concat()).await;
        peer.still_serves().await;
    });
}

#[test]
fn rfc9113_5_1_nothing_is_sent_on_a_stream_that_the_client_has_reset() {
    server_and_service(async |mut peer, mut events| {
        peer.send(headers(1, &request("GET", "/large")).end_stream()).await;
        assert_eq!(peer.expect_on(1).await.kind, kind::HEADERS);
        peer.send(rst_stream(1, code::CANCEL)).await;
        peer.still_answers().await;
        events.recv().await.unwrap();
        // The connection's window is used up.
        peer.send(window_update(0, 1_000_000)).await;
        peer.send(headers(3, &GET).end_stream()).await;
        loop {
            let frame = peer.next().await.unwrap();
            assert_ne!(frame.stream, 1, "{frame:?}");
            if frame.stream == 3 {
                break;
            }
        }
    });
}
