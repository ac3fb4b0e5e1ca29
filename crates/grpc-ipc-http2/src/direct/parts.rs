//! Encoding of large messages.

use bytes::{Buf, Bytes};

use crate::connection::direct::PREFIX;
use crate::pieces::Pieces;

/// A message to encode: a function that appends it to a vector, or a type that can also encode it in parts.
pub trait EncodeMessage {
    /// Appends the message, without its prefix.
    fn encode(self, out: &mut Vec<u8>);

    /// Appends a large message, without its prefix.
    fn encode_parts(self, out: &mut Parts);
}

impl<F: FnOnce(&mut Vec<u8>)> EncodeMessage for F {
    fn encode(self, out: &mut Vec<u8>) {
        self(out);
    }

    fn encode_parts(self, out: &mut Parts) {
        out.make_room(out.left);
        self(&mut out.copied);
    }
}

/// A large message in parts. `Bytes` in it are not copied. It accepts everything that any [`BufMut`](bytes::BufMut)
/// does.
#[derive(Debug)]
pub struct Parts {
    /// All other data, with the prefix in front.
    pub(super) copied: Vec<u8>,
    /// Each goes before the byte of `copied` with this index.
    shared: Vec<(usize, Bytes)>,
    /// The missing length, if the message is as long as announced.
    left: usize,
}

/// A shorter part is copied.
const MIN_PART: usize = 4 * 1024;
/// Room for the data around a part. Most large messages are a single part.
const AROUND: usize = 64;

impl Parts {
    /// Encodes a message, with its prefix.
    pub(crate) fn of(length: usize, message: impl EncodeMessage) -> Pieces {
        let mut parts = Self { copied: Vec::with_capacity(AROUND), shared: Vec::new(), left: length };
        parts.copied.resize(PREFIX, 0);
        message.encode_parts(&mut parts);
        parts.into_pieces()
    }

    fn into_pieces(mut self) -> Pieces {
        let shared: usize = self.shared.iter().map(|(_, part)| part.len()).sum();
        let length = (self.copied.len() - PREFIX + shared) as u32;
        self.copied[1..PREFIX].copy_from_slice(&length.to_be_bytes());
        let mut copied = Bytes::from(self.copied);
        let (mut pieces, mut taken) = (Pieces::default(), 0);
        for (at, part) in self.shared {
            if at > taken {
                pieces.push(copied.split_to(at - taken));
                taken = at;
            }
            pieces.push(part);
        }
        if !copied.is_empty() {
            pieces.push(copied);
        }
        pieces
    }

    /// Makes room for `length` copied bytes. If there is not enough, it makes room for the whole rest, so the message
    /// is not moved while it is encoded.
    pub(super) fn make_room(&mut self, length: usize) {
        if self.copied.capacity() - self.copied.len() < length {
            self.copied.reserve_exact(length.max(self.left));
        }
    }

    pub(super) fn copy(&mut self, bytes: &[u8]) {
        self.make_room(bytes.len());
        self.copied.extend_from_slice(bytes);
        self.took(bytes.len());
    }

    pub(super) fn took(&mut self, length: usize) {
        self.left = self.left.saturating_sub(length);
    }

    pub(super) fn append(&mut self, mut from: impl Buf) {
        let length = from.remaining();
        if length >= MIN_PART {
            // Shares the memory, if `from` is a `Bytes`.
            self.shared.push((self.copied.len(), from.copy_to_bytes(length)));
            self.took(length);
            return;
        }
        while from.has_remaining() {
            let chunk = from.chunk();
            let length = chunk.len();
            self.copy(chunk);
            from.advance(length);
        }
    }
}

#[cfg(test)]
mod tests {
    use bytes::BufMut as _;

    use super::*;

    struct Mixed(Vec<Bytes>);

    impl EncodeMessage for Mixed {
        fn encode(self, out: &mut Vec<u8>) {
            self.0.into_iter().for_each(|part| out.put(part));
        }

        fn encode_parts(self, out: &mut Parts) {
            for (at, part) in self.0.into_iter().enumerate() {
                match at % 3 {
                    0 => out.put(part),
                    1 => out.put_slice(&part),
                    // With the unsafe functions of `BufMut`.
                    _ => out.put_bytes(part[0], part.len()),
                }
            }
        }
    }

    fn parts_of(lengths: &[usize]) -> (Vec<Bytes>, Vec<u8>) {
        let parts: Vec<_> =
            lengths.iter().enumerate().map(|(at, length)| Bytes::from(vec![at as u8; *length])).collect();
        let all = parts.concat();
        (parts, [&[0], &(all.len() as u32).to_be_bytes()[..], &all].concat())
    }

    fn drain(mut pieces: Pieces) -> Vec<Bytes> {
        std::iter::from_fn(|| pieces.pop()).collect()
    }

    #[test]
    fn what_is_appended_comes_out_in_order() {
        for lengths in
            [&[1][..], &[10_000], &[3, 2, 1, 5000, 7, 9, 4096, 6000, 1, 4095, 100, 30_000], &[9, 9, 9000]]
        {
            let (parts, expected) = parts_of(lengths);
            // Also if the message is not as long as announced.
            for said in [0, expected.len() - PREFIX, 1 << 20] {
                assert_eq!(drain(Parts::of(said, Mixed(parts.clone()))).concat(), expected, "{lengths:?}");
            }
            let copied = |out: &mut Vec<u8>| out.extend_from_slice(&expected[PREFIX..]);
            assert_eq!(drain(Parts::of(expected.len() - PREFIX, copied)).concat(), expected);
        }
    }

    #[test]
    fn large_bytes_are_not_copied() {
        let (parts, _) = parts_of(&[10_000]);
        let pieces = drain(Parts::of(10_000, Mixed(parts.clone())));
        assert_eq!(pieces[1].as_ptr(), parts[0].as_ptr());
    }

    #[test]
    fn what_is_copied_is_not_moved() {
        struct Small;
        impl EncodeMessage for Small {
            fn encode(self, _: &mut Vec<u8>) {}

            fn encode_parts(self, out: &mut Parts) {
                (0..10_000).for_each(|number| out.put_u32(number));
                assert_eq!(out.copied.capacity(), out.copied.len());
            }
        }
        assert_eq!(drain(Parts::of(40_000, Small)).concat().len(), PREFIX + 40_000);
    }
}
