use crate::connection::direct::Usual;
use crate::direct::Service;
use crate::hpack::{DecodeError, Decoder};
use crate::message::{Message, Section};

/// Makes messages of blocks of headers, and knows those that came before: the calls of a client differ little.
pub(crate) struct MessageDecoder {
    decoder: Decoder,
    max_list_size: u32,
    known: Vec<Known>,
    /// Which of `known` is replaced next.
    next: usize,
    /// The hashes of blocks that came once; what does not come again is not kept.
    seen: [u64; SEEN],
    next_seen: usize,
    /// Which of `known` was asked for last, of those that end a stream and of others.
    last: [usize; 2],
}

/// A block that means the same whenever it comes while the decoder is in the same generation.
struct Known {
    hash: u64,
    generation: u64,
    block: Box<[u8]>,
    message: Message,
    /// Once somebody has asked.
    usual: Option<Usual>,
}

const KNOWN: usize = 16;
const SEEN: usize = 16;
/// Longer blocks are not kept.
const MAX_KNOWN_LENGTH: usize = 1024;

impl MessageDecoder {
    pub(crate) fn new(table_size: u32, max_list_size: u32) -> Self {
        Self {
            decoder: Decoder::new(table_size as usize),
            max_list_size,
            known: Vec::new(),
            next: 0,
            seen: [0; SEEN],
            next_seen: 0,
            last: [0; 2],
        }
    }

    /// What a block is to a direct call, if it has come before.
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
    /// What is wrong with the compression: the connection cannot go on.
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
        let mut section = Section::new(self.max_list_size);
        self.decoder.decode(block, |field, size| section.add(field, size))?;
        let message = section.finish();
        let means_the_same = block.len() <= MAX_KNOWN_LENGTH && self.decoder.generation() == generation;
        if means_the_same && self.was_seen(hash) {
            let (block, message) = (block.into(), message.clone());
            self.remember(Known { hash, generation, block, message, usual: None });
        }
        Ok(message)
    }

    /// Whether a block has come before. One that has not is not copied: most that differ never come again.
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

/// FNV-1a, eight bytes at a time. Equal hashes are compared byte by byte, so a peer that makes them collide gains
/// nothing.
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
