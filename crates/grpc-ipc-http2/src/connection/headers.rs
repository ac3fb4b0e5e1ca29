//! Received HEADERS and CONTINUATION ([RFC 9113, sections 6.2 and
//! 6.10](https://www.rfc-editor.org/rfc/rfc9113#section-6.2)).

use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderValue, StatusCode};

use super::closed::Closed;
use super::recv::Result;
use super::{Connection, PER_MESSAGE, PartialBlock, Role, Stream, room_for_one, wake_reader};
use crate::direct::is_plain;
use crate::frame::{Head, flag};
use crate::message::{Message, ResponseHead};
use crate::{Error, Reason};

/// The maximum number of frames of a header block.
const MAX_BLOCK_FRAMES: u32 = 32;

impl Connection {
    pub(super) fn headers(&mut self, head: Head, payload: &[u8]) -> Result {
        if head.stream == 0 {
            return Err(Error::protocol("HEADERS on stream 0"));
        }
        let too_short = || Error::violation(Reason::FRAME_SIZE_ERROR, "HEADERS is too short");
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
        let length = length.ok_or_else(|| Error::protocol("HEADERS is shorter than its padding"))?;
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
            return Err(Error::protocol("CONTINUATION without HEADERS"));
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

    /// CVE-2024-27316 and related attacks.
    fn check_block(&self, length: usize, frames: u32) -> Result {
        let limit = (self.options.max_header_list_size as usize).saturating_mul(2);
        if length <= limit && frames <= MAX_BLOCK_FRAMES {
            return Ok(());
        }
        Err(Error::violation(Reason::ENHANCE_YOUR_CALM, "the header block is too large"))
    }

    fn block(&mut self, id: u32, end_stream: bool, block: &[u8]) -> Result {
        // Blocks of unwanted streams are decoded too, because they change the compression state.
        let message = self.decoder.decode(block);
        let message =
            message.map_err(|error| Error::violation(Reason::COMPRESSION_ERROR, error.to_string()))?;
        if self.streams.get(id).is_some_and(|stream| stream.failed.is_none()) {
            return self.message(id, end_stream, message);
        }
        if self.role == Role::Server && self.is_idle_stream(id) {
            return self.request(id, end_stream, message);
        }
        let opens = self.role == Role::Server && matches!(message, Message::Request(_));
        let too_late = !self.closed_lately.take_headers();
        match self.closed_lately.get(id) {
            Some(Closed::ByReset) => self.spend_if(too_late),
            // gRPC's C-core 1.51, as a server, repeats its status when a deadline passes there. That must not cost the
            // other calls.
            Some(Closed::ByPeer) if self.role == Role::Client => self.stream_error(id, Reason::STREAM_CLOSED),
            Some(Closed::ByPeer) => {
                Err(Error::violation(Reason::STREAM_CLOSED, "HEADERS on a stream that ended"))
            }
            // Late headers of a stream that was reset long ago.
            None if !opens && self.closed_lately.may_be_reset(id) && !self.is_idle_stream(id) => {
                self.spend_if(too_late)
            }
            None => Err(Error::protocol("HEADERS on a stream that cannot be opened")),
        }
    }

    /// Takes a new stream.
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
                let head = if end_stream { Some(head) } else { self.may_be_direct(id, head) };
                let Some(head) = head else { return Ok(()) };
                if let Some(stream) = self.streams.get_mut(id) {
                    stream.content_length = head.content_length;
                }
                if end_stream {
                    self.end_of_stream(id, None)?;
                }
                match self.streams.get(id) {
                    Some(stream) if stream.failed.is_none() => {
                        room_for_one(&mut self.accepted);
                        self.accepted.push_back((id, head));
                    }
                    _ => self.disown(id),
                }
                Ok(())
            }
            Message::TooLarge => self.refuse_too_large(id, end_stream),
            wrong => self.malformed(id, reason_of(&wrong)),
        }
    }

    /// A stream that will never have a reader or a sender.
    pub(super) fn disown(&mut self, id: u32) {
        if let Some(stream) = self.streams.get_mut(id) {
            stream.has_sender = false;
            self.drop_reader(id);
        }
    }

    /// Sends gRPC's status for metadata that is too large, without calling a handler.
    fn refuse_too_large(&mut self, id: u32, end_stream: bool) -> Result {
        self.insert(id);
        if end_stream {
            self.end_of_stream(id, None)?;
        }
        let mut headers = HeaderMap::with_capacity(3);
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
        headers.insert("grpc-status", HeaderValue::from_static("8"));
        headers.insert("grpc-message", HeaderValue::from_static("the metadata is too large"));
        self.send_response(id, StatusCode::OK, &headers, true);
        self.disown(id);
        Ok(())
    }

    /// Takes headers on an existing stream.
    pub(super) fn message(&mut self, id: u32, end_stream: bool, message: Message) -> Result {
        let Some(message) = self.direct_message(id, end_stream, message) else { return Ok(()) };
        self.demote(id);
        let role = self.role;
        let Some(stream) = self.streams.get_mut(id) else { return Ok(()) };
        if stream.recv_ended {
            return self.stream_error(id, Reason::STREAM_CLOSED);
        }
        match message {
            Message::Response(head) if role == Role::Client && !stream.has_response => {
                self.response(id, end_stream, head)
            }
            Message::Trailers(trailers) if end_stream && (role == Role::Server || stream.has_response) => {
                self.control_frames.give_back(PER_MESSAGE);
                self.end_of_stream(id, Some(trailers))
            }
            Message::TooLarge => self.stream_error_because(id, Reason::ENHANCE_YOUR_CALM, Error::TooLarge),
            wrong => self.malformed(id, reason_of(&wrong)),
        }
    }

    /// Resets a stream with a malformed message, and drops its untaken data ([section
    /// 8.1.1](https://www.rfc-editor.org/rfc/rfc9113#section-8.1.1)).
    pub(super) fn malformed(&mut self, id: u32, reason: &'static str) -> Result {
        tracing::debug!(stream = id, reason, "the peer sent a malformed message");
        if let Some(stream) = self.streams.get_mut(id) {
            stream.response = None;
            let unread = stream.drop_unread();
            self.give_back(0, unread as u32);
        }
        self.stream_error_because(id, Reason::PROTOCOL_ERROR, Error::Malformed(reason))
    }

    fn response(&mut self, id: u32, end_stream: bool, head: ResponseHead) -> Result {
        if head.status.is_informational() {
            // HTTP/2 does not have 101, and no other interim response ends the stream.
            if end_stream || head.status == StatusCode::SWITCHING_PROTOCOLS {
                return self.malformed(id, "an invalid interim response");
            }
            return self.spend();
        }
        self.control_frames.give_back(PER_MESSAGE);
        let Some(stream) = self.streams.get_mut(id) else { return Ok(()) };
        let without_body = [StatusCode::NOT_MODIFIED, StatusCode::NO_CONTENT];
        let has_body = !stream.is_head && !without_body.contains(&head.status);
        stream.content_length = head.content_length.filter(|_| has_body);
        if !is_plain(&head.headers) {
            stream.direct.follow_no_more();
        }
        stream.response = Some(head);
        stream.has_response = true;
        if end_stream {
            return self.end_of_stream(id, None);
        }
        wake_reader(stream, &mut self.wakers, &mut self.woken);
        Ok(())
    }

    pub(super) fn insert(&mut self, id: u32) -> &mut Stream {
        self.open += 1;
        self.streams.insert(id, self.receiving.initial, self.peer.initial_window)
    }
}

/// Why a message is malformed, or not valid here.
fn reason_of(message: &Message) -> &'static str {
    if let Message::Malformed(reason) = message { reason } else { "not expected here" }
}

#[cfg(test)]
mod tests {
    use bytes::BytesMut;

    use super::super::Connection;
    use crate::connection::Role;
    use crate::frame::{self, PREFACE};
    use crate::{Options, Reason};

    /// While handlers have not yet noticed that their streams were reset, one more call is refused, not passed on.
    #[test]
    fn handlers_that_outlive_their_streams_are_bounded() {
        const LIMIT: u32 = 5;
        let mut server = Connection::new(Role::Server, Options::new().max_concurrent_streams(LIMIT));
        let mut input = Vec::from(PREFACE);
        frame::write_settings(&mut input, &[]);
        server.receive(&mut BytesMut::from(&input[..])).unwrap();
        let mut running = Vec::new();
        for id in (1..).step_by(2).take(10 * LIMIT as usize) {
            let mut input = Vec::new();
            // :method POST, :scheme http and :path /, from the static table.
            frame::write_headers(&mut input, id, &[0x83, 0x86, 0x84], false, 1 << 14);
            server.receive(&mut BytesMut::from(&input[..])).unwrap();
            running.extend(server.accept().map(|(id, _)| id));
            let mut input = Vec::new();
            frame::write_reset(&mut input, id, Reason::CANCEL);
            server.receive(&mut BytesMut::from(&input[..])).unwrap();
        }
        assert_eq!(running.len(), 2 * LIMIT as usize);
        for id in running {
            server.drop_reader(id);
            server.drop_sender(id, Reason::INTERNAL_ERROR);
        }
        assert!(server.is_idle());
        server.check_invariants();
    }
}
