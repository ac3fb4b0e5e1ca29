//! HEADERS and CONTINUATION that come ([RFC 9113, sections 6.2 and
//! 6.10](https://www.rfc-editor.org/rfc/rfc9113#section-6.2)).

use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderValue, StatusCode};

use super::closed::Closed;
use super::recv::Result;
use super::{Connection, PER_MESSAGE, PartialBlock, Role, Stream, wake_reader};
use crate::frame::{Head, flag};
use crate::message::{Message, ResponseHead};
use crate::{Error, Reason};

/// How many frames a block of headers may be in.
const MAX_BLOCK_FRAMES: u32 = 32;

impl Connection {
    pub(super) fn headers(&mut self, head: Head, payload: &[u8]) -> Result {
        if head.stream == 0 {
            return Err(Error::protocol("HEADERS on stream 0"));
        }
        let too_short = || Error::violation(Reason::FRAME_SIZE_ERROR, "HEADERS that are too short");
        let mut block = payload;
        let mut padding = 0;
        if head.has(flag::PADDED) {
            let (length, rest) = block.split_first().ok_or_else(too_short)?;
            (padding, block) = (usize::from(*length), rest);
        }
        if head.has(flag::PRIORITY) {
            block = block.get(5..).ok_or_else(too_short)?;
        }
        let length = block.len().checked_sub(padding);
        let length = length.ok_or_else(|| Error::protocol("HEADERS with more padding than they are long"))?;
        let (block, end_stream) = (&block[..length], head.has(flag::END_STREAM));
        self.check_block(block.len(), 1)?;
        if head.has(flag::END_HEADERS) {
            return self.block(head.stream, end_stream, block);
        }
        self.block = Some(PartialBlock { stream: head.stream, end_stream, bytes: block.to_vec(), frames: 1 });
        Ok(())
    }

    pub(super) fn continuation(&mut self, head: Head, payload: &[u8]) -> Result {
        let Some(mut block) = self.block.take_if(|block| block.stream == head.stream) else {
            return Err(Error::protocol("CONTINUATION of no HEADERS"));
        };
        block.frames += 1;
        self.check_block(block.bytes.len() + payload.len(), block.frames)?;
        block.bytes.extend_from_slice(payload);
        if head.has(flag::END_HEADERS) {
            return self.block(block.stream, block.end_stream, &block.bytes);
        }
        self.block = Some(block);
        Ok(())
    }

    /// CVE-2024-27316 and its relatives.
    fn check_block(&self, length: usize, frames: u32) -> Result {
        let limit = (self.options.max_header_list_size as usize).saturating_mul(2);
        if length <= limit && frames <= MAX_BLOCK_FRAMES {
            return Ok(());
        }
        Err(Error::violation(Reason::ENHANCE_YOUR_CALM, "too large a block of headers"))
    }

    fn block(&mut self, id: u32, end_stream: bool, block: &[u8]) -> Result {
        // Also of a stream that nobody wants any more: the compression goes on.
        let message = self.decoder.decode(block);
        let message =
            message.map_err(|error| Error::violation(Reason::COMPRESSION_ERROR, error.to_string()))?;
        if self.streams.get(&id).is_some_and(|stream| stream.failed.is_none()) {
            return self.message(id, end_stream, message);
        }
        if self.role == Role::Server && self.is_idle_stream(id) {
            return self.request(id, end_stream, message);
        }
        let opens = self.role == Role::Server && matches!(message, Message::Request(_));
        let too_late = !self.closed_lately.take_headers();
        match self.closed_lately.get(id) {
            Some(Closed::ByReset) => self.spend_if(too_late),
            Some(Closed::ByPeer) => {
                Err(Error::violation(Reason::STREAM_CLOSED, "HEADERS on a stream that ended"))
            }
            // What was under way when it was reset, long ago.
            None if !opens && self.closed_lately.may_be_reset(id) && !self.is_idle_stream(id) => {
                self.spend_if(too_late)
            }
            None => Err(Error::protocol("HEADERS on a stream that cannot be opened")),
        }
    }

    /// A new stream.
    fn request(&mut self, id: u32, end_stream: bool, message: Message) -> Result {
        if id.is_multiple_of(2) {
            return Err(Error::protocol("a client opens a stream with an even id"));
        }
        self.last_peer_stream = id;
        self.closed_lately.opened();
        if self.going_away.last_stream.is_some() {
            self.closed_lately.reset(id, self.receiving.initial.into());
            return Ok(());
        }
        let limit = self.options.max_concurrent_streams;
        if self.open >= limit || self.streams.len() >= 2 * limit as usize {
            self.closed_lately.reset(id, self.receiving.initial.into());
            return self.write_reset(id, Reason::REFUSED_STREAM);
        }
        match message {
            Message::Request(head) => {
                self.control_frames.give_back(PER_MESSAGE);
                self.insert(id);
                if let Some(stream) = self.streams.get_mut(&id) {
                    stream.content_length = head.content_length;
                }
                if end_stream {
                    self.end_of_stream(id)?;
                }
                match self.streams.get(&id) {
                    Some(stream) if stream.failed.is_none() => self.accepted.push_back((id, head)),
                    _ => self.disown(id),
                }
                Ok(())
            }
            Message::TooLarge => self.refuse_too_large(id, end_stream),
            wrong => self.malformed(id, &wrong),
        }
    }

    /// Nobody will ever hold a stream.
    pub(super) fn disown(&mut self, id: u32) {
        if let Some(stream) = self.streams.get_mut(&id) {
            stream.has_sender = false;
            self.drop_reader(id);
        }
    }

    /// The status that gRPC has for metadata that is too large, without asking a handler.
    fn refuse_too_large(&mut self, id: u32, end_stream: bool) -> Result {
        self.insert(id);
        if end_stream {
            self.end_of_stream(id)?;
        }
        let mut headers = HeaderMap::with_capacity(3);
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
        headers.insert("grpc-status", HeaderValue::from_static("8"));
        headers.insert("grpc-message", HeaderValue::from_static("the metadata is too large"));
        self.send_response(id, StatusCode::OK, &headers, true);
        self.disown(id);
        Ok(())
    }

    /// Headers on a stream that is there.
    pub(super) fn message(&mut self, id: u32, end_stream: bool, message: Message) -> Result {
        let role = self.role;
        let Some(stream) = self.streams.get_mut(&id) else { return Ok(()) };
        if stream.recv_ended {
            return self.stream_error(id, Reason::STREAM_CLOSED);
        }
        match message {
            Message::Response(head) if role == Role::Client && !stream.has_response => {
                self.response(id, end_stream, head)
            }
            Message::Trailers(trailers) if end_stream && (role == Role::Server || stream.has_response) => {
                stream.trailers = Some(trailers);
                self.control_frames.give_back(PER_MESSAGE);
                self.end_of_stream(id)
            }
            Message::TooLarge => self.stream_error(id, Reason::ENHANCE_YOUR_CALM),
            wrong => self.malformed(id, &wrong),
        }
    }

    /// [Section 8.1.1](https://www.rfc-editor.org/rfc/rfc9113#section-8.1.1).
    fn malformed(&mut self, id: u32, message: &Message) -> Result {
        let reason = if let Message::Malformed(reason) = message { reason } else { "not expected here" };
        tracing::debug!(stream = id, reason, "a malformed message");
        self.stream_error(id, Reason::PROTOCOL_ERROR)
    }

    fn response(&mut self, id: u32, end_stream: bool, head: ResponseHead) -> Result {
        if head.status.is_informational() {
            // There is no 101 in HTTP/2, and none of the others is the last.
            if end_stream || head.status == StatusCode::SWITCHING_PROTOCOLS {
                return self.stream_error(id, Reason::PROTOCOL_ERROR);
            }
            return self.spend();
        }
        self.control_frames.give_back(PER_MESSAGE);
        let Some(stream) = self.streams.get_mut(&id) else { return Ok(()) };
        let without_body = [StatusCode::NOT_MODIFIED, StatusCode::NO_CONTENT];
        let has_body = !stream.is_head && !without_body.contains(&head.status);
        stream.content_length = head.content_length.filter(|_| has_body);
        stream.response = Some(head);
        stream.has_response = true;
        if end_stream {
            return self.end_of_stream(id);
        }
        wake_reader(stream, &mut self.wakers, &mut self.woken);
        Ok(())
    }

    pub(super) fn insert(&mut self, id: u32) {
        let stream = Stream::new(self.receiving.initial, self.peer.initial_window);
        let stream = match self.spare.pop() {
            Some(mut spare) => {
                *spare = stream;
                spare
            }
            None => Box::new(stream),
        };
        self.streams.insert(id, stream);
        self.open += 1;
    }
}
