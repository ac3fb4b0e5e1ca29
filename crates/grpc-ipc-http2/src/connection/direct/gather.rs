//! Messages that are large, or come in several frames.
//!
//! They are gathered in their own memory, into which they are read straight from the byte stream. They stay direct
//! calls once they are complete. A message is gathered if it fits into the window of its stream, so gathered data has
//! the same limit as other unread data. A larger message continues on the general path.

use bytes::{BufMut as _, Bytes, BytesMut};
use tokio::time::Instant;

use super::{Connection, PREFIX, Progress, Request, Source};
use crate::Reason;
use crate::connection::Role;
use crate::deadline::after;
use crate::frame::{Head, flag};

/// A shorter message in several pieces continues on the general path.
const MIN_GATHERED: usize = 4 * 1024;
/// The rest of a frame is read straight into its message if it has at least this length. A shorter rest is read
/// together with the data behind it, and copied.
const MIN_READ: usize = 4 * 1024;
/// How much is read beyond a frame's part of a message: the next frame head, and usually the last few bytes of the
/// message and the beginning of the next one.
const BEHIND: usize = 64;
/// The maximum ratio of allocated memory to received data, so that a message that is only announced takes no memory.
const AHEAD: usize = 64;

/// A message that is being gathered.
#[derive(Debug, Default)]
pub(crate) struct Gathered {
    /// The received bytes, with the prefix.
    bytes: BytesMut,
    /// The full length.
    length: usize,
}

impl Gathered {
    pub(super) fn of(length: usize) -> Self {
        Self { bytes: BytesMut::new(), length }
    }

    /// Whether the message is complete.
    pub(super) fn is_complete(&self) -> bool {
        self.bytes.len() == self.length
    }

    pub(super) fn len(&self) -> usize {
        self.bytes.len()
    }

    /// How much has not come yet.
    pub(super) fn left(&self) -> usize {
        self.length - self.bytes.len()
    }

    /// Whether no message is being gathered.
    pub(super) fn is_empty(&self) -> bool {
        self.length == 0
    }

    pub(super) fn push(&mut self, piece: &[u8]) {
        self.grow(piece.len());
        self.bytes.extend_from_slice(piece);
    }

    /// Makes room for a piece, for data read beyond the message, and for what follows.
    fn grow(&mut self, piece: usize) {
        if self.bytes.capacity() - self.bytes.len() < piece {
            let come = self.bytes.len() + piece;
            let length = (self.length + BEHIND).min(come.saturating_mul(AHEAD)).max(come + BEHIND);
            self.bytes.reserve(length - self.bytes.len());
        }
    }

    pub(super) fn clear(&mut self) {
        if !self.is_empty() {
            *self = Self::default();
        }
    }

    /// Takes the received bytes, with the prefix, in memory that is not much larger.
    pub(super) fn take(&mut self) -> Bytes {
        let Self { bytes, .. } = std::mem::take(self);
        if bytes.capacity() / 2 > bytes.len() { Bytes::copy_from_slice(&bytes) } else { bytes.freeze() }
    }

    /// Takes a complete message, without its prefix.
    pub(super) fn take_message(&mut self) -> Bytes {
        let Self { bytes, .. } = std::mem::take(self);
        bytes.freeze().split_off(PREFIX)
    }
}

impl Connection {
    /// Whether a DATA frame may belong to a gathered message.
    pub(in crate::connection) fn may_gather(&mut self, head: Head) -> bool {
        let Some(stream) = self.streams.get_mut(head.stream) else { return false };
        if let Some(request) = &stream.direct.request {
            stream.content_length = request.content_length();
        }
        let gathered = &stream.direct.gathered;
        !head.has(flag::PADDED)
            && match stream.direct.progress {
                Progress::Awaits | Progress::Head => head.length > 0,
                Progress::Gathers => head.length as usize <= gathered.length - gathered.len(),
                _ => false,
            }
    }

    /// Handles the beginning of a body's first frame. If it begins with a large message that fits into the window, the
    /// message is gathered. Otherwise the call continues on the general path.
    pub(in crate::connection) fn begin_gathering(
        &mut self,
        id: u32,
        frame: u32,
        end_stream: bool,
        beginning: &[u8],
    ) {
        let Some(stream) = self.streams.get_mut(id) else { return };
        if !matches!(stream.direct.progress, Progress::Awaits | Progress::Head) {
            return;
        }
        let length = match beginning {
            [0, a, b, c, d, ..] => PREFIX as u64 + u64::from(u32::from_be_bytes([*a, *b, *c, *d])),
            _ => 0,
        };
        let left = length.saturating_sub(frame.into());
        let fits = length >= frame.into()
            && if end_stream { left == 0 } else { left <= stream.recv_window.max(0) as u64 };
        if !fits || length < MIN_GATHERED as u64 {
            self.demote(id);
            return;
        }
        stream.direct.progress = Progress::Gathers;
        stream.direct.gathered.length = length as usize;
        // Its deadline starts here, like that of a handler that waits for its message.
        if let Some(timeout) = stream.direct.request.as_ref().and_then(|head| head.timeout()) {
            self.set_deadline(id, after(Instant::now(), timeout));
        }
    }

    /// Where to read the next bytes, and how many: the rest of a frame's part of a message, and a little more.
    pub(crate) fn room_for_message(&mut self) -> Option<(&mut BytesMut, usize)> {
        let data = self.data.as_ref().filter(|data| data.wanted && data.left as usize >= MIN_READ)?;
        if self.failed.is_some() {
            return None;
        }
        let stream = self
            .streams
            .get_mut(data.stream)
            .filter(|stream| stream.has_reader && stream.failed.is_none())?;
        let gathered = &mut stream.direct.gathered;
        let length = gathered.left().min(data.left as usize);
        if length < MIN_READ {
            return None;
        }
        gathered.grow(MIN_READ);
        let room = gathered.bytes.capacity() - gathered.bytes.len();
        Some((&mut gathered.bytes, room.min(length + BEHIND)))
    }

    /// `length` bytes were read there. Bytes beyond the message move to `rest`.
    pub(crate) fn message_was_read(&mut self, length: usize, rest: &mut BytesMut) {
        let Some(data) = &mut self.data else { return };
        let Some(stream) = self.streams.get_mut(data.stream) else { return };
        let gathered = &mut stream.direct.gathered;
        let begin = gathered.bytes.len() - length;
        let end = gathered.length.min(begin + length.min(data.left as usize));
        data.left -= (end - begin) as u32;
        rest.put_slice(&gathered.bytes[end..]);
        gathered.bytes.truncate(end);
        let id = data.stream;
        self.gathered_part(id);
    }

    /// A frame of a gathered message has ended, but not the stream.
    pub(in crate::connection) fn gathered_frame(&mut self, id: u32) {
        if self.role == Role::Client
            && let Some(stream) = self.streams.get_mut(id)
            && stream.direct.gathers()
            && stream.direct.gathered.is_complete()
        {
            stream.direct.progress = Progress::Message;
        }
    }

    /// The stream of a request has ended. A complete message is passed to the service.
    pub(in crate::connection) fn gathered_request(&mut self, id: u32) {
        let Some(stream) = self.streams.get_mut(id).filter(|stream| stream.direct.gathers()) else { return };
        if !stream.direct.gathered.is_complete() {
            self.demote(id);
            return;
        }
        let Some(head) = stream.direct.request.take() else { return };
        stream.direct.progress = Progress::Complete;
        self.direct.requests.list.push(Request { id, head, message: Source::Gathered });
    }

    /// The message of a request, and its deadline; `None` if the call has ended.
    pub(crate) fn take_gathered(&mut self, id: u32) -> Option<(Bytes, Option<Instant>)> {
        let stream = self.streams.get_mut(id)?;
        if stream.failed.is_some() {
            self.drop_sender(id, Reason::CANCEL);
            self.drop_reader(id);
            return None;
        }
        let length = stream.direct.gathered.len();
        let message = stream.direct.gathered.take_message();
        let deadline = stream.deadline;
        stream.has_reader = false;
        self.give_back(id, length as u32);
        Some((message, deadline))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_that_is_announced_takes_no_memory_before_it_comes() {
        let mut gathered = Gathered::of(4 << 20);
        for _ in 0..100 {
            gathered.push(&[0; 50]);
            let most = AHEAD * gathered.len() + BEHIND;
            assert!(gathered.bytes.capacity() <= most, "{}", gathered.bytes.capacity());
        }
        let mut gathered = Gathered::of(20_000);
        gathered.push(&[0; 16_384]);
        assert!(gathered.bytes.capacity() <= 20_000 + BEHIND);
    }

    #[test]
    fn memory_for_what_does_not_come_is_given_back() {
        let mut gathered = Gathered::of(4 << 20);
        gathered.push(&[7; 1000]);
        let taken = gathered.take();
        assert_eq!(taken, [7; 1000][..]);
        assert!(taken.try_into_mut().unwrap().capacity() <= 2000);
    }
}
