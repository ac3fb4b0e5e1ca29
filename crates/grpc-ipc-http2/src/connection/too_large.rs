//! Replacements for metadata that exceeds the client's limit.

use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderValue};

use crate::encode::{OVERHEAD, Start, size};

const STATUS: &str = "grpc-status";
const MESSAGE: &str = "grpc-message";

/// Fields to send instead of `headers`, of at most `max_size` bytes if possible. A failed call keeps its code and as
/// much of its message as fits. Any other call ends with gRPC's status for metadata that is too large.
pub(super) fn instead_of(start: Start<'_>, headers: &HeaderMap, max_size: usize) -> HeaderMap {
    let mut fields = HeaderMap::with_capacity(3);
    if matches!(start, Start::Response(_)) {
        fields.insert(CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
    }
    let failed = headers.get(STATUS).filter(|status| *status != "0");
    let text = match failed {
        Some(_) => headers.get(MESSAGE).map_or(&[][..], HeaderValue::as_bytes),
        None => b"the metadata of the response is too large",
    };
    fields.insert(STATUS, failed.cloned().unwrap_or(HeaderValue::from_static("8")));
    let room = max_size.saturating_sub(size(start, "", &fields) + MESSAGE.len() + OVERHEAD);
    if let Ok(text) = HeaderValue::from_bytes(begin_of(text, room))
        && !text.is_empty()
    {
        fields.insert(MESSAGE, text);
    }
    fields
}

/// Truncates percent-encoded UTF-8 to at most `length` bytes, between two characters.
fn begin_of(text: &[u8], length: usize) -> &[u8] {
    if text.len() <= length {
        return text;
    }
    // A UTF-8 continuation byte is encoded as `%80` to `%BF`.
    let goes_on = |at: usize| matches!(text[at..], [b'%', b'8' | b'9' | b'a' | b'b' | b'A' | b'B', ..]);
    let in_escape = |at: usize| (1..=2).any(|back| at >= back && text[at - back] == b'%');
    let end = (0..=length).rev().find(|at| !in_escape(*at) && !goes_on(*at));
    text[..end.unwrap_or_default()].trim_ascii_end()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_cut_between_two_characters() {
        let text = b"a%E2%82%ACb c";
        let begins = (0..=text.len()).map(|length| begin_of(text, length));
        let expected: [&[u8]; 14] = [
            b"",
            b"a",
            b"a",
            b"a",
            b"a",
            b"a",
            b"a",
            b"a",
            b"a",
            b"a",
            b"a%E2%82%AC",
            b"a%E2%82%ACb",
            b"a%E2%82%ACb",
            b"a%E2%82%ACb c",
        ];
        assert!(begins.eq(expected));
    }
}
