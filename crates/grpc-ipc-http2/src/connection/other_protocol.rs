//! Detects peers that do not speak HTTP/2 by the first bytes that they send.

use crate::Error;
use crate::frame::{Head, PREFACE, flag, kind};

/// Fails if the server's bytes do not begin with SETTINGS, the first frame of every HTTP/2 server ([RFC 9113, section
/// 3.4](https://www.rfc-editor.org/rfc/rfc9113#section-3.4)).
pub(super) fn check_server(sent: &[u8]) -> Result<(), Error> {
    const HTTP_1: &[u8] = b"HTTP/1.1";

    let name = match sent {
        [] | [0x15 | 0x16] => return Ok(()),
        _ if is_tls(sent) => "the server speaks TLS",
        _ if HTTP_1.starts_with(sent) => return Ok(()),
        _ if sent.starts_with(HTTP_1) => {
            "the server does not speak HTTP/2 (it answered with HTTP/1.1); is it a gRPC server?"
        }
        _ if is_settings(sent) => return Ok(()),
        _ => "the server does not speak HTTP/2; is it a gRPC server?",
    };
    Err(Error::NotHttp2(name))
}

/// Fails if the client's bytes do not begin with the preface. An HTTP/1.1 request is detected as soon as its method is
/// complete, so the error does not depend on how the bytes are split.
pub(super) fn check_client(sent: &[u8]) -> Result<(), Error> {
    let begin = &sent[..sent.len().min(PREFACE.len())];
    let method = begin.iter().take_while(|byte| byte.is_ascii_uppercase()).count();
    let name = match begin {
        _ if PREFACE.starts_with(begin) => return Ok(()),
        // A TLS handshake record.
        [0x16, ..] => "the client speaks TLS",
        [b'P', b'R', b'I', b' ', ..] => "the client does not speak HTTP/2",
        _ if method == begin.len() && method < PREFACE.len() => return Ok(()),
        _ if method > 0 && begin.get(method) == Some(&b' ') => {
            "the client does not speak HTTP/2 (it sent a request of HTTP/1.1)"
        }
        _ => "the client does not speak HTTP/2",
    };
    Err(Error::NotHttp2(name))
}

/// Whether this is a TLS alert or handshake ([RFC 8446, section
/// 5.1](https://www.rfc-editor.org/rfc/rfc8446#section-5.1)).
fn is_tls(sent: &[u8]) -> bool {
    matches!(sent, [0x15 | 0x16, 0x03, ..])
}

/// Whether this can be the first frame of a server. No server has 64 KiB of settings.
fn is_settings(sent: &[u8]) -> bool {
    let head = sent.first_chunk().map(Head::parse);
    sent[0] == 0 && head.is_none_or(|head| head.kind == kind::SETTINGS && !head.has(flag::ACK))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The first error when the bytes come one by one. It is the same when they come at once.
    fn told(check: fn(&[u8]) -> Result<(), Error>, sent: &[u8]) -> Option<String> {
        let told = |length: usize| check(&sent[..length]).err().map(|error| error.to_string());
        let first = (0..=sent.len()).find_map(told);
        assert_eq!(first, told(sent.len()), "{sent:?}");
        first
    }

    #[test]
    fn a_server_is_known_by_its_first_bytes() {
        let cases: [(&[u8], Option<&str>); 6] = [
            (&[0, 0, 6, 4, 0, 0, 0, 0, 0], None),
            (b"HTTP/1.1 400", Some("it answered with HTTP/1.1")),
            (b"HTTP/1.0 400", Some("does not speak HTTP/2")),
            (&[0x15, 3, 3, 0, 2, 2, 50], Some("speaks TLS")),
            (b"SSH-2.0-", Some("does not speak HTTP/2")),
            (&[0, 0, 8, 6, 0, 0, 0, 0, 0], Some("does not speak HTTP/2")),
        ];
        for (sent, expected) in cases {
            let told = told(check_server, sent);
            assert_eq!(told.is_some(), expected.is_some(), "{sent:?}: {told:?}");
            assert!(told.is_none_or(|told| expected.is_some_and(|text| told.contains(text))), "{sent:?}");
        }
    }

    #[test]
    fn a_client_is_known_by_its_first_bytes() {
        const HTTP_1: &str = "the client does not speak HTTP/2 (it sent a request of HTTP/1.1)";
        const OTHER: &str = "the client does not speak HTTP/2";
        let cases: [(&[u8], Option<&str>); 10] = [
            (PREFACE, None),
            (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0", None),
            (b"GET / HTTP/1.1\r\n", Some(HTTP_1)),
            (b"POST /x HTTP/1.1\r\n", Some(HTTP_1)),
            (b"PRI * HTTP/1.1\r\n", Some(OTHER)),
            (&[0x16, 3, 1], Some("the client speaks TLS")),
            (&[0x16, 9], Some("the client speaks TLS")),
            (b" x", Some(OTHER)),
            (b"EHLO\r\n", Some(OTHER)),
            (b"ABCDEFGHIJKLMNOPQRSTUVWXYZ X", Some(OTHER)),
        ];
        for (sent, expected) in cases {
            assert_eq!(told(check_client, sent).as_deref(), expected, "{sent:?}");
        }
    }
}
