//! Frames as octets, built without an engine's checks.

use super::hpack::{Fields, literals};

/// Frame types (RFC 9113, 6).
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

/// Error codes (RFC 9113, 7).
pub(crate) mod code {
    pub(crate) const NO_ERROR: u32 = 0x0;
    pub(crate) const PROTOCOL_ERROR: u32 = 0x1;
    pub(crate) const INTERNAL_ERROR: u32 = 0x2;
    pub(crate) const FLOW_CONTROL_ERROR: u32 = 0x3;
    pub(crate) const STREAM_CLOSED: u32 = 0x5;
    pub(crate) const FRAME_SIZE_ERROR: u32 = 0x6;
    pub(crate) const REFUSED_STREAM: u32 = 0x7;
    pub(crate) const CANCEL: u32 = 0x8;
    pub(crate) const COMPRESSION_ERROR: u32 = 0x9;
    pub(crate) const ENHANCE_YOUR_CALM: u32 = 0xb;
}

/// Settings (RFC 9113, 6.5.2).
pub(crate) mod setting {
    pub(crate) const HEADER_TABLE_SIZE: u16 = 1;
    pub(crate) const ENABLE_PUSH: u16 = 2;
    pub(crate) const MAX_CONCURRENT_STREAMS: u16 = 3;
    pub(crate) const INITIAL_WINDOW_SIZE: u16 = 4;
    pub(crate) const MAX_FRAME_SIZE: u16 = 5;
    pub(crate) const MAX_HEADER_LIST_SIZE: u16 = 6;
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Frame {
    pub(crate) kind: u8,
    pub(crate) flags: u8,
    /// With the reserved bit.
    pub(crate) stream: u32,
    pub(crate) payload: Vec<u8>,
    /// The field section of a HEADERS frame. For a received one, it includes that of its CONTINUATION frames.
    pub(crate) fields: Fields,
}

impl Frame {
    pub(crate) fn new(kind: u8, flags: u8, stream: u32, payload: impl Into<Vec<u8>>) -> Self {
        Self { kind, flags, stream, payload: payload.into(), fields: Fields::new() }
    }

    pub(crate) fn has(&self, flag: u8) -> bool {
        self.flags & flag != 0
    }

    /// Adds flags.
    pub(crate) fn with(mut self, flags: u8) -> Self {
        self.flags |= flags;
        self
    }

    pub(crate) fn end_stream(self) -> Self {
        self.with(flag::END_STREAM)
    }

    /// Without END_HEADERS: a CONTINUATION follows.
    pub(crate) fn unfinished(mut self) -> Self {
        self.flags &= !flag::END_HEADERS;
        self
    }

    pub(crate) fn padded(mut self, padding: u8) -> Self {
        self.payload.insert(0, padding);
        self.payload.extend(vec![0; padding.into()]);
        self.with(flag::PADDED)
    }

    /// Adds the fields that the PRIORITY flag announces.
    pub(crate) fn prioritized(mut self, dependency: u32, weight: u8) -> Self {
        let fields = [&dependency.to_be_bytes()[..], &[weight]].concat();
        self.payload.splice(..0, fields);
        self.with(flag::PRIORITY)
    }

    pub(crate) fn encode(&self) -> Vec<u8> {
        let length = u32::try_from(self.payload.len()).unwrap().to_be_bytes();
        let mut octets = length[1..].to_vec();
        octets.extend([self.kind, self.flags]);
        octets.extend(self.stream.to_be_bytes());
        octets.extend(&self.payload);
        octets
    }

    /// The integer at this place of the payload.
    pub(crate) fn u32(&self, at: usize) -> u32 {
        u32::from_be_bytes(self.payload[at..at + 4].try_into().unwrap())
    }
}

pub(crate) fn data(stream: u32, payload: impl Into<Vec<u8>>) -> Frame {
    Frame::new(kind::DATA, 0, stream, payload)
}

pub(crate) fn headers<'a>(stream: u32, fields: impl IntoIterator<Item = &'a (&'a str, &'a str)>) -> Frame {
    let fields: Vec<_> = fields.into_iter().copied().collect();
    let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
    Frame { fields: fields.iter().map(owned).collect(), ..headers_of(stream, literals(&fields)) }
}

/// HEADERS with an encoded field block.
pub(crate) fn headers_of(stream: u32, block: impl Into<Vec<u8>>) -> Frame {
    Frame::new(kind::HEADERS, flag::END_HEADERS, stream, block)
}

pub(crate) fn continuation(stream: u32, block: impl Into<Vec<u8>>) -> Frame {
    Frame::new(kind::CONTINUATION, flag::END_HEADERS, stream, block)
}

pub(crate) fn priority(stream: u32, dependency: u32, weight: u8) -> Frame {
    let fields = [&dependency.to_be_bytes()[..], &[weight]].concat();
    Frame::new(kind::PRIORITY, 0, stream, fields)
}

pub(crate) fn rst_stream(stream: u32, code: u32) -> Frame {
    Frame::new(kind::RST_STREAM, 0, stream, code.to_be_bytes())
}

pub(crate) fn settings(values: &[(u16, u32)]) -> Frame {
    let octets =
        values.iter().flat_map(|(id, value)| id.to_be_bytes().into_iter().chain(value.to_be_bytes()));
    Frame::new(kind::SETTINGS, 0, 0, octets.collect::<Vec<u8>>())
}

pub(crate) fn settings_ack() -> Frame {
    settings(&[]).with(flag::ACK)
}

pub(crate) fn push_promise<'a>(
    stream: u32,
    promised: u32,
    fields: impl IntoIterator<Item = &'a (&'a str, &'a str)>,
) -> Frame {
    let payload = [promised.to_be_bytes().to_vec(), literals(fields)].concat();
    Frame::new(kind::PUSH_PROMISE, flag::END_HEADERS, stream, payload)
}

pub(crate) fn ping(octets: [u8; 8]) -> Frame {
    Frame::new(kind::PING, 0, 0, octets)
}

pub(crate) fn goaway(last_stream: u32, code: u32) -> Frame {
    Frame::new(kind::GOAWAY, 0, 0, [last_stream.to_be_bytes(), code.to_be_bytes()].concat())
}

pub(crate) fn window_update(stream: u32, increment: u32) -> Frame {
    Frame::new(kind::WINDOW_UPDATE, 0, stream, increment.to_be_bytes())
}
