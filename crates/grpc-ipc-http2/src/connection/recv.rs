//! Frames that come ([RFC 9113, section 6](https://www.rfc-editor.org/rfc/rfc9113#section-6)).

use bytes::{Buf as _, BytesMut};
use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderValue, StatusCode};

use super::closed::Closed;
use super::stream::End;
use super::{
    Connection, DRAIN_PING, EARLY_RESETS, PER_MESSAGE, PartialBlock, PartialData, Received, Role, Stream,
    other_protocol, wake_reader,
};
use crate::frame::{
    self, DEFAULT_WINDOW, HEAD, Head, MAX_MAX_FRAME_SIZE, MAX_WINDOW, MIN_MAX_FRAME_SIZE, PREFACE, flag,
    kind, setting,
};
use crate::message::{Message, ResponseHead};
use crate::{Error, Reason, Side, refusal};

type Result<T = ()> = std::result::Result<T, Error>;

/// A piece of a body that is smaller is copied, so that it does not keep all of the buffer that it came in.
const COPY_BELOW: usize = 1024;
/// The same for a connection on which more than [`BACKLOG`] is not read: it may not be for long.
const COPY_BELOW_OF_BACKLOG: usize = 16 * 1024;
const BACKLOG: usize = 64 * 1024;
/// Beyond this everything is copied: what is not read takes no more memory than it is long, however it came.
const LARGE_BACKLOG: usize = 8 << 20;
/// How many frames a block of headers may be in.
const MAX_BLOCK_FRAMES: u32 = 32;
/// How many bytes of answers may wait for the peer to read them: at least these, and at most twice as many.
const MAX_ANSWERS: usize = 64 * 1024;

impl Connection {
    /// Takes what has come; what is left in `input` is the beginning of a frame.
    ///
    /// # Errors
    /// How the peer has broken a rule of the connection, which is over then.
    pub(crate) fn receive(&mut self, input: &mut BytesMut) -> Result {
        loop {
            if self.data.is_some() {
                if !self.data_piece(input)? {
                    return Ok(());
                }
                continue;
            }
            if self.received == Received::Nothing && !self.preface(input)? {
                return Ok(());
            }
            if self.received == Received::Preface && self.role == Role::Client {
                if let Some(refused) = refusal::parse(input) {
                    return Err(refused);
                }
                if refusal::may_be(input) {
                    return Ok(());
                }
                other_protocol::check_server(input)?;
            }
            let Some(head) = input.first_chunk() else { return Ok(()) };
            let head = Head::parse(head);
            self.check_head(head)?;
            if head.kind == kind::DATA {
                let padded = usize::from(head.has(flag::PADDED) && head.length > 0);
                if input.len() < HEAD + padded {
                    return Ok(());
                }
                let padding = if padded == 1 { u32::from(input[HEAD]) + 1 } else { 0 };
                input.advance(HEAD + padded);
                self.frames += 1;
                self.data_head(head, padding)?;
                continue;
            }
            let end = HEAD + head.length as usize;
            if input.len() < end {
                return Ok(());
            }
            self.frame(head, &input[HEAD..end])?;
            self.frames += u64::from(self.block.is_none());
            input.advance(end);
        }
    }

    /// Whether the client's preface is complete.
    fn preface(&mut self, input: &mut BytesMut) -> Result<bool> {
        other_protocol::check_client(input)?;
        if input.len() < PREFACE.len() {
            return Ok(false);
        }
        input.advance(PREFACE.len());
        self.received = Received::Preface;
        Ok(true)
    }

    fn check_head(&mut self, head: Head) -> Result {
        if head.length > self.options.max_frame_size {
            let detail = format!("a frame of {} bytes", head.length);
            return Err(Error::violation(Reason::FRAME_SIZE_ERROR, detail));
        }
        if self.received == Received::Preface {
            if head.kind != kind::SETTINGS || head.has(flag::ACK) {
                return Err(Error::protocol("the first frame is not SETTINGS"));
            }
            self.received = Received::Settings;
        }
        if self.block.is_some() && head.kind != kind::CONTINUATION {
            return Err(Error::protocol("another frame in a block of headers"));
        }
        Ok(())
    }

    fn frame(&mut self, head: Head, payload: &[u8]) -> Result {
        match head.kind {
            kind::HEADERS => self.headers(head, payload),
            kind::CONTINUATION => self.continuation(head, payload),
            kind::PRIORITY => self.priority(head),
            kind::RST_STREAM => self.reset_stream(head, payload),
            kind::SETTINGS => self.settings(head, payload),
            kind::PUSH_PROMISE => Err(Error::protocol("PUSH_PROMISE, which is not enabled")),
            kind::PING => self.receive_ping(head, payload),
            kind::GOAWAY => self.goaway(head, payload),
            kind::WINDOW_UPDATE => self.window_update(head, payload),
            _ => self.spend(),
        }
    }

    /// A frame that moves nothing forward.
    fn spend(&mut self) -> Result {
        if self.control_frames.take() {
            return Ok(());
        }
        Err(Error::violation(Reason::ENHANCE_YOUR_CALM, "too many frames that move nothing forward"))
    }

    /// A frame that the peer made us send. They cannot be more than it reads.
    fn answer(&mut self, write: impl FnOnce(&mut Vec<u8>)) -> Result {
        if self.output.all_written() >= self.answers_counted_from {
            self.answers = 0;
            self.answers_counted_from = self.output.position();
        }
        let before = self.output.len();
        self.output.write(write);
        self.answers += self.output.len() - before;
        if self.answers <= MAX_ANSWERS {
            return Ok(());
        }
        Err(Error::violation(Reason::ENHANCE_YOUR_CALM, "too many answers that are not read"))
    }

    /// Resets a stream on which the peer has broken a rule.
    fn stream_error(&mut self, id: u32, reason: Reason) -> Result {
        self.stream_error_because(id, reason, Error::Reset { by: Side::Local, reason })
    }

    /// As [`stream_error`](Self::stream_error), with what this end is told.
    fn stream_error_because(&mut self, id: u32, reason: Reason, error: Error) -> Result {
        if self.role == Role::Server {
            self.spend_resets(EARLY_RESETS)?;
        }
        let window = self.streams.get(&id).map_or(0, |stream| stream.recv_window);
        self.closed_lately.reset(id, window);
        self.fail_stream(id, error);
        self.write_reset(id, reason)
    }

    /// A server reads no more when the client does not read; a client always does, so it counts what it says.
    fn write_reset(&mut self, id: u32, reason: Reason) -> Result {
        match self.role {
            Role::Server => self.output.write(|out| frame::write_reset(out, id, reason)),
            Role::Client => return self.answer(|out| frame::write_reset(out, id, reason)),
        }
        Ok(())
    }

    fn spend_resets(&mut self, tokens: u32) -> Result {
        if self.resets.take_many(tokens) {
            return Ok(());
        }
        Err(Error::violation(Reason::ENHANCE_YOUR_CALM, "too many streams are reset"))
    }

    /// DATA or HEADERS for a stream that we may have reset: the peer may not have known, but only so much can have been
    /// under way.
    fn spend_if(&mut self, too_late: bool) -> Result {
        if too_late { self.spend() } else { Ok(()) }
    }

    /// Whether nobody has used a stream yet.
    fn is_idle_stream(&self, id: u32) -> bool {
        let ours = (id % 2 == 1) == (self.role == Role::Client);
        if ours { id >= self.next_stream } else { id > self.last_peer_stream }
    }

    // DATA

    /// `padding` counts the byte that tells its length.
    fn data_head(&mut self, head: Head, padding: u32) -> Result {
        let id = head.stream;
        if id == 0 {
            return Err(Error::protocol("DATA on stream 0"));
        }
        if head.has(flag::PADDED) && (head.length == 0 || padding > head.length) {
            return Err(Error::protocol("DATA with more padding than it is long"));
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
            // Padding is not read by anybody.
            self.give_back(id, padding);
            if !end_stream {
                self.open_window(id);
            }
        }
        self.data = Some(PartialData {
            stream: id,
            wanted,
            left: length,
            padding: padding.saturating_sub(1),
            end_stream: end_stream && wanted,
        });
        Ok(())
    }

    fn data_is_wanted(&mut self, head: Head, length: u32) -> Result<bool> {
        let id = head.stream;
        let role = self.role;
        let slack = DEFAULT_WINDOW.saturating_sub(self.receiving.initial);
        let Some(stream) = self.streams.get_mut(&id).filter(|stream| stream.failed.is_none()) else {
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

    /// A piece of a body that is smaller is copied.
    fn copy_below(&self) -> usize {
        match self.receiving.unread {
            0..=BACKLOG => COPY_BELOW,
            unread if unread <= LARGE_BACKLOG => COPY_BELOW_OF_BACKLOG,
            _ => usize::MAX,
        }
    }

    /// Takes what is there of a frame of DATA; whether that is all of it.
    fn data_piece(&mut self, input: &mut BytesMut) -> Result<bool> {
        let Some(data) = &mut self.data else { return Ok(true) };
        let length = input.len().min(data.left as usize);
        if length > 0 {
            data.left -= length as u32;
            let id = data.stream;
            let wanted = data.wanted;
            let copy_below = self.copy_below();
            match self.streams.get_mut(&id) {
                Some(stream) if wanted && stream.has_reader && stream.failed.is_none() => {
                    if length < copy_below {
                        stream.data.push_copy(&input[..length]);
                        input.advance(length);
                    } else {
                        stream.data.push(input.split_to(length).freeze());
                    }
                    wake_reader(stream, &mut self.wakers, &mut self.woken);
                }
                _ => {
                    input.advance(length);
                    if wanted {
                        self.give_back(id, length as u32);
                    }
                }
            }
        }
        let Some(data) = &mut self.data else { return Ok(true) };
        if data.left > 0 {
            return Ok(false);
        }
        let padding = input.len().min(data.padding as usize);
        input.advance(padding);
        data.padding -= padding as u32;
        if data.padding > 0 {
            return Ok(false);
        }
        let (id, end_stream) = (data.stream, data.end_stream);
        self.data = None;
        if end_stream {
            self.end_of_stream(id, None)?;
        }
        Ok(true)
    }

    /// Nothing more comes on a stream.
    fn end_of_stream(&mut self, id: u32, trailers: Option<HeaderMap>) -> Result {
        let Some(stream) = self.streams.get_mut(&id) else { return Ok(()) };
        if stream.failed.is_some() {
            return Ok(());
        }
        if stream.content_length.is_some_and(|expected| stream.received != expected) {
            return self.malformed(id, "content-length is not the length of the body");
        }
        stream.trailers = trailers;
        stream.recv_ended = true;
        self.receiving.end(stream);
        wake_reader(stream, &mut self.wakers, &mut self.woken);
        if self.role == Role::Client && stream.end != End::Sent {
            // The call is over, whatever was left to say.
            self.unsent.drop_pending(stream);
            stream.end = End::Sent;
            self.wakers.extend(stream.send_waker.take());
            self.closed_lately.reset(id, 0);
            self.answer(|out| frame::write_reset(out, id, Reason::NO_ERROR))?;
        }
        self.close_if_ended(id);
        Ok(())
    }

    // HEADERS and CONTINUATION

    fn headers(&mut self, head: Head, payload: &[u8]) -> Result {
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

    fn continuation(&mut self, head: Head, payload: &[u8]) -> Result {
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
                    self.end_of_stream(id, None)?;
                }
                match self.streams.get(&id) {
                    Some(stream) if stream.failed.is_none() => self.accepted.push_back((id, head)),
                    _ => self.disown(id),
                }
                Ok(())
            }
            Message::TooLarge => self.refuse_too_large(id, end_stream),
            wrong => self.malformed(id, reason_of(&wrong)),
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

    /// Headers on a stream that is there.
    fn message(&mut self, id: u32, end_stream: bool, message: Message) -> Result {
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
                self.control_frames.give_back(PER_MESSAGE);
                self.end_of_stream(id, Some(trailers))
            }
            Message::TooLarge => self.stream_error_because(id, Reason::ENHANCE_YOUR_CALM, Error::TooLarge),
            wrong => self.malformed(id, reason_of(&wrong)),
        }
    }

    /// Resets a stream whose message must not be accepted: what nobody has taken of it is dropped
    /// ([section 8.1.1](https://www.rfc-editor.org/rfc/rfc9113#section-8.1.1)).
    fn malformed(&mut self, id: u32, reason: &'static str) -> Result {
        tracing::debug!(stream = id, reason, "a malformed message");
        if let Some(stream) = self.streams.get_mut(&id) {
            stream.response = None;
            let unread = stream.data.length();
            stream.data.clear();
            self.give_back(0, unread as u32);
        }
        self.stream_error_because(id, Reason::PROTOCOL_ERROR, Error::Malformed(reason))
    }

    fn response(&mut self, id: u32, end_stream: bool, head: ResponseHead) -> Result {
        if head.status.is_informational() {
            // There is no 101 in HTTP/2, and none of the others is the last.
            if end_stream || head.status == StatusCode::SWITCHING_PROTOCOLS {
                return self.malformed(id, "an interim response that cannot be one");
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
            return self.end_of_stream(id, None);
        }
        wake_reader(stream, &mut self.wakers, &mut self.woken);
        Ok(())
    }

    // The others

    fn priority(&mut self, head: Head) -> Result {
        if head.stream == 0 {
            return Err(Error::protocol("PRIORITY on stream 0"));
        }
        expect_length(head, 5)?;
        self.spend()
    }

    fn reset_stream(&mut self, head: Head, payload: &[u8]) -> Result {
        let id = head.stream;
        expect_length(head, 4)?;
        if id == 0 {
            return Err(Error::protocol("RST_STREAM on stream 0"));
        }
        if self.is_idle_stream(id) {
            return Err(Error::protocol("RST_STREAM on a stream that is not open"));
        }
        let may_reset = self.closed_lately.take_reset();
        let Some(stream) = self.streams.get(&id).filter(|stream| !stream.closed) else {
            return self.spend_if(!may_reset);
        };
        // One that a handler was called for has cost what a call costs.
        if !stream.accepted {
            self.spend_resets(1)?;
        }
        let Some(stream) = self.streams.get_mut(&id) else { return Ok(()) };
        let reason = Reason::from(number(payload));
        if stream.recv_ended && self.role == Role::Client {
            // The response is complete; only the rest of the request is not wanted.
            self.unsent.drop_pending(stream);
            stream.end = End::Sent;
            self.wakers.extend(stream.send_waker.take());
            self.close(id);
        } else {
            self.closed_lately.ended(id);
            self.fail_stream(id, Error::Reset { by: Side::Peer, reason });
        }
        Ok(())
    }

    fn settings(&mut self, head: Head, payload: &[u8]) -> Result {
        if head.stream != 0 {
            return Err(Error::protocol("SETTINGS on a stream"));
        }
        if head.has(flag::ACK) {
            expect_length(head, 0)?;
            return self.spend();
        }
        let (settings, []) = payload.as_chunks::<6>() else {
            return Err(Error::violation(
                Reason::FRAME_SIZE_ERROR,
                "SETTINGS whose length is no multiple of 6",
            ));
        };
        self.spend()?;
        let mut initial_window = self.peer.initial_window;
        for [i0, i1, v0, v1, v2, v3] in settings {
            let value = u32::from_be_bytes([*v0, *v1, *v2, *v3]);
            match u16::from_be_bytes([*i0, *i1]) {
                setting::HEADER_TABLE_SIZE => self.encoder.set_max_table_size(value),
                setting::ENABLE_PUSH if value > 1 || value == 1 && self.role == Role::Client => {
                    return Err(Error::protocol("a wrong SETTINGS_ENABLE_PUSH"));
                }
                setting::MAX_CONCURRENT_STREAMS => self.peer.max_concurrent_streams = value,
                setting::INITIAL_WINDOW_SIZE if value > MAX_WINDOW => {
                    let detail = "a wrong SETTINGS_INITIAL_WINDOW_SIZE";
                    return Err(Error::violation(Reason::FLOW_CONTROL_ERROR, detail));
                }
                setting::INITIAL_WINDOW_SIZE => initial_window = value,
                setting::MAX_FRAME_SIZE if !(MIN_MAX_FRAME_SIZE..=MAX_MAX_FRAME_SIZE).contains(&value) => {
                    return Err(Error::protocol("a wrong SETTINGS_MAX_FRAME_SIZE"));
                }
                setting::MAX_FRAME_SIZE => self.peer.max_frame_size = value,
                setting::MAX_HEADER_LIST_SIZE => self.peer.max_header_list_size = value,
                _ => {}
            }
        }
        self.set_initial_window(initial_window)?;
        self.wake_all_waiting();
        self.answer(frame::write_settings_ack)
    }

    /// Once for all the values in a frame, because it looks at all streams.
    fn set_initial_window(&mut self, window: u32) -> Result {
        let change = i64::from(window) - i64::from(self.peer.initial_window);
        if change == 0 {
            return Ok(());
        }
        self.peer.initial_window = window;
        for (id, stream) in self.streams.iter_mut().filter(|(_, stream)| !stream.closed) {
            stream.send_window += change;
            if stream.send_window > i64::from(MAX_WINDOW) {
                return Err(Error::violation(Reason::FLOW_CONTROL_ERROR, "SETTINGS make a window overflow"));
            }
            if stream.send_window > 0 && !stream.pending.is_empty() && !stream.queued {
                stream.queued = true;
                self.queue.push_back(*id);
            }
        }
        Ok(())
    }

    fn receive_ping(&mut self, head: Head, payload: &[u8]) -> Result {
        expect_length(head, 8)?;
        if head.stream != 0 {
            return Err(Error::protocol("PING on a stream"));
        }
        let Some(payload) = payload.first_chunk() else { return Ok(()) };
        self.spend()?;
        if !head.has(flag::ACK) {
            return self.answer(|out| frame::write_ping(out, *payload, true));
        }
        if *payload == DRAIN_PING && self.going_away.announced && self.going_away.last_stream.is_none() {
            self.say_last_stream();
        }
        Ok(())
    }

    fn goaway(&mut self, head: Head, payload: &[u8]) -> Result {
        if head.stream != 0 {
            return Err(Error::protocol("GOAWAY on a stream"));
        }
        let Some((last, rest)) = payload.split_first_chunk::<4>() else {
            return Err(Error::violation(Reason::FRAME_SIZE_ERROR, "GOAWAY that is too short"));
        };
        let Some((reason, detail)) = rest.split_first_chunk::<4>() else {
            return Err(Error::violation(Reason::FRAME_SIZE_ERROR, "GOAWAY that is too short"));
        };
        self.spend()?;
        let last = number(last) & MAX_WINDOW;
        let detail = String::from_utf8_lossy(&detail[..detail.len().min(256)]).into_owned();
        self.going_away.peer =
            Some(Error::GoAway { by: Side::Peer, reason: Reason::from(number(reason)), detail });
        if self.role == Role::Client {
            let unprocessed: Vec<u32> = self.streams.keys().copied().filter(|id| *id > last).collect();
            for id in unprocessed {
                let window = self.streams.get(&id).map_or(0, |stream| stream.recv_window);
                self.closed_lately.reset(id, window);
                self.fail_stream(id, Error::Unprocessed);
            }
        }
        self.wake_all_waiting();
        Ok(())
    }

    fn window_update(&mut self, head: Head, payload: &[u8]) -> Result {
        let id = head.stream;
        expect_length(head, 4)?;
        match self.updates_due.checked_sub(1) {
            Some(left) => self.updates_due = left,
            None => self.spend()?,
        }
        let increment = i64::from(number(payload) & MAX_WINDOW);
        if id == 0 {
            if increment == 0 {
                return Err(Error::protocol("WINDOW_UPDATE of 0"));
            }
            self.send_window += increment;
            if self.send_window > i64::from(MAX_WINDOW) {
                return Err(Error::violation(
                    Reason::FLOW_CONTROL_ERROR,
                    "the connection's window overflows",
                ));
            }
            return Ok(());
        }
        let Some(stream) = self.streams.get_mut(&id) else {
            if self.is_idle_stream(id) {
                return Err(Error::protocol("WINDOW_UPDATE on a stream that is not open"));
            }
            return Ok(());
        };
        if stream.failed.is_some() {
            return Ok(());
        }
        if increment == 0 {
            return self.stream_error(id, Reason::PROTOCOL_ERROR);
        }
        stream.send_window += increment;
        if stream.send_window > i64::from(MAX_WINDOW) {
            return self.stream_error(id, Reason::FLOW_CONTROL_ERROR);
        }
        if stream.send_window > 0 && !stream.pending.is_empty() && !stream.queued {
            stream.queued = true;
            self.queue.push_back(id);
        }
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

/// What is wrong with a message that is malformed, or not one for this place.
fn reason_of(message: &Message) -> &'static str {
    if let Message::Malformed(reason) = message { reason } else { "not expected here" }
}

fn expect_length(head: Head, length: u32) -> Result {
    if head.length == length {
        return Ok(());
    }
    let detail = format!("a frame of type {} with {} bytes", head.kind, head.length);
    Err(Error::violation(Reason::FRAME_SIZE_ERROR, detail))
}

/// The four bytes of a frame whose length was checked.
fn number(payload: &[u8]) -> u32 {
    payload.first_chunk().copied().map_or(0, u32::from_be_bytes)
}
