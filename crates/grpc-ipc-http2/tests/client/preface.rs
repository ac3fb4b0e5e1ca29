//! RFC 9113, 3.4: the connection preface.

use super::{OK, failed, get};
use crate::util::client_without_preface;
use crate::util::engine::{Error, Options};
use crate::util::frame::{code, headers, kind, ping, setting, settings, settings_ack};

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
            super::expect_request(&mut peer, 1).await;
            peer.send(frame.clone()).await;
            peer.expect_goaway(&[code::PROTOCOL_ERROR]).await;
            let error = failed(call).await;
            assert!(matches!(error, Error::NotHttp2(_)), "{error:?}");
        });
    }
}

#[test]
fn rfc9113_3_4_a_server_of_another_protocol_is_a_connection_error() {
    let others: [(&[u8], &str); 5] = [
        (b"HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n", "(it answered with HTTP/1.1)"),
        (b"HTTP/1.0 400 Bad Request\r\n\r\n", "the server does not speak HTTP/2"),
        (b"SSH-2.0-OpenSSH_9.2\r\n", "the server does not speak HTTP/2"),
        (b"-ERR unknown command 'PRI'\r\n", "the server does not speak HTTP/2"),
        // Four octets with the length of a message.
        (b"\0\0\0\x10\0\0\0\0greeting", "the server does not speak HTTP/2"),
    ];
    for (octets, text) in others {
        client_without_preface(Options::new(), async |mut peer, client| {
            let call = get(&client);
            peer.expect_preface().await;
            super::expect_request(&mut peer, 1).await;
            peer.send_octets(octets).await;
            peer.expect_end().await;
            let error = failed(call).await;
            assert!(matches!(error, Error::NotHttp2(_)), "{error:?}");
            assert!(error.to_string().contains(text), "{error}");
        });
    }
}

#[test]
fn rfc9113_6_5_2_the_client_refuses_pushed_streams() {
    client_without_preface(Options::new(), async |mut peer, _client| {
        peer.greet_client(&[]).await;
        assert_eq!(peer.setting(setting::ENABLE_PUSH, 1), 0);
    });
}

/// The alert that a TLS server sends to a client without TLS
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
        assert_eq!(error.to_string(), "the server speaks TLS");
    });
}

/// For example, a server that refuses its client.
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
