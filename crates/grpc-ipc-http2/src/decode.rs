use crate::connection::direct::Usual;
use crate::direct::{PROTOCOLS_OWN, Service};
use crate::hpack::{DecodeError, Decoder, Field};
use crate::message::{Message, RequestHead, Section};

/// Decodes header blocks to messages. It remembers earlier blocks, because a client's calls differ little.
pub(crate) struct MessageDecoder {
    decoder: Decoder,
    max_list_size: u32,
    known: Vec<Known>,
    /// The beginnings of blocks that differ only after them.
    beginnings: Vec<Beginning>,
    next_beginning: usize,
    /// The entry of `known` to replace next.
    next: usize,
    /// The hashes of blocks that came once. Only a block that comes again is remembered.
    seen: [u64; SEEN],
    next_seen: usize,
    /// The last entry of `known` that was used: for blocks that end a stream, and for others.
    last: [usize; 2],
}

/// A block that has the same meaning whenever it comes in the same generation of the decoder.
struct Known {
    hash: u64,
    generation: u64,
    block: Box<[u8]>,
    message: Message,
    /// Set on first use.
    usual: Option<Usual>,
}

/// The fields before metadata, which have the same meaning at the beginning of any block in the same generation.
struct Beginning {
    generation: u64,
    block: Box<[u8]>,
    request: RequestHead,
    /// The size of its fields.
    size: usize,
}

const KNOWN: usize = 16;
const BEGINNINGS: usize = 8;
const SEEN: usize = 16;
/// Longer blocks are not remembered.
const MAX_KNOWN_LENGTH: usize = 1024;

impl MessageDecoder {
    pub(crate) fn new(table_size: u32, max_list_size: u32) -> Self {
        Self {
            decoder: Decoder::new(table_size as usize),
            max_list_size,
            known: Vec::new(),
            beginnings: Vec::new(),
            next_beginning: 0,
            next: 0,
            seen: [0; SEEN],
            next_seen: 0,
            last: [0; 2],
        }
    }

    /// The meaning of a block for a direct call, if the block has come before.
    #[inline]
    pub(crate) fn usual(
        &mut self,
        block: &[u8],
        end_stream: bool,
        service: Option<&dyn Service>,
    ) -> Option<&Usual> {
        let generation = self.decoder.generation();
        let is_it = |known: &Known| known.generation == generation && *known.block == *block;
        let last = &mut self.last[usize::from(end_stream)];
        if !self.known.get(*last).is_some_and(is_it) {
            *last = self.known.iter().position(is_it)?;
        }
        let known = self.known.get_mut(*last)?;
        Some(known.usual.get_or_insert_with(|| Usual::of(&known.message, service)))
    }

    /// # Errors
    /// A compression error. The connection cannot continue.
    pub(crate) fn decode(&mut self, block: &[u8]) -> Result<Message, DecodeError> {
        let generation = self.decoder.generation();
        let hash = hash(block);
        let known = self
            .known
            .iter()
            .find(|known| known.hash == hash && known.generation == generation && *known.block == *block);
        if let Some(known) = known {
            return Ok(known.message.clone());
        }
        let begun = self
            .beginnings
            .iter()
            .find(|beginning| beginning.generation == generation && block.starts_with(&beginning.block));
        let begun = begun.map(|Beginning { block, request, size, .. }| {
            (Section::behind(request, *size, self.max_list_size), block.len())
        });
        let is_new = begun.is_none();
        let (mut section, position) = begun.unwrap_or_else(|| (Section::new(self.max_list_size), 0));
        let mut own = 0;
        let mut before_metadata = is_new;
        self.decoder.decode_from(block, position, |field, size, rest| {
            before_metadata &= is_before_metadata(&field);
            if before_metadata {
                own = block.len() - rest;
            }
            section.add(field, size);
        })?;
        let message = section.finish();
        let means_the_same = block.len() <= MAX_KNOWN_LENGTH && self.decoder.generation() == generation;
        if means_the_same && self.was_seen(hash) {
            let (block, message) = (block.into(), message.clone());
            self.remember(Known { hash, generation, block, message, usual: None });
        } else if means_the_same
            && (1..block.len()).contains(&own)
            // Decoding a response's few fields is faster than copying them.
            && matches!(message, Message::Request(_))
            && self.was_seen(self::hash(&block[..own]))
        {
            self.remember_beginning(&block[..own])?;
        }
        Ok(message)
    }

    /// Remembers the first fields of a request's block that did not change the table.
    fn remember_beginning(&mut self, block: &[u8]) -> Result<(), DecodeError> {
        let generation = self.decoder.generation();
        let mut section = Section::new(self.max_list_size);
        self.decoder.decode(block, |field, size| section.add(field, size))?;
        let size = section.size();
        let Message::Request(request) = section.finish() else { return Ok(()) };
        // Without headers, more pseudo-headers could follow.
        if request.headers.is_empty() {
            return Ok(());
        }
        let beginning = Beginning { generation, block: block.into(), request, size };
        if self.beginnings.len() < BEGINNINGS {
            self.beginnings.push(beginning);
        } else {
            self.beginnings[self.next_beginning] = beginning;
            self.next_beginning = (self.next_beginning + 1) % BEGINNINGS;
        }
        Ok(())
    }

    /// Whether a block has come before. A new one is not copied, because most new blocks never come again.
    fn was_seen(&mut self, hash: u64) -> bool {
        if self.seen.contains(&hash) {
            return true;
        }
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

fn is_before_metadata(field: &Field) -> bool {
    match field {
        Field::Header(name, _) => PROTOCOLS_OWN.contains(&name.as_str()),
        Field::Malformed { .. } => false,
        _ => true,
    }
}

/// FNV-1a, eight bytes at a time. Blocks with equal hashes are compared byte by byte, so a peer gains nothing from
/// collisions.
fn hash(block: &[u8]) -> u64 {
    const PRIME: u64 = 0x0000_0100_0000_01b3;
    let (words, rest) = block.as_chunks::<8>();
    let mut hash = 0xcbf2_9ce4_8422_2325 ^ block.len() as u64;
    for word in words {
        hash = (hash ^ u64::from_le_bytes(*word)).wrapping_mul(PRIME);
        hash ^= hash >> 29;
    }
    for byte in rest {
        hash = (hash ^ u64::from(*byte)).wrapping_mul(PRIME);
    }
    hash
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hpack::{Encoder, Indexing};

    /// A block of literals, from a request and the fields that follow.
    fn block(encoder: &mut Encoder, fields: &[(&str, &str, Indexing)]) -> Vec<u8> {
        const BEGINNING: [(&str, &str, Indexing); 6] = [
            (":method", "POST", Indexing::No),
            (":scheme", "http", Indexing::No),
            (":authority", "localhost", Indexing::Index),
            (":path", "/a.B/C", Indexing::Index),
            ("te", "trailers", Indexing::Index),
            ("content-type", "application/grpc", Indexing::Index),
        ];
        let mut block = Vec::new();
        encoder.begin(&mut block);
        for (name, value, indexing) in BEGINNING.iter().chain(fields) {
            encoder.encode(name.as_bytes(), value.as_bytes(), *indexing, &mut block);
        }
        block
    }

    /// Makes a beginning known, and compares later blocks with a decoder that knows none.
    fn compare(max_list_size: u32, blocks: &[&[(&str, &str, Indexing)]]) -> Vec<String> {
        let mut encoder = Encoder::new();
        let mut decoder = MessageDecoder::new(4096, max_list_size);
        let mut plain = Decoder::new(4096);
        let mut decode = |fields: &[_]| {
            let block = block(&mut encoder, fields);
            let mut section = Section::new(max_list_size);
            plain.decode(&block, |field, size| section.add(field, size)).unwrap();
            let decoded = format!("{:?}", decoder.decode(&block).unwrap());
            assert_eq!(decoded, format!("{:?}", section.finish()));
            (decoded, decoder.beginnings.len())
        };
        for value in ["1", "2", "3", "4"] {
            decode(&[("x-id", value, Indexing::No)]);
        }
        assert_eq!(decode(&[("x-id", "5", Indexing::No)]).1, 1);
        blocks.iter().map(|fields| decode(fields).0).collect()
    }

    #[test]
    fn what_follows_a_known_beginning_is_decoded_as_ever() {
        let decoded = compare(
            u32::MAX,
            &[
                &[],
                &[("x-id", "6", Indexing::No), ("x-secret", "7", Indexing::Never)],
                // This one changes the table.
                &[("x-id", "8", Indexing::Index), ("x-id", "9", Indexing::No)],
                &[("x-id", "8", Indexing::Index)],
                &[("content-type", "text/plain", Indexing::No), ("content-length", "12", Indexing::No)],
                &[("host", "localhost", Indexing::No)],
                &[("host", "elsewhere", Indexing::No)],
                &[("te", "gzip", Indexing::No)],
                &[("content-length", "12", Indexing::No), ("content-length", "13", Indexing::No)],
                &[("connection", "close", Indexing::No)],
                &[("x-id", "1", Indexing::No), (":path", "/d.E/F", Indexing::No)],
                &[(":path", "/d.E/F", Indexing::No)],
                &[("X-Id", "1", Indexing::No)],
            ],
        );
        let malformed = decoded.iter().filter(|message| message.starts_with("Malformed")).count();
        assert_eq!(malformed, 7, "{decoded:#?}");
    }

    #[test]
    fn what_follows_a_known_beginning_counts_for_the_limit_with_it() {
        let value = "x".repeat(200);
        let decoded = compare(400, &[&[("x-id", &value, Indexing::No)], &[("x-id", "1", Indexing::No)]]);
        assert_eq!(decoded[0], "TooLarge");
        assert_ne!(decoded[1], "TooLarge");
    }

    #[test]
    fn a_table_size_update_behind_a_known_beginning_is_an_error() {
        let mut encoder = Encoder::new();
        let mut decoder = MessageDecoder::new(4096, u32::MAX);
        for value in ["1", "2", "3", "4"] {
            decoder.decode(&block(&mut encoder, &[("x-id", value, Indexing::No)])).unwrap();
        }
        assert_eq!(decoder.beginnings.len(), 1);
        let mut block = block(&mut encoder, &[]);
        block.push(0x20);
        assert!(decoder.decode(&block).is_err());
    }
}
