//! RFC 9113, 6.4: RST_STREAM.

use super::{GET, POST, request};
use crate::util::frame::{Frame, code, data, headers, kind, rst_stream};
use crate::util::service::Event;
use crate::util::{server, server_and_service};

#[test]
fn rfc9113_6_4_rst_stream_on_stream_0_is_a_connection_error() {
    server(async |mut peer| {
        peer.send(rst_stream(0, code::CANCEL)).await;
        peer.connection_error(code::PROTOCOL_ERROR).await;
    });
}

#[test]
fn rfc9113_6_4_rst_stream_on_an_idle_stream_is_a_connection_error() {
    server(async |mut peer| {
        peer.send(headers(1, &GET).end_stream()).await;
        peer.send(rst_stream(3, code::CANCEL)).await;
        peer.connection_error(code::PROTOCOL_ERROR).await;
    });
}

#[test]
fn rfc9113_6_4_rst_stream_of_a_wrong_size_is_a_connection_error() {
    for size in [0, 3, 5] {
        server(async |mut peer| {
            peer.send_all(&[headers(1, &POST), Frame::new(kind::RST_STREAM, 0, 1, vec![0; size])]).await;
            peer.connection_error(code::FRAME_SIZE_ERROR).await;
        });
    }
}

#[test]
fn rfc9113_6_4_rst_stream_ends_the_stream_and_its_request() {
    for path in ["/wait", "/unread"] {
        server_and_service(async |mut peer, mut events| {
            peer.send_all(&[headers(1, &request("POST", path)), data(1, "part")]).await;
            let Some(Event::Request(_)) = events.recv().await else { panic!("no request") };
            peer.send(rst_stream(1, code::CANCEL)).await;
            while !matches!(events.recv().await.unwrap(), Event::Dropped) {}
            peer.still_serves().await;
        });
    }
}

#[test]
fn rfc9113_6_4_a_body_that_is_cut_off_by_rst_stream_has_failed() {
    for code in [code::NO_ERROR, code::PROTOCOL_ERROR, code::CANCEL] {
        server_and_service(async |mut peer, mut events| {
            peer.send_all(&[headers(1, &POST), data(1, "part"), rst_stream(1, code)]).await;
            peer.still_serves().await;
            drop(peer);
            while let Some(event) = events.recv().await {
                // The server may not have called the service, or may have dropped its future.
                assert!(
                    !matches!(event, Event::Body(Ok((body, _))) if body == "part"),
                    "the body looks whole"
                );
            }
        });
    }
}
