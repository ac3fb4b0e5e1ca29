//! Received DATA ([RFC 9113, section 6.1](https://www.rfc-editor.org/rfc/rfc9113#section-6.1)).

use std::mem;

use http::HeaderMap;

use super::direct::Piece;
use super::input::Input;
use super::recv::Result;
use super::stream::End;
use super::{Connection, PER_MESSAGE, PartialData, Role, wake_reader};
use crate::frame::{self, DEFAULT_WINDOW, Head, flag};
use crate::heap::expect_messages_of;
use crate::{Error, Reason};

/// A smaller piece of a body is copied, so that it does not keep the whole read buffer alive.
const COPY_BELOW: usize = 1024;
/// The same for a connection with more than [`BACKLOG`] unread bytes, which may stay unread for long.
const COPY_BELOW_OF_BACKLOG: usize = 16 * 1024;
const BACKLOG: usize = 64 * 1024;
/// Beyond this, everything is copied, so that unread data takes no more memory than its length.
const LARGE_BACKLOG: usize = 8 << 20;

impl Connection {
    /// `padding` includes the byte with its length.
    pub(super) fn data_head(&mut self, head: Head, padding: u32) -> Result {
        let id = head.stream;
        if id == 0 {
            return Err(Error::protocol("DATA on stream 0"));
        }
        if head.has(flag::PADDED) && (head.length == 0 || padding > head.length) {
            return Err(Error::protocol("DATA is shorter than its padding"));
        }
        if !self.may_gather(head) {
            self.demote(id);
        }
        self.take_window(head.length)?;
        let length = head.length - padding;
        let end_stream = head.has(flag::END_STREAM);
        if length == 0 && !end_stream {
            self.spend()?;
        }
        let wanted = self.data_is_wanted(head, length)?;
        if wanted {
            if length > 0 || end_stream {
                self.control_frames.give_back(PER_MESSAGE);
            }
            self.receiving.unread += head.length as usize;
            // Padding is never read by a handler.
            if padding > 0 {
                self.give_back(id, padding);
            }
        }
        self.data = Some(PartialData {
            stream: id,
            wanted,
            left: length,
            padding: padding.saturating_sub(1),
            end_stream: end_stream && wanted,
            untouched: true,
        });
        Ok(())
    }

    fn data_is_wanted(&mut self, head: Head, length: u32) -> Result<bool> {
        let id = head.stream;
        let role = self.role;
        let slack = DEFAULT_WINDOW.saturating_sub(self.receiving.initial);
        let Some(stream) = self.streams.get_mut(id).filter(|stream| stream.failed.is_none()) else {
            if self.is_idle_stream(id) {
                return Err(Error::protocol("DATA on a stream that is not open"));
            }
            if self.closed_lately.may_be_reset(id) {
                let too_late = !self.closed_lately.take_data(head.length);
                self.spend_if(too_late)?;
            } else {
                self.stream_error(id, Reason::STREAM_CLOSED)?;
            }
            return Ok(false);
        };
        if stream.recv_ended {
            self.stream_error(id, Reason::STREAM_CLOSED)?;
            return Ok(false);
        }
        if i64::from(head.length) > stream.recv_window + i64::from(slack) {
            self.stream_error(id, Reason::FLOW_CONTROL_ERROR)?;
            return Ok(false);
        }
        if role == Role::Client && !stream.has_response {
            self.malformed(id, "DATA before the response")?;
            return Ok(false);
        }
        stream.recv_window -= i64::from(head.length);
        stream.received += u64::from(length);
        if stream.content_length.is_some_and(|expected| stream.received > expected) {
            self.malformed(id, "the body is longer than content-length")?;
            return Ok(false);
        }
        Ok(true)
    }

    /// The size below which pieces of a body are copied.
    fn copy_below(&self) -> usize {
        match self.receiving.unread {
            0..=BACKLOG => COPY_BELOW,
            unread if unread <= LARGE_BACKLOG => COPY_BELOW_OF_BACKLOG,
            _ => usize::MAX,
        }
    }

    /// Takes the available part of a DATA frame, and returns whether the frame is complete.
    pub(super) fn data_piece(&mut self, input: &mut Input<'_>) -> Result<bool> {
        while let Some(data) = &mut self.data {
            let length = input.rest().len().min(data.left as usize);
            if length == 0 {
                break;
            }
            let (id, wanted, end_stream, frame) = (data.stream, data.wanted, data.end_stream, data.left);
            if mem::take(&mut data.untouched) && wanted {
                let beginning = &input.rest()[..length];
                if !end_stream {
                    self.open_window(id, frame, beginning);
                }
                self.begin_gathering(id, frame, end_stream, beginning);
            }
            let taken = self.take_piece(id, input, length);
            if let Some(data) = &mut self.data {
                data.left -= taken as u32;
            }
        }
        self.data_rest(input)
    }

    /// Takes a piece of a body of at most `length` bytes, and returns its length.
    fn take_piece(&mut self, id: u32, input: &mut Input<'_>, length: usize) -> usize {
        let copy_below = self.copy_below();
        let Some(data) = self.data.as_ref().filter(|data| data.wanted) else {
            input.take(length);
            return length;
        };
        let Some(stream) =
            self.streams.get_mut(id).filter(|stream| stream.has_reader && stream.failed.is_none())
        else {
            input.take(length);
            self.give_back(id, length as u32);
            return length;
        };
        let window = if data.end_stream { 0 } else { stream.recv_window.max(0) as u64 };
        match stream.direct.take_piece(&input.rest()[..length], u64::from(data.left) + window) {
            Piece::Gathered(length) => {
                input.take(length);
                self.gathered_part(id);
                length
            }
            Piece::Other(length) => {
                if length < copy_below {
                    stream.data.push_copy(&input.rest()[..length]);
                    input.take(length);
                } else {
                    stream.data.push(input.split(length));
                }
                wake_reader(stream, &mut self.wakers, &mut self.woken);
                length
            }
        }
    }

    /// Ends a frame once all of it before the padding has come. Returns whether the padding has come, too.
    fn data_rest(&mut self, input: &mut Input<'_>) -> Result<bool> {
        let Some(data) = &mut self.data else { return Ok(true) };
        if data.left > 0 {
            return Ok(false);
        }
        let padding = input.rest().len().min(data.padding as usize);
        input.take(padding);
        data.padding -= padding as u32;
        if data.padding > 0 {
            return Ok(false);
        }
        let (id, end_stream) = (data.stream, data.end_stream);
        self.data = None;
        if end_stream {
            self.end_of_stream(id, None)?;
        } else {
            self.gathered_frame(id);
        }
        Ok(true)
    }

    /// Ends the receiving side of a stream.
    pub(super) fn end_of_stream(&mut self, id: u32, trailers: Option<HeaderMap>) -> Result {
        if self.role == Role::Client {
            // A response without trailers.
            self.demote(id);
        }
        self.gathered_no_more(id);
        let Some(stream) = self.streams.get_mut(id) else { return Ok(()) };
        if stream.failed.is_some() {
            return Ok(());
        }
        if stream.content_length.is_some_and(|expected| stream.received != expected) {
            return self.malformed(id, "content-length differs from the length of the body");
        }
        expect_messages_of(stream.first_message.min(stream.received) as usize);
        stream.trailers = trailers;
        stream.recv_ended = true;
        self.receiving.end(stream);
        wake_reader(stream, &mut self.wakers, &mut self.woken);
        if self.role == Role::Server {
            self.gathered_request(id);
        }
        let Some(stream) = self.streams.get_mut(id) else { return Ok(()) };
        if self.role == Role::Client && stream.end != End::Sent {
            // The call is over, so unsent data is dropped.
            self.unsent.drop_pending(stream);
            stream.end = End::Sent;
            stream.reset_when_answered = true;
            self.wakers.extend(stream.send_waker.take());
            self.closed_lately.reset(id, 0);
            self.answer(|out| frame::write_reset(out, id, Reason::NO_ERROR))?;
        }
        self.close_if_ended(id);
        Ok(())
    }
}
