//! The bytes of a peer. They are mostly valid, so that the connection lasts.

use super::script::Script;
use crate::Reason;
use crate::connection::Role;
use crate::frame::{self, HEAD, Head, MAX_WINDOW, PREFACE, flag, kind, setting};
use crate::hpack::{Encoder, Indexing};

/// A peer that follows a script.
pub(super) struct Peer {
    /// The role of this peer.
    role: Role,
    encoder: Encoder,
    /// The id after the last stream that it has opened or answered.
    next: u32,
    /// Whether it does not speak HTTP/2 at all.
    raw: bool,
}

type Field = (&'static [u8], &'static [u8]);

const METHODS: [&[u8]; 5] = [b"POST", b"GET", b"OPTIONS", b"CONNECT", b"A B"];
const SCHEMES: [&[u8]; 4] = [b"http", b"https", b"", b"unix"];
const AUTHORITIES: [&[u8]; 5] = [b"localhost", b"", b"%2ftmp%2fsocket", b"a@b:1", b"/tmp/socket"];
const PATHS: [&[u8]; 8] = [b"/echo", b"/collect", b"/head", b"/big", b"/late", b"*", b"", b"no slash"];
const STATUSES: [&[u8]; 8] = [b"200", b"100", b"101", b"204", b"304", b"404", b"999", b"x"];
const FIELDS: [Field; 20] = [
    (b"content-type", b"application/grpc"),
    (b"te", b"trailers"),
    (b"grpc-status", b"0"),
    (b"grpc-timeout", b"1S"),
    (b"grpc-timeout", b"1n"),
    (b"content-length", b"0"),
    (b"content-length", b"5"),
    (b"content-length", b"-"),
    (b"x-bin", b"AAAA"),
    (b"x-empty", b""),
    (b"cookie", b"a=b"),
    (b"x-latin", b"\xe9"),
    (b"te", b"gzip"),
    (b"connection", b"close"),
    (b"host", b"elsewhere"),
    (b"X-Upper", b"a"),
    (b":path", b"/late"),
    (b":unknown", b"a"),
    (b"x-control", b"\0"),
    (b"expect", b"100-continue"),
];
const LENGTHS: [usize; 12] = [0, 1, 5, 100, 1023, 1024, 4096, 16_384, 16_385, 65_535, 65_536, 65_537];
const NUMBERS: [u32; 14] = [
    0,
    1,
    2,
    100,
    4096,
    16_383,
    16_384,
    65_535,
    65_536,
    1 << 20,
    0x00ff_ffff,
    MAX_WINDOW,
    MAX_WINDOW + 1,
    u32::MAX,
];

impl Peer {
    /// Creates the peer of `role`, and its first bytes, which are rarely invalid.
    pub(super) fn of(role: Role, script: &mut Script<'_>) -> (Self, Vec<u8>) {
        let role = match role {
            Role::Server => Role::Client,
            Role::Client => Role::Server,
        };
        let mode = script.below(8);
        let peer = Self { role, encoder: Encoder::new(), next: 1, raw: mode < 2 };
        let mut hello = Vec::new();
        if mode > 0 && role == Role::Client {
            hello.extend_from_slice(PREFACE);
        }
        if mode > 2 {
            frame::write_settings(&mut hello, &[]);
        }
        (peer, hello)
    }

    /// Creates a client, with its valid first bytes.
    pub(super) fn client() -> (Self, Vec<u8>) {
        let mut hello = PREFACE.to_vec();
        frame::write_settings(&mut hello, &[]);
        (Self { role: Role::Client, encoder: Encoder::new(), next: 1, raw: false }, hello)
    }

    /// The next bytes.
    pub(super) fn next(&mut self, script: &mut Script<'_>) -> Vec<u8> {
        let mut out = Vec::new();
        if self.raw {
            out.extend_from_slice(script.bytes());
            return out;
        }
        match script.below(24) {
            0..=4 => self.begin(script, &mut out),
            5..=8 => self.data(script, &mut out),
            9..=10 => self.trailers(script, &mut out),
            11 => settings(script, &mut out),
            12 => frame::write_settings_ack(&mut out),
            13..=14 => {
                let increment = script.pick(&NUMBERS);
                frame::write_window_update(&mut out, self.stream(script), increment);
            }
            15..=16 => {
                let reason = Reason::from(script.below(16) as u32);
                frame::write_reset(&mut out, self.stream(script), reason);
            }
            17 => frame::write_ping(&mut out, script.pick(&[*b"12345678", *b"goodbye!"]), script.flag()),
            18 => {
                let reason = Reason::from(script.below(16) as u32);
                frame::write_goaway(&mut out, self.stream(script), reason, "detail");
            }
            19 => self.any_frame(script, &mut out),
            20 => out.extend_from_slice(script.bytes()),
            21 => self.ordinary(&mut out),
            _ => {
                let times = script.below(64);
                if times == 0 {
                    self.large(script, &mut out);
                    return out;
                }
                let what = self.next_once(script);
                out = what.repeat(times);
            }
        }
        out
    }

    /// The next bytes, for a step that may be repeated.
    fn next_once(&mut self, script: &mut Script<'_>) -> Vec<u8> {
        let mut out = Vec::new();
        match script.below(3) {
            0 => self.any_frame(script, &mut out),
            1 => {
                let stream = self.stream(script);
                let length = script.below(20);
                frame::write_data_head(&mut out, stream, length as u32, false);
                out.resize(out.len() + length, b'r');
            }
            _ => frame::write_ping(&mut out, *b"12345678", false),
        }
        out
    }

    /// A known stream, most of the time.
    fn stream(&mut self, script: &mut Script<'_>) -> u32 {
        let last = self.next.saturating_sub(2);
        match script.below(16) {
            0..=8 => last,
            9 => last.saturating_sub(2),
            10 => last.saturating_sub(4),
            11 => 0,
            12 => self.next,
            13 => self.next + 1,
            14 => MAX_WINDOW,
            _ => script.number(),
        }
    }

    /// A whole ordinary call, or the answer to one.
    fn ordinary(&mut self, out: &mut Vec<u8>) {
        self.ordinary_head(out);
        frame::write_data_head(out, self.next, 10, self.role == Role::Client);
        out.extend_from_slice(b"\0\0\0\0\x05xxxxx");
        if self.role == Role::Server {
            self.block(&[(b"grpc-status", b"0")], true, out);
        }
        self.next += 2;
    }

    /// The same, mostly with a large message in several frames, or with too little or too much data.
    fn large(&mut self, script: &mut Script<'_>, out: &mut Vec<u8>) {
        self.ordinary_head(out);
        let mut body = Vec::new();
        for _ in 0..script.pick(&[1, 1, 1, 2, 3]) {
            let length = script.pick(&[0, 100, 4091, 4092, 5000, 16_380, 20_000, 65_531, 70_000]);
            body.push(u8::from(script.rarely(32)));
            // The announced length may be wrong.
            let said = if script.rarely(16) { script.pick(&NUMBERS) } else { length as u32 };
            body.extend_from_slice(&said.to_be_bytes());
            body.resize(body.len() + length, script.byte());
        }
        let first = script.pick(&[16_384, 1, 5, 6, 100, 4095, 4096, 16_383]);
        let mut left = if script.rarely(4) { script.below(8) } else { usize::MAX };
        let mut rest = &body[..];
        let ends = script.below(4);
        let mut at_most = first;
        while !rest.is_empty() && left > 0 {
            let (piece, after) = rest.split_at(at_most.min(rest.len()));
            (rest, at_most, left) = (after, 16_384, left - 1);
            let is_last = rest.is_empty() && ends > 0 && self.role == Role::Client;
            frame::write_data_head(out, self.next, piece.len() as u32, is_last);
            out.extend_from_slice(piece);
            if script.rarely(16) {
                frame::write_ping(out, *b"between!", false);
            }
        }
        if ends == 0 || self.role == Role::Server && ends > 1 {
            self.block(&[(b"grpc-status", b"0")], true, out);
        }
        self.next += 2;
    }

    fn ordinary_head(&mut self, out: &mut Vec<u8>) {
        let head: &[Field] = match self.role {
            Role::Client => &[
                (b":method", b"POST"),
                (b":scheme", b"http"),
                (b":path", b"/echo"),
                (b"te", b"trailers"),
                (b"content-type", b"application/grpc"),
            ],
            Role::Server => &[(b":status", b"200"), (b"content-type", b"application/grpc")],
        };
        self.block(head, false, out);
    }

    fn block(&mut self, fields: &[Field], end_stream: bool, out: &mut Vec<u8>) {
        let mut block = Vec::new();
        self.encoder.begin(&mut block);
        for (name, value) in fields {
            self.encoder.encode(name, value, Indexing::Index, &mut block);
        }
        frame::write_headers(out, self.next, &block, end_stream, 16_384);
    }

    /// The head of a request, or of a response.
    fn begin(&mut self, script: &mut Script<'_>, out: &mut Vec<u8>) {
        let mut fields: Vec<Field> = Vec::new();
        match self.role {
            Role::Client => {
                let mut pseudo = |name: &'static [u8], values: &[&'static [u8]]| {
                    let value = script.below(values.len() + 4);
                    if value != values.len() + 3 {
                        fields.push((name, values.get(value).copied().unwrap_or(values[0])));
                    }
                };
                pseudo(b":method", &METHODS);
                pseudo(b":scheme", &SCHEMES);
                pseudo(b":authority", &AUTHORITIES);
                pseudo(b":path", &PATHS);
            }
            Role::Server => fields.push((b":status", script.pick(&STATUSES))),
        }
        add_fields(script, &mut fields);
        let stream = if script.rarely(16) { self.stream(script) } else { self.next };
        self.message(script, stream, &fields, out);
        if stream >= self.next {
            self.next = (stream | 1).saturating_add(2) & MAX_WINDOW;
        }
    }

    fn trailers(&mut self, script: &mut Script<'_>, out: &mut Vec<u8>) {
        let mut fields = vec![(&b"grpc-status"[..], &b"0"[..])];
        add_fields(script, &mut fields);
        let stream = self.stream(script);
        self.message(script, stream, &fields, out);
    }

    fn message(&mut self, script: &mut Script<'_>, stream: u32, fields: &[Field], out: &mut Vec<u8>) {
        let mut block = Vec::new();
        if script.rarely(32) {
            self.encoder.set_max_table_size(script.pick(&NUMBERS) as usize);
        }
        self.encoder.begin(&mut block);
        for (name, value) in fields {
            let indexing = script.pick(&[Indexing::Index, Indexing::No, Indexing::Never]);
            self.encoder.encode(name, value, indexing, &mut block);
        }
        if script.rarely(32) {
            block.extend_from_slice(script.bytes());
        }
        let end_stream = script.flag();
        match script.below(8) {
            0 => frame::write_headers(out, stream, &block, end_stream, script.below(20) as u32 + 1),
            1 => {
                let padding = script.byte();
                let flags = flag::END_HEADERS | flag::PADDED | flag::PRIORITY | u8::from(end_stream);
                let mut payload = vec![padding, 0, 0, 0, 0, 0];
                payload.extend_from_slice(&block);
                payload.resize(payload.len() + usize::from(padding), 0);
                write(out, kind::HEADERS, flags, stream, &payload);
            }
            _ => frame::write_headers(out, stream, &block, end_stream, 16_384),
        }
    }

    fn data(&mut self, script: &mut Script<'_>, out: &mut Vec<u8>) {
        let (stream, end_stream) = (self.stream(script), script.flag());
        let length = if script.rarely(4) { script.pick(&LENGTHS) } else { script.below(32) };
        if script.rarely(4) {
            let padding = script.byte();
            let mut payload = vec![padding];
            payload.resize(1 + length + usize::from(padding), b'p');
            write(out, kind::DATA, flag::PADDED | u8::from(end_stream), stream, &payload);
        } else {
            frame::write_data_head(out, stream, length as u32, end_stream);
            out.resize(out.len() + length, script.byte());
        }
    }

    fn any_frame(&mut self, script: &mut Script<'_>, out: &mut Vec<u8>) {
        let (kind, flags, stream) = (script.byte() % 12, script.byte(), self.stream(script));
        write(out, kind, flags, stream, script.bytes());
    }
}

fn add_fields(script: &mut Script<'_>, fields: &mut Vec<Field>) {
    for _ in 0..script.below(5) {
        // The first fields are valid.
        let end = if script.rarely(8) { FIELDS.len() } else { 5 };
        fields.push(FIELDS[script.below(end)]);
    }
}

fn settings(script: &mut Script<'_>, out: &mut Vec<u8>) {
    let mut settings = Vec::new();
    for _ in 0..script.below(4) {
        let id = script.pick(&[
            setting::HEADER_TABLE_SIZE,
            setting::ENABLE_PUSH,
            setting::MAX_CONCURRENT_STREAMS,
            setting::INITIAL_WINDOW_SIZE,
            setting::MAX_FRAME_SIZE,
            setting::MAX_HEADER_LIST_SIZE,
            9,
        ]);
        settings.push((id, script.pick(&NUMBERS)));
    }
    frame::write_settings(out, &settings);
}

fn write(out: &mut Vec<u8>, kind: u8, flags: u8, stream: u32, payload: &[u8]) {
    let head = Head { length: payload.len() as u32, kind, flags, stream };
    let head: [u8; HEAD] = head.bytes();
    out.extend_from_slice(&head);
    out.extend_from_slice(payload);
}
