//! Peers that do not speak HTTP/2, told by the first bytes that they send.

use crate::Error;
use crate::frame::{Head, flag, kind};

/// Fails if what a server has sent is not the beginning of SETTINGS, with which each server of HTTP/2 begins
/// ([RFC 9113, section 3.4](https://www.rfc-editor.org/rfc/rfc9113#section-3.4)).
pub(super) fn check_server(sent: &[u8]) -> Result<(), Error> {
    const HTTP_1: &[u8] = b"HTTP/1.1";

    let name = match sent {
        [] | [0x15 | 0x16] => return Ok(()),
        _ if is_tls(sent) => "the server speaks TLS",
        _ if HTTP_1.starts_with(sent) => return Ok(()),
        _ if sent.starts_with(HTTP_1) => {
            "the server does not speak HTTP/2 (it answered with HTTP/1.1); does a gRPC server listen there?"
        }
        _ if is_settings(sent) => return Ok(()),
        _ => "the server does not speak HTTP/2; does a gRPC server listen there?",
    };
    Err(Error::NotHttp2(name))
}

/// What a client speaks whose first bytes are not those of HTTP/2.
pub(super) fn of_client(sent: &[u8]) -> Error {
    let method = sent.iter().take_while(|byte| byte.is_ascii_uppercase()).count();
    Error::NotHttp2(match sent.get(method) {
        _ if is_tls(sent) || sent == [0x16] => "the client speaks TLS",
        Some(b' ') if method > 0 => "the client does not speak HTTP/2 (it sent a request of HTTP/1.1)",
        _ => "the client does not speak HTTP/2",
    })
}

/// An alert, or the handshake ([RFC 8446, section 5.1](https://www.rfc-editor.org/rfc/rfc8446#section-5.1)).
fn is_tls(sent: &[u8]) -> bool {
    matches!(sent, [0x15 | 0x16, 0x03, ..])
}

/// Whether this can be the first frame of a server. No server has so many settings that they need 64 KiB.
fn is_settings(sent: &[u8]) -> bool {
    let head = sent.first_chunk().map(Head::parse);
    sent[0] == 0 && head.is_none_or(|head| head.kind == kind::SETTINGS && !head.has(flag::ACK))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_is_known_by_its_first_bytes_however_few_come() {
        let told = |sent: &[u8]| check_server(sent).err().map(|error| error.to_string());
        let cases: [(&[u8], Option<&str>); 5] = [
            (&[0, 0, 6, 4, 0, 0, 0, 0, 0], None),
            (b"HTTP/1.1 400", Some("it answered with HTTP/1.1")),
            (&[0x15, 3, 3, 0, 2, 2, 50], Some("speaks TLS")),
            (b"SSH-2.0-", Some("does not speak HTTP/2")),
            (&[0, 0, 8, 6, 0, 0, 0, 0, 0], Some("does not speak HTTP/2")),
        ];
        for (sent, expected) in cases {
            let first = (0..=sent.len()).find_map(|length| told(&sent[..length]));
            assert_eq!(first.is_some(), expected.is_some(), "{sent:?}: {first:?}");
            assert!(expected.is_none_or(|text| first.is_some_and(|first| first.contains(text))), "{sent:?}");
        }
    }

    #[test]
    fn a_client_is_known_by_its_first_bytes() {
        let cases: [(&[u8], &str); 5] = [
            (b"GET / HTTP/1.1\r\n", "the client does not speak HTTP/2 (it sent a request of HTTP/1.1)"),
            (b"POST /x HTTP/1.1\r\n", "the client does not speak HTTP/2 (it sent a request of HTTP/1.1)"),
            (&[0x16, 3, 1], "the client speaks TLS"),
            (&[0x16], "the client speaks TLS"),
            (b" x", "the client does not speak HTTP/2"),
        ];
        for (sent, expected) in cases {
            assert_eq!(of_client(sent).to_string(), expected);
        }
    }
}
