use http::header::USER_AGENT;
use http::{HeaderMap, HeaderName, Method, StatusCode};

use crate::connection::direct::BETWEEN;
use crate::direct;
use crate::frame;
use crate::hpack::{Encoder, Indexing};
use crate::message::is_connection_specific;

/// What stands in a block of headers before the fields.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Start<'a> {
    Request { method: &'a Method, scheme: &'a str, authority: &'a str, path: &'a str },
    Response(StatusCode),
    Trailers,
}

/// The fields that stand before metadata, in which they are then left out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Own {
    /// None: everything is among the headers.
    Nothing,
    /// Those of a request of gRPC.
    Request,
    /// Those of a response of gRPC.
    Response,
}

/// Makes blocks of headers of messages, and knows those that it made before.
pub(crate) struct MessageEncoder {
    encoder: Encoder,
    known: Vec<Known>,
    next: usize,
    templates: Vec<Template>,
    /// The one in which they all were made.
    templates_generation: u64,
    /// The hashes of fields that were sent once: what is not sent again does not get into the table.
    seen: [u64; SEEN],
    next_seen: usize,
    /// Whether all fields of the block have been sent before.
    all_seen: bool,
    block: Vec<u8>,
}

/// A block that says the same for as long as the encoder is in the same generation.
struct Known {
    generation: u64,
    start: OwnedStart,
    own: Own,
    headers: HeaderMap,
    block: Vec<u8>,
    size: usize,
}

/// HEADERS that are sent again and again, and are found by a key.
struct Template {
    key: usize,
    /// The frame, on no stream; [`BETWEEN`] follows if there is DATA to come.
    frame: Box<[u8]>,
    size: usize,
}

/// What a template is for.
#[derive(Clone, Copy, Debug)]
pub(crate) enum TemplateKey {
    Method(&'static direct::Method),
    Response,
    Trailers,
}

impl TemplateKey {
    /// No method is at one of the first addresses.
    fn number(self) -> usize {
        match self {
            Self::Method(method) => std::ptr::from_ref(method).addr(),
            Self::Response => 1,
            Self::Trailers => 2,
        }
    }
}

enum OwnedStart {
    Request { method: Method, scheme: Box<str>, authority: Box<str>, path: Box<str> },
    Response(StatusCode),
    Trailers,
}

const KNOWN: usize = 16;
const TEMPLATES: usize = 32;
const SEEN: usize = 64;
/// Larger sections are not kept.
const MAX_KNOWN_SIZE: usize = 2048;
/// What a client says of itself if its caller says nothing
/// ([gRPC over HTTP/2](https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md#user-agents)).
const AGENT: &str = concat!("grpc-rust-ipc/", env!("CARGO_PKG_VERSION"));
/// What HPACK counts for a field beside its name and value.
pub(crate) const OVERHEAD: usize = 32;

impl MessageEncoder {
    pub(crate) fn new() -> Self {
        Self {
            encoder: Encoder::new(),
            known: Vec::new(),
            next: 0,
            templates: Vec::new(),
            templates_generation: 0,
            seen: [0; SEEN],
            next_seen: 0,
            all_seen: true,
            block: Vec::new(),
        }
    }

    /// The peer's `SETTINGS_HEADER_TABLE_SIZE`.
    pub(crate) fn set_max_table_size(&mut self, size: u32) {
        self.encoder.set_max_table_size(size as usize);
    }

    /// The block for a message of at most `max_size` bytes; `None` for a larger one.
    pub(crate) fn encode(
        &mut self,
        start: Start<'_>,
        own: Own,
        headers: &HeaderMap,
        max_size: u32,
    ) -> Option<&[u8]> {
        let generation = self.encoder.generation();
        let known = self.known.iter().position(|known| known.is(generation, start, own, headers));
        if let Some(known) = known {
            let known = &self.known[known];
            return (known.size <= max_size as usize).then_some(&known.block);
        }
        let size = size(start, headers) + own.size();
        if size > max_size as usize {
            return None;
        }
        self.block.clear();
        self.all_seen = true;
        self.encoder.begin(&mut self.block);
        match start {
            Start::Request { method, scheme, authority, path } => {
                self.field(b":method", method.as_str().as_bytes(), false);
                self.field(b":scheme", scheme.as_bytes(), false);
                self.field(b":authority", authority.as_bytes(), false);
                self.field(b":path", path.as_bytes(), false);
            }
            Start::Response(status) => self.field(b":status", status.as_str().as_bytes(), false),
            Start::Trailers => {}
        }
        self.fields(own, headers, Place::Timeout);
        if matches!(start, Start::Request { .. }) && !headers.contains_key(USER_AGENT) {
            self.field(b"user-agent", AGENT.as_bytes(), false);
        }
        for (name, value) in own.fields() {
            self.field(name.as_bytes(), value.as_bytes(), false);
        }
        self.fields(own, headers, Place::Definition);
        self.fields(own, headers, Place::Metadata);
        // Made without a change of the table, it will be made the same again.
        if size <= MAX_KNOWN_SIZE && self.all_seen && self.encoder.generation() == generation {
            let block = self.block.clone();
            let (start, headers) = (start.into(), headers.clone());
            self.remember(Known { generation, start, own, headers, block, size });
        }
        Some(&self.block)
    }

    /// HEADERS for what is sent again and again, if they have been [kept](Self::keep_template).
    pub(crate) fn template(&self, key: TemplateKey, max_size: u32) -> Option<&[u8]> {
        if self.templates_generation != self.encoder.generation() {
            return None;
        }
        let key = key.number();
        let template = self.templates.iter().find(|template| template.key == key)?;
        (template.size <= max_size as usize).then_some(&template.frame)
    }

    /// The block of a message that was encoded before, and is the same again; to encode it changes nothing.
    pub(crate) fn known(
        &self,
        start: Start<'_>,
        own: Own,
        headers: &HeaderMap,
        max_size: u32,
    ) -> Option<&[u8]> {
        let generation = self.encoder.generation();
        let known = self.known.iter().find(|known| known.is(generation, start, own, headers))?;
        (known.size <= max_size as usize).then_some(&known.block)
    }

    /// Keeps the block of a message that was just encoded, if it would be the same again.
    pub(crate) fn keep_template(
        &mut self,
        key: TemplateKey,
        start: Start<'_>,
        own: Own,
        headers: &HeaderMap,
        end_stream: bool,
    ) {
        let generation = self.encoder.generation();
        let known = self.known.iter().find(|known| known.is(generation, start, own, headers));
        let Some(known) = known else { return };
        if self.templates_generation != generation {
            self.templates.clear();
            self.templates_generation = generation;
        }
        let key = key.number();
        if self.templates.len() >= TEMPLATES || self.templates.iter().any(|template| template.key == key) {
            return;
        }
        let mut frame = Vec::new();
        frame::write_headers(&mut frame, 0, &known.block, end_stream, frame::MIN_MAX_FRAME_SIZE);
        if !end_stream {
            frame.extend_from_slice(&[0; BETWEEN]);
        }
        self.templates.push(Template { key, frame: frame.into(), size: known.size });
    }

    fn fields(&mut self, own: Own, headers: &HeaderMap, place: Place) {
        for (name, value) in headers {
            if Place::of(name) == place && !is_connection_specific(name) && !own.replaces(name) {
                self.field(name.as_str().as_bytes(), value.as_bytes(), value.is_sensitive());
            }
        }
    }

    fn field(&mut self, name: &[u8], value: &[u8], sensitive: bool) {
        let indexing = if sensitive {
            Indexing::Never
        } else if self.was_seen(name, value) {
            Indexing::Index
        } else {
            Indexing::No
        };
        self.encoder.encode(name, value, indexing, &mut self.block);
    }

    fn was_seen(&mut self, name: &[u8], value: &[u8]) -> bool {
        let hash = hash(name, value);
        if self.seen.contains(&hash) {
            return true;
        }
        self.all_seen = false;
        self.seen[self.next_seen] = hash;
        self.next_seen = (self.next_seen + 1) % SEEN;
        false
    }

    fn remember(&mut self, known: Known) {
        if self.known.len() < KNOWN {
            self.known.push(known);
        } else {
            self.known[self.next] = known;
            self.next = (self.next + 1) % KNOWN;
        }
    }
}

/// Where gRPC wants a field: the timeout first, custom metadata last
/// ([gRPC over HTTP/2](https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md#requests)).
#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    Timeout,
    Definition,
    Metadata,
}

impl Place {
    fn of(name: &HeaderName) -> Self {
        match name.as_str() {
            "grpc-timeout" => Self::Timeout,
            "te"
            | "content-type"
            | "user-agent"
            | "grpc-message-type"
            | "grpc-encoding"
            | "grpc-accept-encoding"
            | "grpc-status"
            | "grpc-message" => Self::Definition,
            _ => Self::Metadata,
        }
    }
}

impl Own {
    fn fields(self) -> &'static [(&'static str, &'static str)] {
        const TYPE: (&str, &str) = ("content-type", "application/grpc");
        match self {
            Self::Nothing => &[],
            Self::Request => &[("te", "trailers"), TYPE],
            Self::Response => &[TYPE],
        }
    }

    /// Whether a field has no place in metadata.
    fn replaces(self, name: &HeaderName) -> bool {
        const NAMES: [&str; 6] =
            ["te", "content-type", "content-length", "grpc-encoding", "grpc-status", "grpc-message"];
        self != Self::Nothing && NAMES.contains(&name.as_str())
    }

    /// How much larger than the headers they make a message.
    fn size(self) -> usize {
        self.fields().iter().map(|(name, value)| name.len() + value.len() + OVERHEAD).sum()
    }
}

impl Known {
    fn is(&self, generation: u64, start: Start<'_>, own: Own, headers: &HeaderMap) -> bool {
        self.generation == generation
            && self.own == own
            && self.headers.len() == headers.len()
            && self.start.is(start)
            && same(&self.headers, headers)
    }
}

impl OwnedStart {
    fn is(&self, start: Start<'_>) -> bool {
        match (self, start) {
            (Self::Trailers, Start::Trailers) => true,
            (Self::Response(status), Start::Response(other)) => *status == other,
            (
                Self::Request { method, scheme, authority, path },
                Start::Request { method: m, scheme: s, authority: a, path: p },
            ) => **path == *p && method == m && **authority == *a && **scheme == *s,
            _ => false,
        }
    }
}

impl From<Start<'_>> for OwnedStart {
    fn from(start: Start<'_>) -> Self {
        match start {
            Start::Request { method, scheme, authority, path } => Self::Request {
                method: method.clone(),
                scheme: scheme.into(),
                authority: authority.into(),
                path: path.into(),
            },
            Start::Response(status) => Self::Response(status),
            Start::Trailers => Self::Trailers,
        }
    }
}

/// Whether two maps have the same fields in the same order; maps made in the same way have.
fn same(one: &HeaderMap, other: &HeaderMap) -> bool {
    one.len() == other.len()
        && one.iter().zip(other).all(|((name, value), (other_name, other_value))| {
            name == other_name && value == other_value && value.is_sensitive() == other_value.is_sensitive()
        })
}

/// What a message counts for in SETTINGS_MAX_HEADER_LIST_SIZE.
pub(crate) fn size(start: Start<'_>, headers: &HeaderMap) -> usize {
    let start = match start {
        Start::Request { method, scheme, authority, path } => {
            const NAMES: usize = ":method:scheme:authority:path".len();
            const AGENT_FIELD: usize = "user-agent".len() + AGENT.len() + OVERHEAD;
            NAMES
                + 4 * OVERHEAD
                + AGENT_FIELD
                + method.as_str().len()
                + scheme.len()
                + authority.len()
                + path.len()
        }
        Start::Response(_) => ":status200".len() + OVERHEAD,
        Start::Trailers => 0,
    };
    let field =
        |(name, value): (&HeaderName, &http::HeaderValue)| name.as_str().len() + value.len() + OVERHEAD;
    start + headers.iter().map(field).sum::<usize>()
}

fn hash(name: &[u8], value: &[u8]) -> u64 {
    const PRIME: u64 = 0x0000_0100_0000_01b3;
    let step = |hash: u64, byte: &u8| (hash ^ u64::from(*byte)).wrapping_mul(PRIME);
    let hash = name.iter().fold(0xcbf2_9ce4_8422_2325, step);
    value.iter().fold(step(hash, &b':'), step)
}
