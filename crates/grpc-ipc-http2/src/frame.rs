//! Frames on the wire ([RFC 9113, sections 4 and 6](https://www.rfc-editor.org/rfc/rfc9113#section-4)).

use crate::Reason;

/// The preface that a client sends first ([section 3.4](https://www.rfc-editor.org/rfc/rfc9113#section-3.4)).
pub(crate) const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// The length of a frame's head.
pub(crate) const HEAD: usize = 9;

/// The longest frame that every peer accepts.
pub(crate) const MIN_MAX_FRAME_SIZE: u32 = 16_384;
pub(crate) const MAX_MAX_FRAME_SIZE: u32 = 16_777_215;
/// The largest window.
pub(crate) const MAX_WINDOW: u32 = 0x7fff_ffff;
/// The initial window of a stream, and of a connection.
pub(crate) const DEFAULT_WINDOW: u32 = 65_535;

pub(crate) mod kind {
    pub(crate) const DATA: u8 = 0;
    pub(crate) const HEADERS: u8 = 1;
    pub(crate) const PRIORITY: u8 = 2;
    pub(crate) const RST_STREAM: u8 = 3;
    pub(crate) const SETTINGS: u8 = 4;
    pub(crate) const PUSH_PROMISE: u8 = 5;
    pub(crate) const PING: u8 = 6;
    pub(crate) const GOAWAY: u8 = 7;
    pub(crate) const WINDOW_UPDATE: u8 = 8;
    pub(crate) const CONTINUATION: u8 = 9;
}

pub(crate) mod flag {
    pub(crate) const ACK: u8 = 0x1;
    pub(crate) const END_STREAM: u8 = 0x1;
    pub(crate) const END_HEADERS: u8 = 0x4;
    pub(crate) const PADDED: u8 = 0x8;
    pub(crate) const PRIORITY: u8 = 0x20;
}

pub(crate) mod setting {
    pub(crate) const HEADER_TABLE_SIZE: u16 = 1;
    pub(crate) const ENABLE_PUSH: u16 = 2;
    pub(crate) const MAX_CONCURRENT_STREAMS: u16 = 3;
    pub(crate) const INITIAL_WINDOW_SIZE: u16 = 4;
    pub(crate) const MAX_FRAME_SIZE: u16 = 5;
    pub(crate) const MAX_HEADER_LIST_SIZE: u16 = 6;
}

/// The head of a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Head {
    pub(crate) length: u32,
    pub(crate) kind: u8,
    pub(crate) flags: u8,
    pub(crate) stream: u32,
}

impl Head {
    pub(crate) fn parse(bytes: &[u8; HEAD]) -> Self {
        let [l0, l1, l2, kind, flags, s0, s1, s2, s3] = *bytes;
        Self {
            length: u32::from_be_bytes([0, l0, l1, l2]),
            kind,
            flags,
            // The highest bit is reserved, and ignored.
            stream: u32::from_be_bytes([s0, s1, s2, s3]) & MAX_WINDOW,
        }
    }

    pub(crate) fn bytes(self) -> [u8; HEAD] {
        let [_, l0, l1, l2] = self.length.to_be_bytes();
        let [s0, s1, s2, s3] = self.stream.to_be_bytes();
        [l0, l1, l2, self.kind, self.flags, s0, s1, s2, s3]
    }

    pub(crate) fn has(self, flag: u8) -> bool {
        self.flags & flag != 0
    }
}

fn head(length: u32, kind: u8, flags: u8, stream: u32) -> [u8; HEAD] {
    Head { length, kind, flags, stream }.bytes()
}

pub(crate) fn write_data_head(out: &mut Vec<u8>, stream: u32, length: u32, end_stream: bool) {
    let flags = if end_stream { flag::END_STREAM } else { 0 };
    out.extend_from_slice(&head(length, kind::DATA, flags, stream));
}

/// Writes HEADERS, and CONTINUATION if the block is longer than `max_frame_size`.
pub(crate) fn write_headers(
    out: &mut Vec<u8>,
    stream: u32,
    block: &[u8],
    end_stream: bool,
    max_frame_size: u32,
) {
    let end_stream = if end_stream { flag::END_STREAM } else { 0 };
    let max = max_frame_size as usize;
    if block.len() <= max {
        let flags = flag::END_HEADERS | end_stream;
        out.extend_from_slice(&head(block.len() as u32, kind::HEADERS, flags, stream));
        out.extend_from_slice(block);
        return;
    }
    let mut chunks = block.chunks(max).peekable();
    let (mut kind, mut flags) = (kind::HEADERS, end_stream);
    while let Some(chunk) = chunks.next() {
        if chunks.peek().is_none() {
            flags |= flag::END_HEADERS;
        }
        out.extend_from_slice(&head(chunk.len() as u32, kind, flags, stream));
        out.extend_from_slice(chunk);
        (kind, flags) = (kind::CONTINUATION, 0);
    }
}

pub(crate) fn write_reset(out: &mut Vec<u8>, stream: u32, reason: Reason) {
    out.extend_from_slice(&head(4, kind::RST_STREAM, 0, stream));
    out.extend_from_slice(&reason.code().to_be_bytes());
}

pub(crate) fn write_settings(out: &mut Vec<u8>, settings: &[(u16, u32)]) {
    out.extend_from_slice(&head(6 * settings.len() as u32, kind::SETTINGS, 0, 0));
    for (id, value) in settings {
        out.extend_from_slice(&id.to_be_bytes());
        out.extend_from_slice(&value.to_be_bytes());
    }
}

pub(crate) fn write_settings_ack(out: &mut Vec<u8>) {
    out.extend_from_slice(&head(0, kind::SETTINGS, flag::ACK, 0));
}

pub(crate) fn write_ping(out: &mut Vec<u8>, payload: [u8; 8], ack: bool) {
    out.extend_from_slice(&head(8, kind::PING, if ack { flag::ACK } else { 0 }, 0));
    out.extend_from_slice(&payload);
}

pub(crate) fn write_goaway(out: &mut Vec<u8>, last_stream: u32, reason: Reason, detail: &str) {
    out.extend_from_slice(&head(8 + detail.len() as u32, kind::GOAWAY, 0, 0));
    out.extend_from_slice(&last_stream.to_be_bytes());
    out.extend_from_slice(&reason.code().to_be_bytes());
    out.extend_from_slice(detail.as_bytes());
}

pub(crate) fn write_window_update(out: &mut Vec<u8>, stream: u32, increment: u32) {
    out.extend_from_slice(&head(4, kind::WINDOW_UPDATE, 0, stream));
    out.extend_from_slice(&increment.to_be_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rfc9113_4_1_a_head_is_nine_octets_and_its_reserved_bit_is_ignored() {
        let head = Head { length: 0x01_02_03, kind: 1, flags: 5, stream: 7 };
        let mut bytes = head.bytes();
        assert_eq!(bytes, [1, 2, 3, 1, 5, 0, 0, 0, 7]);
        bytes[5] |= 0x80;
        assert_eq!(Head::parse(&bytes), head);
    }

    #[test]
    fn rfc9113_4_3_a_long_block_goes_on_in_continuations() {
        let mut out = Vec::new();
        write_headers(&mut out, 1, b"abcdefgh", true, 3);
        let mut frames = Vec::new();
        let mut rest = &out[..];
        while let Some((bytes, after)) = rest.split_first_chunk() {
            let head = Head::parse(bytes);
            let (payload, after) = after.split_at(head.length as usize);
            frames.push((head.kind, head.flags, payload));
            rest = after;
        }
        assert_eq!(
            frames,
            [
                (kind::HEADERS, flag::END_STREAM, &b"abc"[..]),
                (kind::CONTINUATION, 0, b"def"),
                (kind::CONTINUATION, flag::END_HEADERS, b"gh"),
            ]
        );
    }

    #[test]
    fn frames_have_the_octets_of_the_rfc() {
        let written = |write: &dyn Fn(&mut Vec<u8>)| {
            let mut out = Vec::new();
            write(&mut out);
            out
        };
        assert_eq!(written(&|out| write_data_head(out, 3, 5, true)), [0, 0, 5, 0, 1, 0, 0, 0, 3]);
        assert_eq!(
            written(&|out| write_reset(out, 1, Reason::CANCEL)),
            [0, 0, 4, 3, 0, 0, 0, 0, 1, 0, 0, 0, 8]
        );
        assert_eq!(
            written(&|out| write_settings(out, &[(setting::ENABLE_PUSH, 0)])),
            [0, 0, 6, 4, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0, 0]
        );
        assert_eq!(written(&write_settings_ack), [0, 0, 0, 4, 1, 0, 0, 0, 0]);
        assert_eq!(
            written(&|out| write_ping(out, *b"12345678", true)),
            [0, 0, 8, 6, 1, 0, 0, 0, 0, b'1', b'2', b'3', b'4', b'5', b'6', b'7', b'8']
        );
        assert_eq!(
            written(&|out| write_goaway(out, 5, Reason::PROTOCOL_ERROR, "x")),
            [0, 0, 9, 7, 0, 0, 0, 0, 0, 0, 0, 0, 5, 0, 0, 0, 1, b'x']
        );
        assert_eq!(written(&|out| write_window_update(out, 0, 256)), [0, 0, 4, 8, 0, 0, 0, 0, 0, 0, 0, 1, 0]);
    }
}
