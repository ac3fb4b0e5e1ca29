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

impl Messages {
    /// Takes the next piece of the body.
    ///
    /// # Errors
    /// The compressed-flag of a message, if it is neither 0 nor 1.
    pub(crate) fn take(&mut self, mut piece: &[u8]) -> Result<(), u8> {
        while let Some((byte, rest)) = piece.split_first() {
            if self.left > 0 {
                let length = piece.len().min(self.left as usize);
                self.left -= length as u32;
                piece = &piece[length..];
                continue;
            }
            match self.prefix {
                0 if *byte > 1 => return Err(*byte),
                0 => self.length = 0,
                _ => self.length = self.length << 8 | u32::from(*byte),
            }
            self.prefix += 1;
            if self.prefix == PREFIX {
                self.prefix = 0;
                self.left = self.length;
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
                body[..end].chunks(size).for_each(|piece| messages.take(piece).unwrap());
                assert_eq!(messages.is_inside(), !ends.contains(&end), "{end} bytes, by {size}");
            }
        }
    }

    #[test]
    fn a_message_is_compressed_or_not() {
        for flag in 2..=255 {
            assert_eq!(Messages::default().take(&[flag]), Err(flag));
        }
        assert_eq!(Messages::default().take(b"\0\0\0\0\0<html>"), Err(b'<'));
    }
}
