//! The answers of a server that serves a client no HTTP/2: what it says before it closes the connection.
//!
//! They are responses of HTTP/1.1, which can be sent without reading a byte of the client's. There is nothing of the kind
//! in HTTP/2 that gRPC's clients take for the end: after SETTINGS and GOAWAY C-core and grpc-go count the connection as
//! established, and make the next one at once. With these the attempt to connect has failed; C-core's error has the code
//! that gRPC gives to the [status](https://github.com/grpc/grpc/blob/master/doc/http-grpc-status-mapping.md).

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

/// This client may not call: status 403. A client of this crate fails with [`Error::Forbidden`].
pub const FORBIDDEN: &[u8] = response!("403 Forbidden", "this server refuses this user");

/// This client has too many connections: status 429. A client of this crate fails with [`Error::TooManyConnections`].
pub const TOO_MANY_CONNECTIONS: &[u8] =
    response!("429 Too Many Requests", "this user has too many connections to this server");

const START: &[u8] = b"HTTP/1.1 ";
const STATUS: usize = 3;

/// Whether what has come may be the beginning of such an answer.
pub(crate) fn may_be(input: &[u8]) -> bool {
    let length = input.len().min(START.len());
    length > 0 && input.len() < START.len() + STATUS && input[..length] == START[..length]
}

/// What it says, if it is one.
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
