//! A minimal HPACK for tests: a simple encoder, and a decoder.

use std::collections::{HashMap, VecDeque};
use std::sync::LazyLock;

/// A field section: names and values, in order.
pub(crate) type Fields = Vec<(String, String)>;

/// A field block of literals without indexing, without Huffman coding (RFC 7541, 6.2.2).
pub(crate) fn literals<'a>(fields: impl IntoIterator<Item = &'a (&'a str, &'a str)>) -> Vec<u8> {
    let mut block = Vec::new();
    for (name, value) in fields {
        block.push(0);
        block.extend(string(name));
        block.extend(string(value));
    }
    block
}

/// A string literal without Huffman coding (RFC 7541, 5.2).
pub(crate) fn string(text: &str) -> Vec<u8> {
    let mut octets = integer(0, 7, text.len());
    octets.extend(text.as_bytes());
    octets
}

/// `value` after the pattern of `first`, as an integer with a prefix of `bits` bits (RFC 7541, 5.1).
pub(crate) fn integer(first: u8, bits: u32, value: usize) -> Vec<u8> {
    let limit = (1 << bits) - 1;
    if value < limit {
        return vec![first | value as u8];
    }
    let mut octets = vec![first | limit as u8];
    let mut rest = value - limit;
    while rest >= 128 {
        octets.push(rest as u8 | 128);
        rest >>= 7;
    }
    octets.push(rest as u8);
    octets
}

/// Decodes an engine's output, and panics if it is not valid HPACK.
pub(crate) struct Decoder {
    dynamic: VecDeque<(String, String)>,
    /// The size that the encoder has set, in octets.
    size: usize,
    /// The maximum size, in octets: SETTINGS_HEADER_TABLE_SIZE.
    pub(crate) limit: usize,
}

impl Default for Decoder {
    fn default() -> Self {
        Self { dynamic: VecDeque::new(), size: 4096, limit: 4096 }
    }
}

impl Decoder {
    pub(crate) fn decode(&mut self, mut block: &[u8]) -> Fields {
        let mut fields = Fields::new();
        while let Some(&first) = block.first() {
            if first & 0x80 != 0 {
                let index = take_integer(&mut block, 7);
                fields.push(self.entry(index));
            } else if first & 0xc0 == 0x40 {
                let field = self.literal(&mut block, 6);
                self.dynamic.push_front(field.clone());
                fields.push(field);
            } else if first & 0xe0 == 0x20 {
                assert!(fields.is_empty(), "RFC 7541, 4.2: a size update after a field");
                self.size = take_integer(&mut block, 5);
                assert!(self.size <= self.limit, "RFC 7541, 6.3: a table of {} octets", self.size);
            } else {
                fields.push(self.literal(&mut block, 4));
            }
            self.evict();
        }
        fields
    }

    /// The number of fields in the dynamic table.
    pub(crate) fn entries(&self) -> usize {
        self.dynamic.len()
    }

    fn entry(&self, index: usize) -> (String, String) {
        let index = index.checked_sub(1).expect("RFC 7541, 6.1: index 0");
        match STATIC.get(index) {
            Some((name, value)) => ((*name).to_owned(), (*value).to_owned()),
            None => self.dynamic.get(index - STATIC.len()).expect("RFC 7541, 2.3.3: no such index").clone(),
        }
    }

    fn literal(&self, block: &mut &[u8], bits: u32) -> (String, String) {
        let name = match take_integer(block, bits) {
            0 => take_string(block),
            index => self.entry(index).0,
        };
        (name, take_string(block))
    }

    fn evict(&mut self) {
        let cost = |(name, value): &(String, String)| name.len() + value.len() + 32;
        while self.dynamic.iter().map(cost).sum::<usize>() > self.size {
            self.dynamic.pop_back();
        }
    }
}

fn take_integer(block: &mut &[u8], bits: u32) -> usize {
    let limit = (1 << bits) - 1;
    let mut value = usize::from(take(block, 1)[0]) & limit;
    if value == limit {
        for shift in (0..).step_by(7) {
            let octet = take(block, 1)[0];
            value += usize::from(octet & 127) << shift;
            if octet & 128 == 0 {
                break;
            }
        }
    }
    value
}

fn take_string(block: &mut &[u8]) -> String {
    let coded = block.first().is_some_and(|first| first & 0x80 != 0);
    let length = take_integer(block, 7);
    let octets = take(block, length);
    let octets = if coded { huffman(octets) } else { octets.to_vec() };
    String::from_utf8(octets).expect("text")
}

fn take<'a>(block: &mut &'a [u8], length: usize) -> &'a [u8] {
    let (taken, rest) = block.split_at_checked(length).expect("a field block that is cut off");
    *block = rest;
    taken
}

/// Decodes Huffman-encoded octets. The code is canonical: codes of one length are consecutive, in the order of the
/// symbols.
fn huffman(octets: &[u8]) -> Vec<u8> {
    let mut decoded = Vec::new();
    let (mut code, mut length) = (0_u32, 0_u8);
    for bit in octets.iter().flat_map(|octet| (0..8).rev().map(move |shift| octet >> shift & 1)) {
        code = code << 1 | u32::from(bit);
        length += 1;
        if let Some(&symbol) = SYMBOLS.get(&(length, code)) {
            decoded.push(u8::try_from(symbol).expect("RFC 7541, 5.2: EOS in a string"));
            (code, length) = (0, 0);
        }
    }
    assert!(length < 8 && code == (1 << length) - 1, "RFC 7541, 5.2: wrong padding");
    decoded
}

/// The symbols, by the length and the value of their codes.
static SYMBOLS: LazyLock<HashMap<(u8, u32), usize>> = LazyLock::new(|| {
    let mut symbols = HashMap::new();
    let mut next = 0;
    for length in 1..=30 {
        next <<= 1;
        for symbol in (0..CODE_LENGTHS.len()).filter(|symbol| CODE_LENGTHS[*symbol] == length) {
            symbols.insert((length, next), symbol);
            next += 1;
        }
    }
    symbols
});

/// The length of each symbol's code, in bits; the last one is EOS (RFC 7541, appendix B).
#[rustfmt::skip]
const CODE_LENGTHS: [u8; 257] = [
    13, 23, 28, 28, 28, 28, 28, 28, 28, 24, 30, 28, 28, 30, 28, 28, 28, 28, 28, 28, 28, 28, 30, 28, 28,
    28, 28, 28, 28, 28, 28, 28, 6, 10, 10, 12, 13, 6, 8, 11, 10, 10, 8, 11, 8, 6, 6, 6, 5, 5,
    5, 6, 6, 6, 6, 6, 6, 6, 7, 8, 15, 6, 12, 10, 13, 6, 7, 7, 7, 7, 7, 7, 7, 7, 7,
    7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 8, 7, 8, 13, 19, 13, 14, 6, 15, 5, 6, 5,
    6, 5, 6, 6, 6, 5, 7, 7, 6, 6, 6, 5, 6, 7, 6, 5, 5, 6, 7, 7, 7, 7, 7, 15, 11,
    14, 13, 28, 20, 22, 20, 20, 22, 22, 22, 23, 22, 23, 23, 23, 23, 23, 24, 23, 24, 24, 22, 23, 24, 23,
    23, 23, 23, 21, 22, 23, 22, 23, 23, 24, 22, 21, 20, 22, 22, 23, 23, 21, 23, 22, 22, 24, 21, 22, 23,
    23, 21, 21, 22, 21, 23, 22, 23, 23, 20, 22, 22, 22, 23, 22, 22, 23, 26, 26, 20, 19, 22, 23, 22, 25,
    26, 26, 26, 27, 27, 26, 24, 25, 19, 21, 26, 27, 27, 26, 27, 24, 21, 21, 26, 26, 28, 27, 27, 27, 20,
    24, 20, 21, 22, 21, 21, 23, 22, 22, 25, 25, 24, 24, 26, 23, 26, 27, 26, 26, 27, 27, 27, 27, 27, 28,
    27, 27, 27, 27, 27, 26, 30,
];

/// RFC 7541, appendix A.
const STATIC: [(&str, &str); 61] = [
    (":authority", ""),
    (":method", "GET"),
    (":method", "POST"),
    (":path", "/"),
    (":path", "/index.html"),
    (":scheme", "http"),
    (":scheme", "https"),
    (":status", "200"),
    (":status", "204"),
    (":status", "206"),
    (":status", "304"),
    (":status", "400"),
    (":status", "404"),
    (":status", "500"),
    ("accept-charset", ""),
    ("accept-encoding", "gzip, deflate"),
    ("accept-language", ""),
    ("accept-ranges", ""),
    ("accept", ""),
    ("access-control-allow-origin", ""),
    ("age", ""),
    ("allow", ""),
    ("authorization", ""),
    ("cache-control", ""),
    ("content-disposition", ""),
    ("content-encoding", ""),
    ("content-language", ""),
    ("content-length", ""),
    ("content-location", ""),
    ("content-range", ""),
    ("content-type", ""),
    ("cookie", ""),
    ("date", ""),
    ("etag", ""),
    ("expect", ""),
    ("expires", ""),
    ("from", ""),
    ("host", ""),
    ("if-match", ""),
    ("if-modified-since", ""),
    ("if-none-match", ""),
    ("if-range", ""),
    ("if-unmodified-since", ""),
    ("last-modified", ""),
    ("link", ""),
    ("location", ""),
    ("max-forwards", ""),
    ("proxy-authenticate", ""),
    ("proxy-authorization", ""),
    ("range", ""),
    ("referer", ""),
    ("refresh", ""),
    ("retry-after", ""),
    ("server", ""),
    ("set-cookie", ""),
    ("strict-transport-security", ""),
    ("transfer-encoding", ""),
    ("user-agent", ""),
    ("vary", ""),
    ("via", ""),
    ("www-authenticate", ""),
];
