//! The answers of a server to a client that it does not serve, sent before it closes the connection.
//!
//! They are HTTP/1.1 responses, which can be sent without reading any of the client's bytes. HTTP/2 has nothing that
//! gRPC's clients treat as final: after SETTINGS and GOAWAY, C-core and grpc-go count the connection as established and
//! connect again at once. With an HTTP/1.1 response, the attempt to connect fails. The error in C-core has gRPC's code
//! for the [HTTP status](https://github.com/grpc/grpc/blob/master/doc/http-grpc-status-mapping.md).

use crate::Error;

macro_rules! response {
    ($status:literal, $text:literal) => {
        concat!(
            "HTTP/1.1 ",
            $status,
            "\r\ncontent-type: text/plain\r\nconnection: close\r\n\r\n",
            $text,
            "\n"
        )
        .as_bytes()
    };
}

/// The server refuses this client: status 403. A client of this crate fails with [`Error::Forbidden`].
pub const FORBIDDEN: &[u8] = response!("403 Forbidden", "this server refuses this user");

/// This client has too many connections: status 429. A client of this crate fails with [`Error::TooManyConnections`].
pub const TOO_MANY_CONNECTIONS: &[u8] =
    response!("429 Too Many Requests", "this user has too many connections to this server");

const START: &[u8] = b"HTTP/1.1 ";
const STATUS: usize = 3;

/// Whether the received bytes may be the beginning of such an answer.
pub(crate) fn may_be(input: &[u8]) -> bool {
    let length = input.len().min(START.len());
    length > 0 && input.len() < START.len() + STATUS && input[..length] == START[..length]
}

/// The error in the answer, if it is one.
pub(crate) fn parse(input: &[u8]) -> Option<Error> {
    match input.strip_prefix(START)?.first_chunk::<STATUS>()? {
        b"403" => Some(Error::Forbidden),
        b"429" => Some(Error::TooManyConnections),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_told_apart_from_other_beginnings() {
        for length in 1..12 {
            assert!(may_be(&FORBIDDEN[..length]) && parse(&FORBIDDEN[..length]).is_none(), "{length}");
        }
        assert!(matches!(parse(FORBIDDEN), Some(Error::Forbidden)));
        assert!(matches!(parse(TOO_MANY_CONNECTIONS), Some(Error::TooManyConnections)));
        for other in [&b""[..], b"HTTP/1.0 403 Forbidden", b"HTTP/1.1 400 Bad Request", &[0, 0, 0, 4]] {
            assert!(!may_be(other) && parse(other).is_none());
        }
    }
}
