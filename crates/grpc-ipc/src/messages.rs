use std::fmt::Display;

use tonic::Status;

/// Tracks the messages in a body. Each begins with a prefix of five bytes ([gRPC over
/// HTTP/2](https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md#requests)).
#[derive(Debug, Default)]
pub(crate) struct Messages {
    /// How many bytes of a prefix have arrived.
    prefix: u8,
    /// The length in the prefix, as far as it has arrived.
    length: u32,
    /// How many bytes of the message are missing.
    left: u32,
}

const PREFIX: u8 = 5;

/// Why this end does not accept the bytes of a body.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Fault {
    /// The compressed-flag of a message is neither 0 nor 1.
    Flag(u8),
    /// A message is larger than the limit. `before` is the number of bytes in front of it in the piece.
    TooLarge { length: u32, before: usize },
}

/// The status for a message over the limit. Except for the code, it is tonic's.
pub(crate) fn too_large(length: impl Display, limit: usize) -> Status {
    Status::resource_exhausted(format!(
        "Error, decoded message length too large: found {length} bytes, the limit is: {limit} bytes"
    ))
}

impl Messages {
    /// Takes the next piece of the body. No message may be longer than `limit`.
    ///
    /// # Errors
    /// The first fault of a message in the piece.
    pub(crate) fn take(&mut self, all: &[u8], limit: usize) -> Result<(), Fault> {
        let mut piece = all;
        let mut before = 0;
        while let Some((byte, rest)) = piece.split_first() {
            if self.left > 0 {
                let length = piece.len().min(self.left as usize);
                self.left -= length as u32;
                piece = &piece[length..];
                continue;
            }
            match self.prefix {
                0 if *byte > 1 => return Err(Fault::Flag(*byte)),
                0 => {
                    self.length = 0;
                    before = all.len() - piece.len();
                }
                _ => self.length = self.length << 8 | u32::from(*byte),
            }
            self.prefix += 1;
            if self.prefix == PREFIX {
                self.prefix = 0;
                self.left = self.length;
                if self.length as usize > limit {
                    return Err(Fault::TooLarge { length: self.length, before });
                }
            }
            piece = rest;
        }
        Ok(())
    }

    /// Whether the body so far ends inside a message.
    pub(crate) fn is_inside(&self) -> bool {
        self.prefix > 0 || self.left > 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_end_where_their_prefixes_say_however_they_are_cut() {
        let body = [&[0, 0, 0, 0, 3][..], b"abc", &[1, 0, 0, 0, 0], &[0, 0, 0, 1, 0], &[7; 256]].concat();
        let ends = [0, 8, 13, 18 + 256];
        for end in 0..=body.len() {
            for size in [1, 2, 5, 7, 300] {
                let mut messages = Messages::default();
                body[..end].chunks(size).for_each(|piece| messages.take(piece, 256).unwrap());
                assert_eq!(messages.is_inside(), !ends.contains(&end), "{end} bytes, by {size}");
            }
        }
    }

    #[test]
    fn a_message_is_compressed_or_not() {
        for flag in 2..=255 {
            assert_eq!(Messages::default().take(&[flag], 0), Err(Fault::Flag(flag)));
        }
        assert_eq!(Messages::default().take(b"\0\0\0\0\0<html>", 0), Err(Fault::Flag(b'<')));
    }

    #[test]
    fn a_message_over_the_limit_is_found_at_its_prefix() {
        let body = [&[0, 0, 0, 0, 3][..], b"abc", &[0, 0, 0, 0, 4]].concat();
        let mut messages = Messages::default();
        assert_eq!(messages.take(&body, 3), Err(Fault::TooLarge { length: 4, before: 8 }));
        let (first, rest) = body.split_at(10);
        let mut messages = Messages::default();
        assert_eq!(messages.take(first, 3), Ok(()));
        assert_eq!(messages.take(rest, 3), Err(Fault::TooLarge { length: 4, before: 0 }));
    }
}
