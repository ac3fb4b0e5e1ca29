//! RFC 9113, 3.4: the connection preface.

use super::GET;
use crate::util::engine::Options;
use crate::util::frame::{code, headers, ping, settings};
use crate::util::raw::PREFACE;
use crate::util::{server, server_without_preface};

#[test]
fn rfc9113_3_4_the_servers_first_frame_is_settings() {
    server_without_preface(Options::new(), async |mut peer, _| {
        peer.greet_server(&[]).await;
        peer.still_serves().await;
    });
}

#[test]
fn rfc9113_3_4_requests_need_not_wait_for_the_servers_settings() {
    server_without_preface(Options::new(), async |mut peer, _| {
        peer.send_octets(PREFACE).await;
        peer.send_all(&[settings(&[]), headers(1, &GET).end_stream()]).await;
        peer.expect_settings().await;
        assert_eq!(peer.expect_response(1).await.body, b"hello");
    });
}

#[test]
fn rfc9113_3_4_the_preface_may_come_octet_by_octet() {
    server_without_preface(Options::new(), async |mut peer, _| {
        for octet in [PREFACE, &settings(&[]).encode()[..]].concat() {
            peer.send_octets(&[octet]).await;
            tokio::task::yield_now().await;
        }
        peer.expect_settings().await;
        peer.expect_settings_ack().await;
        peer.still_serves().await;
    });
}

#[test]
fn rfc9113_3_4_the_prefaces_settings_are_acknowledged() {
    server(async |mut peer| peer.still_serves().await);
}

// GOAWAY may be omitted in these cases.

#[test]
fn rfc9113_3_4_a_wrong_preface_ends_the_connection() {
    server_without_preface(Options::new(), async |mut peer, _| {
        peer.send_octets(b"INVALID CONNECTION PREFACE\r\n\r\n").await;
        peer.expect_end().await;
    });
}

#[test]
fn rfc9113_3_4_a_request_of_http_1_1_ends_the_connection() {
    server_without_preface(Options::new(), async |mut peer, _| {
        peer.send_octets(b"GET / HTTP/1.1\r\nhost: localhost\r\n\r\n").await;
        let goaway = peer.expect_goaway(&[code::PROTOCOL_ERROR]).await;
        assert_eq!(&goaway.payload[8..], b"the client does not speak HTTP/2 (it sent a request of HTTP/1.1)");
    });
}

#[test]
fn rfc9113_3_4_a_preface_without_settings_ends_the_connection() {
    server_without_preface(Options::new(), async |mut peer, _| {
        peer.send_octets(PREFACE).await;
        peer.send(ping(*b"early...")).await;
        peer.expect_end().await;
    });
}

#[test]
fn rfc9113_3_4_a_preface_that_is_cut_off_ends_the_connection() {
    server_without_preface(Options::new(), async |mut peer, _| {
        peer.send_octets(&PREFACE[..10]).await;
        peer.close().await;
        peer.expect_end().await;
    });
}

#[test]
fn a_client_that_speaks_tls_is_called_so() {
    server_without_preface(Options::new(), async |mut peer, _| {
        peer.send_octets(&[0x16, 3, 1, 0, 100]).await;
        let goaway = peer.expect_goaway(&[code::PROTOCOL_ERROR]).await;
        assert_eq!(&goaway.payload[8..], b"the client speaks TLS");
    });
}
