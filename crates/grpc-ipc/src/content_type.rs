use http::HeaderMap;
use http::header::CONTENT_TYPE;

/// Whether a message is gRPC: `application/grpc`, optionally with a suffix or parameters ([gRPC over
/// HTTP/2](https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md)). gRPC-Web is not.
pub(crate) fn is_grpc(headers: &HeaderMap) -> bool {
    const GRPC: &[u8] = b"application/grpc";

    // Calls have few fields, so comparing each costs less than hashing the name.
    let Some((_, value)) = headers.iter().find(|(name, _)| *name == CONTENT_TYPE) else { return false };
    let Some((name, rest)) = value.as_bytes().split_at_checked(GRPC.len()) else { return false };
    name.eq_ignore_ascii_case(GRPC) && matches!(rest, [] | [b'+' | b';' | b' ', ..])
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    #[test]
    fn grpc_has_suffixes_and_parameters() {
        let is = |value: &'static str| {
            is_grpc(&HeaderMap::from_iter([(CONTENT_TYPE, HeaderValue::from_static(value))]))
        };
        for grpc in
            ["application/grpc", "application/grpc+proto", "application/grpc;x=y", "Application/GRPC ; x=y"]
        {
            assert!(is(grpc), "{grpc}");
        }
        for other in [
            "",
            "text/html",
            "application/grp",
            "application/grpc-web",
            "application/grpcx",
            "application/json",
        ] {
            assert!(!is(other), "{other}");
        }
        assert!(!is_grpc(&HeaderMap::new()));
    }
}
