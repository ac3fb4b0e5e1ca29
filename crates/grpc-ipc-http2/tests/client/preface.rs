//! RFC 9113, 3.4: the connection preface.

use super::{OK, failed, get};
use crate::util::client_without_preface;
use crate::util::engine::{Error, Options};
use crate::util::frame::{headers, kind, ping, setting, settings, settings_ack};

#[test]
fn rfc9113_3_4_the_client_sends_its_preface_and_settings_first() {
    client_without_preface(Options::new(), async |mut peer, client| {
        let _call = get(&client);
        peer.expect_preface().await;
        let first = peer.next().await.unwrap();
        assert_eq!((first.kind, first.flags), (kind::SETTINGS, 0));
    });
}

#[test]
fn rfc9113_3_4_requests_need_not_wait_for_the_servers_settings() {
    client_without_preface(Options::new(), async |mut peer, client| {
        let call = get(&client);
        peer.expect_preface().await;
        super::expect_request(&mut peer, 1).await;
        peer.send_all(&[settings(&[]), settings_ack(), headers(1, &OK).end_stream()]).await;
        assert_eq!(call.await.unwrap().unwrap().head.status(), 200);
    });
}

#[test]
fn rfc9113_3_4_the_servers_settings_are_acknowledged() {
    client_without_preface(Options::new(), async |mut peer, _client| {
        peer.greet_client(&[(setting::MAX_CONCURRENT_STREAMS, 3)]).await;
    });
}

#[test]
fn rfc9113_3_4_a_first_frame_other_than_settings_is_a_connection_error() {
    for frame in [ping(*b"early..."), headers(1, &OK).end_stream()] {
        client_without_preface(Options::new(), async |mut peer, client| {
            let call = get(&client);
            peer.expect_preface().await;
            peer.send(frame.clone()).await;
            peer.expect_end().await;
            failed(call).await;
        });
    }
}

#[test]
fn rfc9113_3_4_a_server_of_http_1_1_is_a_connection_error() {
    client_without_preface(Options::new(), async |mut peer, client| {
        let call = get(&client);
        peer.expect_preface().await;
        peer.send_octets(b"HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n").await;
        peer.expect_end().await;
        failed(call).await;
    });
}

#[test]
fn rfc9113_6_5_2_the_client_refuses_pushed_streams() {
    client_without_preface(Options::new(), async |mut peer, _client| {
        peer.greet_client(&[]).await;
        assert_eq!(peer.setting(setting::ENABLE_PUSH, 1), 0);
    });
}

/// The alert with which a server of TLS answers a client that does not speak it
/// ([RFC 8446, section 6](https://www.rfc-editor.org/rfc/rfc8446#section-6)).
#[test]
fn a_server_that_speaks_tls_is_called_so() {
    client_without_preface(Options::new(), async |mut peer, client| {
        let call = get(&client);
        peer.expect_preface().await;
        super::expect_request(&mut peer, 1).await;
        for octet in [0x15, 3, 3, 0, 2, 2, 50] {
            peer.send_octets(&[octet]).await;
        }
        peer.expect_end().await;
        let error = failed(call).await;
        assert!(error.to_string().ends_with("PROTOCOL_ERROR: the server speaks TLS"), "{error}");
    });
}

/// One that refuses its client, say.
#[test]
fn a_server_that_closes_at_once_is_called_so() {
    client_without_preface(Options::new(), async |mut peer, client| {
        let call = get(&client);
        peer.expect_preface().await;
        super::expect_request(&mut peer, 1).await;
        peer.close().await;
        let error = failed(call).await;
        assert!(matches!(error, Error::ClosedAtOnce), "{error:?}");
    });
}
