//! The compression of single messages, which tonic does not expose.
//!
//! A gRPC message follows a prefix of five bytes: the compressed flag and the length (`Length-Prefixed-Message` in
//! gRPC's `PROTOCOL-HTTP2.md`). tonic does not expose the flag of a received message, and compresses all messages of a
//! stream or none. The interoperability tests need both, so this module handles them on the bytes of the body. The
//! flags are in the extensions of the HTTP message, which tonic passes to handlers and callers.

use std::{
    collections::VecDeque,
    io::Read,
    sync::{Arc, Mutex, PoisonError},
};

use bytes::{BufMut, Bytes, BytesMut};
use flate2::read::GzDecoder;
use http::Extensions;
use http_body_util::BodyExt;
use tonic::{body::Body, codec::HEADER_SIZE};

/// The compressed flags of the messages of one body, in order. For a received body, [`record`] stores them; for a body
/// to send, [`apply`] follows them. A flag that is not taken stays as long as the call.
#[derive(Clone, Debug, Default)]
pub(crate) struct CompressedFlags(Arc<Mutex<VecDeque<bool>>>);

impl CompressedFlags {
    /// Adds the flag of the next message.
    pub(crate) fn push(&self, compressed: bool) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push_back(compressed);
    }

    /// Takes the oldest flag that has not been taken yet.
    pub(crate) fn pop(&self) -> Option<bool> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).pop_front()
    }
}

/// Records the flags of a received body in the `extensions` of its message. A flag is present by the time tonic has
/// decoded its message.
pub(crate) fn record(extensions: &mut Extensions, body: Body) -> Body {
    let flags = CompressedFlags::default();
    extensions.insert(flags.clone());
    let mut prefixes = Prefixes::default();
    Body::new(body.map_frame(move |frame| {
        if let Some(data) = frame.data_ref() {
            prefixes.read(data, &flags);
        }
        frame
    }))
}

/// Sends each message of a body that tonic compresses as the flags in `extensions` say. Without flags, or after the
/// last one, messages stay as tonic made them. Messages that tonic did not compress stay uncompressed.
pub(crate) fn apply(extensions: &Extensions, body: Body) -> Body {
    let Some(flags) = extensions.get::<CompressedFlags>().cloned() else {
        return body;
    };
    Body::new(body.map_frame(move |frame| frame.map_data(|data| restore_uncompressed(&data, &flags))))
}

/// Finds the prefixes of messages in data that may be split anywhere.
#[derive(Default)]
struct Prefixes {
    partial: Vec<u8>,
    message_left: usize,
}

impl Prefixes {
    fn read(&mut self, mut data: &[u8], flags: &CompressedFlags) {
        while !data.is_empty() {
            if self.message_left > 0 {
                let skipped = self.message_left.min(data.len());
                self.message_left -= skipped;
                data = &data[skipped..];
                continue;
            }
            let (head, rest) = data.split_at(data.len().min(HEADER_SIZE - self.partial.len()));
            self.partial.extend_from_slice(head);
            data = rest;
            if let [flag, ref length @ ..] = self.partial[..]
                && let Ok(length) = length.try_into()
            {
                flags.push(flag == 1);
                self.message_left = u32::from_be_bytes(length) as usize;
                self.partial.clear();
            }
        }
    }
}

/// Undoes tonic's compression of the messages that are to be sent uncompressed.
///
/// # Panics
///
/// If `encoded` is not output of tonic's encoder: whole messages, compressed with gzip or not at all.
fn restore_uncompressed(mut encoded: &[u8], flags: &CompressedFlags) -> Bytes {
    let mut restored = BytesMut::with_capacity(encoded.len());
    while let Some((&[flag, ref length @ ..], rest)) = encoded.split_first_chunk::<HEADER_SIZE>() {
        let (message, rest) = rest.split_at(u32::from_be_bytes(*length) as usize);
        encoded = rest;
        if flags.pop() == Some(false) && flag == 1 {
            let mut plain = Vec::new();
            GzDecoder::new(message).read_to_end(&mut plain).expect("tonic compressed it with gzip");
            restored.put_u8(0);
            restored.put_u32(plain.len().try_into().expect("tonic bounds a message to 4 GiB"));
            restored.put_slice(&plain);
        } else {
            restored.put_u8(flag);
            restored.put_slice(length);
            restored.put_slice(message);
        }
    }
    restored.freeze()
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use flate2::{Compression, write::GzEncoder};

    use super::*;

    #[test]
    fn prefixes_are_found_however_the_data_is_cut() {
        let body =
            [message(1, b"compressed"), message(0, b""), message(0, &[1; 300]), message(1, b"x")].concat();
        for size in 1..=body.len() {
            let (flags, mut prefixes) = (CompressedFlags::default(), Prefixes::default());
            body.chunks(size).for_each(|data| prefixes.read(data, &flags));
            assert_eq!(taken(&flags), [true, false, false, true], "cut every {size} bytes");
        }
    }

    #[test]
    fn only_the_messages_told_to_are_uncompressed() {
        let zipped = gzip(b"a message");
        let body =
            [message(1, &zipped), message(1, &zipped), message(0, b"plain"), message(1, &zipped)].concat();
        let flags = CompressedFlags::default();
        for compressed in [true, false, true] {
            flags.push(compressed);
        }
        let expected =
            [message(1, &zipped), message(0, b"a message"), message(0, b"plain"), message(1, &zipped)]
                .concat();
        assert_eq!(restore_uncompressed(&body, &flags), expected);
    }

    fn message(flag: u8, message: &[u8]) -> Vec<u8> {
        let length = u32::try_from(message.len()).unwrap().to_be_bytes();
        [&[flag], &length[..], message].concat()
    }

    fn gzip(plain: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
        encoder.write_all(plain).unwrap();
        encoder.finish().unwrap()
    }

    fn taken(flags: &CompressedFlags) -> Vec<bool> {
        std::iter::from_fn(|| flags.pop()).collect()
    }
}
