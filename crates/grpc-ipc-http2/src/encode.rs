use std::ops::Range;
use std::sync::Arc;

use http::header::USER_AGENT;
use http::{HeaderMap, HeaderName, Method, StatusCode};

use crate::connection::direct::BETWEEN;
use crate::direct;
use crate::frame;
use crate::hpack::{Encoder, Indexing};
use crate::message::is_connection_specific;

/// The first fields of a header block.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Start<'a> {
    Request { method: &'a Method, scheme: &'a str, authority: &'a str, path: &'a str },
    Response(StatusCode),
    Trailers,
}

/// The fields before metadata that this end adds itself, and that are left out of the metadata.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Own {
    /// No fields: all of them are in the headers.
    Nothing,
    /// Those of a gRPC request.
    Request,
    /// Those of a gRPC response.
    Response,
}

/// Encodes messages to header blocks. It remembers earlier blocks.
pub(crate) struct MessageEncoder {
    encoder: Encoder,
    known: Vec<Known>,
    next: usize,
    templates: Templates,
    /// The hashes of fields that were sent once. Only a field that is sent again goes into the table.
    seen: [u64; SEEN],
    next_seen: usize,
    /// The hashes of names whose values differ.
    names: [u64; NAMES],
    next_name: usize,
    /// The number of fields in the block that were not sent before.
    unseen: usize,
    block: Vec<u8>,
    /// The `user-agent` for requests without one.
    agent: Arc<str>,
}

/// A block that has the same meaning in the same generation of the encoder.
struct Known {
    generation: u64,
    start: OwnedStart,
    own: Own,
    headers: HeaderMap,
    block: Vec<u8>,
    /// The position of `grpc-timeout` in the block, or where it would be.
    timeout_at: usize,
    size: usize,
}

/// HEADERS frames that are sent repeatedly.
#[derive(Default)]
struct Templates {
    /// The generation in which all of them were made.
    generation: u64,
    /// The templates of requests, by the address of the method.
    methods: Vec<(usize, Template)>,
    response: Option<Template>,
    trailers: Option<Template>,
}

struct Template {
    /// The frame without a stream id. If DATA follows, [`BETWEEN`] bytes are appended for its heads.
    frame: Box<[u8]>,
    size: usize,
}

/// The use of a template.
#[derive(Clone, Copy, Debug)]
pub(crate) enum TemplateKey {
    Method(&'static direct::Method),
    Response,
    Trailers,
}

impl Templates {
    #[inline]
    fn get(&self, key: TemplateKey) -> Option<&Template> {
        match key {
            TemplateKey::Method(method) => {
                let address = address(method);
                self.methods.iter().find(|(key, _)| *key == address).map(|(_, template)| template)
            }
            TemplateKey::Response => self.response.as_ref(),
            TemplateKey::Trailers => self.trailers.as_ref(),
        }
    }

    fn insert(&mut self, key: TemplateKey, template: Template) {
        match key {
            TemplateKey::Method(method) if self.methods.len() < METHODS => {
                self.methods.push((address(method), template));
            }
            TemplateKey::Method(_) => {}
            TemplateKey::Response => self.response = Some(template),
            TemplateKey::Trailers => self.trailers = Some(template),
        }
    }
}

fn address(method: &'static direct::Method) -> usize {
    std::ptr::from_ref(method).addr()
}

/// The position of `grpc-timeout` in a block, or where it would be.
struct Timeout {
    at: Range<usize>,
    /// The number of its fields that were not sent before.
    unseen: usize,
}

enum OwnedStart {
    Request { method: Method, scheme: Box<str>, authority: Box<str>, path: Box<str> },
    Response(StatusCode),
    Trailers,
}

const KNOWN: usize = 16;
const METHODS: usize = 32;
const SEEN: usize = 64;
const NAMES: usize = 16;
/// A larger field is not put into the table for its name.
const MAX_NAMED: usize = 128;
/// Larger header sections are not remembered.
const MAX_KNOWN_SIZE: usize = 2048;
/// The `user-agent` of a client whose caller sets none
/// ([gRPC over HTTP/2](https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md#user-agents)).
pub(crate) const AGENT: &str = concat!("grpc-rust-ipc/", env!("CARGO_PKG_VERSION"));
/// The `:authority` of requests without one.
pub(crate) const LOCALHOST: &str = "localhost";
/// The size that HPACK adds for each field.
pub(crate) const OVERHEAD: usize = 32;

impl MessageEncoder {
    pub(crate) fn new(agent: Arc<str>) -> Self {
        Self {
            agent,
            encoder: Encoder::new(),
            known: Vec::new(),
            next: 0,
            templates: Templates::default(),
            seen: [0; SEEN],
            next_seen: 0,
            names: [0; NAMES],
            next_name: 0,
            unseen: 0,
            block: Vec::new(),
        }
    }

    /// The peer's `SETTINGS_HEADER_TABLE_SIZE`.
    pub(crate) fn set_max_table_size(&mut self, size: u32) {
        self.encoder.set_max_table_size(size as usize);
    }

    /// Encodes a message of at most `max_size` bytes. Returns `None` for a larger one.
    pub(crate) fn encode(
        &mut self,
        start: Start<'_>,
        own: Own,
        headers: &HeaderMap,
        max_size: u32,
    ) -> Option<&[u8]> {
        let generation = self.encoder.generation();
        if let Some(known) = self.position(start, own, headers) {
            let known = &self.known[known];
            return (known.size <= max_size as usize).then_some(&known.block);
        }
        let size = size(start, &self.agent, headers) + own.size();
        if size > max_size as usize {
            return None;
        }
        self.block.clear();
        self.unseen = 0;
        let none = HeaderMap::new();
        // Usually a program's messages differ in one field, which comes after all fields that do not differ.
        let may_have_base =
            own != Own::Nothing && !headers.keys().any(|name| Place::of(name) == Place::Definition);
        let base = if may_have_base { self.position(start, own, &none) } else { None };
        let timeout = match base {
            Some(base) => self.append_base(base, start, own, headers),
            None => self.append_start(start, own, headers),
        };
        let (length, is_new_base) = (self.block.len(), base.is_none() && self.unseen == timeout.unseen);
        self.fields(own, headers, Place::Metadata);
        let is_unchanged = self.encoder.generation() == generation;
        if may_have_base && is_new_base && is_unchanged && !headers.is_empty() {
            self.remember_base(start, own, &timeout.at, length);
        }
        // If encoding did not change the table, it gives the same block again.
        if size <= MAX_KNOWN_SIZE && self.unseen == 0 && is_unchanged {
            let (block, timeout_at) = (self.block.clone(), timeout.at.start);
            let (start, headers) = (start.into(), headers.clone());
            self.remember(Known { generation, start, own, headers, block, timeout_at, size });
        }
        Some(&self.block)
    }

    /// The index in `known` of a message's block.
    fn position(&self, start: Start<'_>, own: Own, headers: &HeaderMap) -> Option<usize> {
        let generation = self.encoder.generation();
        self.known.iter().position(|known| known.is(generation, start, own, headers))
    }

    /// Appends all fields before metadata to a new block.
    fn append_start(&mut self, start: Start<'_>, own: Own, headers: &HeaderMap) -> Timeout {
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
        let timeout = self.timeout(own, headers);
        self.behind_timeout(start, own, headers);
        timeout
    }

    /// The same, using the block of the message without metadata. It does not begin with a table size update: while one
    /// is pending, no remembered block is of this generation.
    fn append_base(&mut self, base: usize, start: Start<'_>, own: Own, headers: &HeaderMap) -> Timeout {
        let generation = self.encoder.generation();
        let at = self.known[base].timeout_at;
        self.block.extend_from_slice(&self.known[base].block[..at]);
        let timeout = self.timeout(own, headers);
        if self.encoder.generation() == generation {
            self.block.extend_from_slice(&self.known[base].block[at..]);
        } else {
            // The timeout went into the table, and has shifted the indices.
            self.behind_timeout(start, own, headers);
        }
        timeout
    }

    fn timeout(&mut self, own: Own, headers: &HeaderMap) -> Timeout {
        let (begin, unseen) = (self.block.len(), self.unseen);
        self.fields(own, headers, Place::Timeout);
        Timeout { at: begin..self.block.len(), unseen: self.unseen - unseen }
    }

    fn behind_timeout(&mut self, start: Start<'_>, own: Own, headers: &HeaderMap) {
        if matches!(start, Start::Request { .. }) && !headers.contains_key(USER_AGENT) {
            let agent = Arc::clone(&self.agent);
            self.field(b"user-agent", agent.as_bytes(), false);
        }
        for (name, value) in own.fields() {
            self.field(name.as_bytes(), value.as_bytes(), false);
        }
        self.fields(own, headers, Place::Definition);
    }

    /// Remembers the block of the current message without metadata. It is the first `length` bytes, without the
    /// timeout.
    fn remember_base(&mut self, start: Start<'_>, own: Own, timeout: &Range<usize>, length: usize) {
        let block = [&self.block[..timeout.start], &self.block[timeout.end..length]].concat();
        let headers = HeaderMap::new();
        let size = size(start, &self.agent, &headers) + own.size();
        let (generation, start, timeout_at) = (self.encoder.generation(), start.into(), timeout.start);
        self.remember(Known { generation, start, own, headers, block, timeout_at, size });
    }

    /// The template of HEADERS, if it was [kept](Self::keep_template).
    #[inline]
    pub(crate) fn template(&self, key: TemplateKey, max_size: u32) -> Option<&[u8]> {
        if self.templates.generation != self.encoder.generation() {
            return None;
        }
        let template = self.templates.get(key)?;
        (template.size <= max_size as usize).then_some(&template.frame)
    }

    /// The block of an identical earlier message. Using it changes nothing.
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

    /// Keeps the block that was just encoded as a template, if it would be the same again.
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
        if self.templates.generation != generation {
            self.templates = Templates { generation, ..Templates::default() };
        }
        if self.templates.get(key).is_some() {
            return;
        }
        let mut frame = Vec::new();
        frame::write_headers(&mut frame, 0, &known.block, end_stream, frame::MIN_MAX_FRAME_SIZE);
        if !end_stream {
            frame.extend_from_slice(&[0; BETWEEN]);
        }
        self.templates.insert(key, Template { frame: frame.into(), size: known.size });
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
        } else if name.len() + value.len() <= MAX_NAMED && self.was_named(name) {
            Indexing::Name
        } else {
            Indexing::No
        };
        self.encoder.encode(name, value, indexing, &mut self.block);
    }

    /// Whether a field of that name has come before, with another value.
    fn was_named(&mut self, name: &[u8]) -> bool {
        let hash = hash(name, b"");
        if self.names.contains(&hash) {
            return true;
        }
        self.names[self.next_name] = hash;
        self.next_name = (self.next_name + 1) % NAMES;
        false
    }

    fn was_seen(&mut self, name: &[u8], value: &[u8]) -> bool {
        let hash = hash(name, value);
        if self.seen.contains(&hash) {
            return true;
        }
        self.unseen += 1;
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

/// The order of fields in gRPC: the timeout first, custom metadata last
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

    /// Whether a field is not allowed in metadata.
    fn replaces(self, name: &HeaderName) -> bool {
        const NAMES: [&str; 6] =
            ["te", "content-type", "content-length", "grpc-encoding", "grpc-status", "grpc-message"];
        self != Self::Nothing && NAMES.contains(&name.as_str())
    }

    /// The size that these fields add to a message's headers.
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

/// Whether two maps have the same fields in the same order. Maps that were built in the same way do.
fn same(one: &HeaderMap, other: &HeaderMap) -> bool {
    one.len() == other.len()
        && one.iter().zip(other).all(|((name, value), (other_name, other_value))| {
            name == other_name && value == other_value && value.is_sensitive() == other_value.is_sensitive()
        })
}

/// The size of a message for SETTINGS_MAX_HEADER_LIST_SIZE.
pub(crate) fn size(start: Start<'_>, agent: &str, headers: &HeaderMap) -> usize {
    let start = match start {
        Start::Request { method, scheme, authority, path } => {
            const NAMES: usize = ":method:scheme:authority:path".len();
            const AGENT_FIELD: usize = "user-agent".len() + OVERHEAD;
            NAMES
                + 4 * OVERHEAD
                + AGENT_FIELD
                + agent.len()
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

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;
    use crate::decode::MessageDecoder;

    const START: Start<'_> =
        Start::Request { method: &Method::POST, scheme: "http", authority: "localhost", path: "/a.B/C" };

    fn headers(fields: &[(&'static str, &str)]) -> HeaderMap {
        let field = |(name, value): &(&'static str, &str)| {
            (HeaderName::from_static(name), HeaderValue::from_str(value).unwrap())
        };
        fields.iter().map(field).collect()
    }

    struct Pair {
        encoder: MessageEncoder,
        decoder: MessageDecoder,
    }

    impl Pair {
        /// With a remembered block without metadata.
        fn new() -> Self {
            let encoder = MessageEncoder::new(AGENT.into());
            let mut pair = Self { encoder, decoder: MessageDecoder::new(4096, u32::MAX) };
            for id in 0..5 {
                pair.send(&[("x-id", &id.to_string())]);
            }
            assert!(pair.has_base());
            pair
        }

        fn has_base(&self) -> bool {
            self.encoder.position(START, Own::Request, &HeaderMap::new()).is_some()
        }

        /// Sends a request, and compares the result with that of a new encoder.
        fn send(&mut self, fields: &[(&'static str, &str)]) -> Vec<u8> {
            self.send_map(&headers(fields))
        }

        fn send_map(&mut self, headers: &HeaderMap) -> Vec<u8> {
            let block = self.encoder.encode(START, Own::Request, headers, u32::MAX).unwrap().to_vec();
            let mut new = MessageEncoder::new(AGENT.into());
            let expected = new.encode(START, Own::Request, headers, u32::MAX).unwrap();
            let expected = MessageDecoder::new(4096, u32::MAX).decode(expected).unwrap();
            assert_eq!(format!("{:?}", self.decoder.decode(&block).unwrap()), format!("{expected:?}"));
            block
        }
    }

    #[test]
    fn a_field_that_differs_follows_what_is_known() {
        let mut pair = Pair::new();
        let one = pair.send(&[("x-id", "abcdefgh")]);
        let other = pair.send(&[("x-id", "ijklmnop")]);
        assert_eq!(one[..8], other[..8]);
        pair.send(&[("x-id", "1"), ("authorization", "2")]);
    }

    #[test]
    fn a_name_is_sent_twice_whatever_values_it_comes_with() {
        let mut pair = Pair::new();
        let named = |pair: &mut Pair, value: &str| pair.send(&[("x-trace-id", value)]).len();
        let lengths: Vec<_> = (1000..1004).map(|id| named(&mut pair, &id.to_string())).collect();
        assert_eq!(lengths[0], lengths[1]);
        assert!(lengths[2] < lengths[1] - 5, "{lengths:?}");
        let generation = pair.encoder.encoder.generation();
        (2000..2100).for_each(|id| _ = named(&mut pair, &id.to_string()));
        assert_eq!(pair.encoder.encoder.generation(), generation);
        // Large or secret fields are not put into the table.
        let large = "x".repeat(MAX_NAMED);
        let mut secret = headers(&[("x-secret", "1")]);
        for (id, letter) in ('a'..='e').enumerate() {
            pair.send(&[("x-large", &format!("{letter}{large}"))]);
            let mut value = HeaderValue::from(id);
            value.set_sensitive(true);
            secret.insert("x-secret", value);
            pair.send_map(&secret);
        }
        assert_eq!(pair.encoder.encoder.generation(), generation);
    }

    #[test]
    fn a_timeout_gets_to_its_place_in_what_is_known() {
        let mut pair = Pair::new();
        // The second one is indexed, and shifts the indices after it.
        for id in 0..6 {
            pair.send(&[("grpc-timeout", "1S"), ("x-id", &format!("a{id}"))]);
        }
        for id in 0..6 {
            pair.send(&[("grpc-timeout", &format!("{id}m")), ("x-id", &format!("b{id}"))]);
        }
        assert!(pair.has_base());
        pair.send(&[("x-id", "c")]);
        pair.send(&[]);
    }

    #[test]
    fn fields_in_place_of_the_protocols_own_are_sent() {
        let mut pair = Pair::new();
        pair.send(&[("user-agent", "mine"), ("x-id", "1")]);
        pair.send(&[("te", "trailers"), ("content-type", "application/grpc"), ("x-id", "2")]);
    }

    #[test]
    fn the_table_of_the_peer_gets_smaller_between_two_calls() {
        let mut pair = Pair::new();
        pair.encoder.set_max_table_size(0);
        assert!(!pair.has_base());
        let block = pair.send(&[("x-id", "x")]);
        assert_eq!(block[0], 0x20, "a table size update");
        for id in 0..5 {
            pair.send(&[("x-id", &format!("d{id}"))]);
        }
        pair.encoder.set_max_table_size(4096);
        for id in 0..5 {
            pair.send(&[("x-id", &format!("e{id}"))]);
        }
        assert!(pair.has_base());
    }

    #[test]
    fn a_sensitive_field_behind_what_is_known_is_never_indexed() {
        let mut pair = Pair::new();
        let mut secret = HeaderValue::from_static("secret");
        secret.set_sensitive(true);
        let headers = HeaderMap::from_iter([(HeaderName::from_static("x-token"), secret)]);
        for _ in 0..4 {
            let generation = pair.encoder.encoder.generation();
            pair.send_map(&headers);
            assert_eq!(pair.encoder.encoder.generation(), generation);
        }
    }

    #[test]
    fn what_is_larger_than_the_peer_takes_is_not_made_of_what_is_known() {
        let mut pair = Pair::new();
        let large = headers(&[("x-id", &"x".repeat(1000))]);
        assert!(pair.encoder.encode(START, Own::Request, &large, 1000).is_none());
        pair.send(&[("x-id", "z")]);
    }
}
