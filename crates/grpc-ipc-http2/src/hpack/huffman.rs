//! Huffman-encoded strings ([RFC 7541 section 5.2](https://www.rfc-editor.org/rfc/rfc7541#section-5.2)).
//!
//! Decoding walks the code's tree four bits at a time. The shortest code has five bits, so a step completes at most one
//! symbol.

use super::DecodeError;
use super::huffman_code::{CODES, EOS, LENGTHS, SYMBOLS};

/// The length of `text` when encoded, in octets.
pub(super) fn encoded_len(text: &[u8]) -> usize {
    let bits: usize = text.iter().map(|&octet| usize::from(LENGTHS[usize::from(octet)])).sum();
    bits.div_ceil(8)
}

/// Appends `text`, encoded and padded.
pub(super) fn encode(text: &[u8], out: &mut Vec<u8>) {
    // At most 31 bits wait before the next code of at most 30 bits is added.
    let mut waiting: u64 = 0;
    let mut waiting_bits = 0;
    for &octet in text {
        let symbol = usize::from(octet);
        waiting = waiting << LENGTHS[symbol] | u64::from(CODES[symbol]);
        waiting_bits += LENGTHS[symbol];
        if waiting_bits >= 32 {
            waiting_bits -= 32;
            out.extend_from_slice(&((waiting >> waiting_bits) as u32).to_be_bytes());
        }
    }
    while waiting_bits >= 8 {
        waiting_bits -= 8;
        out.push((waiting >> waiting_bits) as u8);
    }
    if waiting_bits > 0 {
        let padding_bits = 8 - waiting_bits;
        out.push((waiting << padding_bits) as u8 | u8::MAX >> waiting_bits);
    }
}

/// Appends the decoded text, which has at most 8/5 of the length.
pub(super) fn decode(encoded: &[u8], out: &mut Vec<u8>) -> Result<(), DecodeError> {
    let mut end = out.len();
    // One more, because a symbol is written before it is known to be complete.
    out.resize(end + encoded.len() * 8 / 5 + 1, 0);
    let mut node = ROOT;
    for octet in encoded {
        for nibble in [octet >> 4, octet & 0x0f] {
            let step = &STEPS[usize::from(node)][usize::from(nibble)];
            out[end] = step.symbol;
            match step.completes {
                Completes::Nothing => {}
                Completes::Symbol => end += 1,
                Completes::Eos => return Err(DecodeError::HuffmanEos),
            }
            node = step.node;
        }
    }
    out.truncate(end);
    if node <= LAST_PADDING { Ok(()) } else { Err(DecodeError::HuffmanPadding) }
}

/// The number of inner nodes of the tree: one less than its leaves.
const NODES: usize = SYMBOLS - 1;

const ROOT: u8 = 0;

/// The nodes on the path to EOS are numbered by their depth, so a string may end at these: up to 7 bits of padding.
const LAST_PADDING: u8 = 7;

/// The result of four bits.
#[derive(Clone, Copy)]
struct Step {
    node: u8,
    completes: Completes,
    symbol: u8,
}

#[derive(Clone, Copy)]
enum Completes {
    Nothing,
    Symbol,
    Eos,
}

static STEPS: [[Step; 16]; NODES] = steps();

#[derive(Clone, Copy)]
enum Child {
    Unset,
    Node(u8),
    Leaf(usize),
}

const fn steps() -> [[Step; 16]; NODES] {
    let tree = tree();
    let mut steps = [[Step { node: ROOT, completes: Completes::Nothing, symbol: 0 }; 16]; NODES];
    let mut from = 0;
    while from < NODES {
        let mut nibble = 0;
        while nibble < 16 {
            steps[from][nibble] = step(&tree, from, nibble);
            nibble += 1;
        }
        from += 1;
    }
    steps
}

const fn step(tree: &[[Child; 2]; NODES], from: usize, nibble: usize) -> Step {
    let mut step = Step { node: from as u8, completes: Completes::Nothing, symbol: 0 };
    let mut remaining = 4;
    while remaining > 0 {
        remaining -= 1;
        match tree[step.node as usize][nibble >> remaining & 1] {
            Child::Node(node) => step.node = node,
            Child::Leaf(EOS) => return Step { node: ROOT, completes: Completes::Eos, symbol: 0 },
            Child::Leaf(symbol) => {
                step = Step { node: ROOT, completes: Completes::Symbol, symbol: symbol as u8 };
            }
            Child::Unset => panic!("the code is complete"),
        }
    }
    step
}

/// The children of the inner nodes. EOS comes first, so that its path is numbered by depth.
const fn tree() -> [[Child; 2]; NODES] {
    let mut tree = [[Child::Unset; 2]; NODES];
    let mut nodes = 1;
    let mut symbol = SYMBOLS;
    while symbol > 0 {
        symbol -= 1;
        let mut at = ROOT as usize;
        let mut remaining = LENGTHS[symbol];
        while remaining > 1 {
            remaining -= 1;
            let bit = (CODES[symbol] >> remaining & 1) as usize;
            at = match tree[at][bit] {
                Child::Node(node) => node as usize,
                Child::Unset => {
                    tree[at][bit] = Child::Node(nodes as u8);
                    nodes += 1;
                    nodes - 1
                }
                Child::Leaf(_) => panic!("no code begins another"),
            };
        }
        tree[at][(CODES[symbol] & 1) as usize] = Child::Leaf(symbol);
    }
    assert!(nodes == NODES);
    tree
}

#[cfg(test)]
mod tests {
    use super::{decode, encode, encoded_len};
    use crate::hpack::DecodeError;

    fn decoded(encoded: &[u8]) -> Result<Vec<u8>, DecodeError> {
        let mut out = Vec::new();
        decode(encoded, &mut out).map(|()| out)
    }

    #[track_caller]
    fn both_ways(text: &[u8], encoded: &[u8]) {
        let mut out = Vec::new();
        encode(text, &mut out);
        assert_eq!(out, encoded);
        assert_eq!(encoded_len(text), encoded.len());
        assert_eq!(decoded(encoded).as_deref(), Ok(text));
    }

    /// The bits of a string of '0' and '1'. Missing bits of the last octet are 0.
    fn bits(text: &str) -> Vec<u8> {
        let octet = |bits: &[u8]| bits.iter().zip((0..8).rev()).map(|(bit, at)| (bit - b'0') << at).sum();
        text.as_bytes().chunks(8).map(octet).collect()
    }

    #[test]
    fn appendix_c_4_1_a_string_that_is_padded() {
        both_ways(
            b"www.example.com",
            &[0xf1, 0xe3, 0xc2, 0xe5, 0xf2, 0x3a, 0x6b, 0xa0, 0xab, 0x90, 0xf4, 0xff],
        );
    }

    #[test]
    fn appendix_c_4_2_a_string_that_fills_its_octets() {
        both_ways(b"no-cache", &[0xa8, 0xeb, 0x10, 0x64, 0x9c, 0xbf]);
    }

    #[test]
    fn section_5_2_every_octet_survives_alone_and_in_every_pair() {
        // Only some of them under Miri, where each takes long.
        for first in (0..=u8::MAX).step_by(if cfg!(miri) { 37 } else { 1 }) {
            for text in [vec![first], (0..=u8::MAX).flat_map(|second| [first, second]).collect()] {
                let mut encoded = Vec::new();
                encode(&text, &mut encoded);
                assert_eq!(encoded_len(&text), encoded.len());
                assert_eq!(decoded(&encoded), Ok(text));
            }
        }
    }

    #[test]
    fn section_5_2_an_empty_string_is_no_octet() {
        both_ways(b"", b"");
    }

    #[test]
    fn section_5_2_padding_is_up_to_7_bits_of_eos() {
        // 'a' is 00011, ':' is 1011100, '&' is 11111000, and '0' is 00000.
        assert_eq!(decoded(&bits("11111000")), Ok(b"&".to_vec()));
        assert_eq!(decoded(&bits("10111001")), Ok(b":".to_vec()));
        assert_eq!(decoded(&bits("00011111")), Ok(b"a".to_vec()));
        let five_zeros = format!("{}1111111", "00000".repeat(5));
        assert_eq!(decoded(&bits(&five_zeros)), Ok(b"00000".to_vec()));
    }

    #[test]
    fn section_5_2_padding_longer_than_7_bits_is_an_error() {
        assert_eq!(decoded(&[0xff]), Err(DecodeError::HuffmanPadding));
        assert_eq!(decoded(&bits("1111100011111111")), Err(DecodeError::HuffmanPadding));
        assert_eq!(decoded(&bits("0001111111111111")), Err(DecodeError::HuffmanPadding));
        assert_eq!(decoded(&[0xff, 0xff, 0xff]), Err(DecodeError::HuffmanPadding));
    }

    #[test]
    fn section_5_2_padding_that_is_not_the_beginning_of_eos_is_an_error() {
        assert_eq!(decoded(&bits("00011000")), Err(DecodeError::HuffmanPadding));
        assert_eq!(decoded(&bits("00011110")), Err(DecodeError::HuffmanPadding));
        assert_eq!(decoded(&bits("00011011")), Err(DecodeError::HuffmanPadding));
    }

    #[test]
    fn section_5_2_eos_is_an_error() {
        assert_eq!(decoded(&[0xff; 4]), Err(DecodeError::HuffmanEos));
        let after_a = format!("00011{}11111", "1".repeat(30));
        assert_eq!(decoded(&bits(&after_a)), Err(DecodeError::HuffmanEos));
        let before_a = format!("{}00011111", "1".repeat(30));
        assert_eq!(decoded(&bits(&before_a)), Err(DecodeError::HuffmanEos));
    }

    #[test]
    fn the_output_is_at_most_8_fifths_of_the_input() {
        let mut out = Vec::new();
        decode(&[0; 5], &mut out).expect("the code of '0' is 00000");
        assert_eq!(out, b"00000000");
    }
}
