//! Messages as they are on the wire.

use bytes::Bytes;

use super::PREFIX;
use crate::frame::{self, HEAD, Head, flag};

/// A longer message is not encoded under the lock of the connection, nor into its output.
pub(crate) const IN_PLACE: usize = 4 * 1024;
/// What stands between a block of headers and a message.
pub(crate) const BETWEEN: usize = HEAD + PREFIX;

/// A message with its prefix.
pub(crate) fn message(length: usize, encode: impl FnOnce(&mut Vec<u8>)) -> Bytes {
    let mut message = Vec::with_capacity(PREFIX + length);
    message.resize(PREFIX, 0);
    encode(&mut message);
    let length = (message.len() - PREFIX) as u32;
    message[1..PREFIX].copy_from_slice(&length.to_be_bytes());
    message.into()
}

/// A block of headers that was sent before, and says the same again.
#[derive(Clone, Copy)]
pub(super) enum Kept<'a> {
    /// In a frame, and with [`BETWEEN`] behind it.
    Template(&'a [u8]),
    /// A short one.
    Block(&'a [u8]),
}

/// Appends HEADERS, of a template, on a stream.
pub(super) fn headers(out: &mut Vec<u8>, template: &[u8], id: u32) {
    let begin = out.len();
    out.extend_from_slice(template);
    if let Some([_, _, _, _, _, stream @ ..]) = out[begin..].first_chunk_mut::<HEAD>() {
        *stream = id.to_be_bytes();
    }
}

/// Appends HEADERS and DATA with one message, whose length is known only when it is there. The message is returned if it
/// is longer than `limit`, and nothing is appended then; else the length of DATA is.
pub(super) fn headers_and_message(
    out: &mut Vec<u8>,
    head: Kept<'_>,
    id: u32,
    end_stream: bool,
    limit: usize,
    encode: impl FnOnce(&mut Vec<u8>),
) -> Result<usize, Bytes> {
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
    let message = Bytes::copy_from_slice(&out[at + HEAD..]);
    out.truncate(begin);
    Err(message)
}
