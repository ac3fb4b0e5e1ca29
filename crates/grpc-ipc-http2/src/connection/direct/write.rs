//! The wire format of messages.

use super::{Connection, KEEP_MESSAGES, PREFIX};
use crate::frame::{self, HEAD, Head, flag};
use crate::pieces::Pieces;

/// A longer message is not encoded under the connection's lock, or into its output.
pub(crate) const IN_PLACE: usize = 4 * 1024;
/// The length of the heads between a header block and a message.
pub(crate) const BETWEEN: usize = HEAD + PREFIX;

/// A message that is not in a frame yet, with its prefix.
pub(super) enum Unframed {
    Small(Vec<u8>),
    Large(Pieces),
}

impl Connection {
    /// Encodes a message into a reusable buffer. This comes before its headers, because encoding headers changes the
    /// encoder, and the message may panic.
    pub(super) fn unframed(&mut self, length: usize, encode: impl FnOnce(&mut Vec<u8>)) -> Unframed {
        let mut message = std::mem::take(&mut self.direct.small_message);
        message.reserve(PREFIX + length);
        message.resize(PREFIX, 0);
        encode(&mut message);
        let length = (message.len() - PREFIX) as u32;
        message[1..PREFIX].copy_from_slice(&length.to_be_bytes());
        Unframed::Small(message)
    }

    /// Sends a message, as soon as flow control permits.
    pub(super) fn send_unframed(&mut self, id: u32, message: Unframed, end_stream: bool) {
        match message {
            Unframed::Large(pieces) => self.send_pieces(id, pieces, end_stream),
            Unframed::Small(mut message) if self.put_at_once(id, &message, end_stream) => {
                message.clear();
                message.shrink_to(KEEP_MESSAGES);
                self.direct.small_message = message;
            }
            Unframed::Small(message) => self.send_data(id, message.into(), end_stream),
        }
    }
}

/// A header block that was sent before and is the same again.
#[derive(Clone, Copy)]
pub(super) enum Kept<'a> {
    /// In a frame, followed by [`BETWEEN`] bytes.
    Template(&'a [u8]),
    /// A short block.
    Block(&'a [u8]),
}

/// Appends HEADERS for a stream, copied from a template.
#[inline]
pub(super) fn headers(out: &mut Vec<u8>, template: &[u8], id: u32) {
    let begin = out.len();
    out.extend_from_slice(template);
    if let Some([_, _, _, _, _, stream @ ..]) = out[begin..].first_chunk_mut::<HEAD>() {
        *stream = id.to_be_bytes();
    }
}

/// Appends HEADERS, and DATA with one message, whose length is known only after encoding. Returns the length of DATA.
/// If the message is longer than `limit`, nothing is appended, and the message is returned.
pub(super) fn headers_and_message(
    out: &mut Vec<u8>,
    head: Kept<'_>,
    id: u32,
    end_stream: bool,
    limit: usize,
    encode: impl FnOnce(&mut Vec<u8>),
) -> Result<usize, Unframed> {
    let begin = out.len();
    match head {
        Kept::Template(template) => headers(out, template, id),
        Kept::Block(block) => {
            frame::write_headers(out, id, block, false, frame::MIN_MAX_FRAME_SIZE);
            out.extend_from_slice(&[0; BETWEEN]);
        }
    }
    let at = out.len() - BETWEEN;
    encode(out);
    let length = out.len() - at - HEAD;
    let flags = if end_stream { flag::END_STREAM } else { 0 };
    let head = Head { length: length as u32, kind: frame::kind::DATA, flags, stream: id };
    if let Some((between, _)) = out[at..].split_first_chunk_mut::<BETWEEN>() {
        between[..HEAD].copy_from_slice(&head.bytes());
        between[HEAD + 1..].copy_from_slice(&((length - PREFIX) as u32).to_be_bytes());
    }
    if length <= limit {
        return Ok(length);
    }
    let message = out.split_off(at + HEAD);
    out.truncate(begin);
    Err(Unframed::Small(message))
}
