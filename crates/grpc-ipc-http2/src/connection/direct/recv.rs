//! Received frames of direct calls.

use std::sync::Arc;

use super::usual::{PlainHead, Usual, is_ok, trailers_metadata};
use super::{Connection, MAX_MESSAGE, PREFIX, Progress, Request, Source};
use crate::connection::input::Input;
use crate::connection::stream::End;
use crate::connection::{PER_MESSAGE, Received, Role, wake_reader};
use crate::direct::Head;
use crate::frame::{self, HEAD, flag, kind};
use crate::message::{Message, RequestHead};

impl Connection {
    /// Takes frames as long as they are complete and usual for direct calls. The general path handles the rest, which
    /// may also belong to direct calls.
    pub(in crate::connection) fn receive_direct(&mut self, input: &mut Input<'_>) {
        let between_frames =
            self.received == Received::Settings && self.data.is_none() && self.block.is_none();
        if !self.direct.is_used || !between_frames {
            return;
        }
        let mut rest = input.rest();
        while let Some((head, after)) = rest.split_first_chunk::<HEAD>() {
            let head = frame::Head::parse(head);
            let Some((payload, after)) = after.split_at_checked(head.length as usize) else { break };
            let taken = match head.kind {
                kind::DATA => self.direct_data(head, payload),
                kind::HEADERS => self.direct_headers(head, payload),
                _ => false,
            };
            if !taken {
                break;
            }
            self.frames += 1;
            rest = after;
        }
        let left = rest.len();
        input.take(input.rest().len() - left);
    }

    /// Takes a header block that has come before.
    fn direct_headers(&mut self, head: frame::Head, block: &[u8]) -> bool {
        const LAST: u8 = flag::END_HEADERS | flag::END_STREAM;
        let end_stream = match head.flags {
            flag::END_HEADERS => false,
            LAST => true,
            _ => return false,
        };
        let usual = self.decoder.usual(block, end_stream, self.direct.service.as_deref());
        match (usual, end_stream) {
            (Some(Usual::Request(request)), false) => {
                let request = Arc::clone(request);
                self.direct_request(head.stream, request)
            }
            (Some(Usual::Response(response)), false) => {
                let response = Arc::clone(response);
                self.direct_response(head.stream, response)
            }
            (Some(Usual::Trailers(metadata)), true) => {
                let metadata = metadata.clone();
                self.direct_end(head.stream, metadata)
            }
            _ => false,
        }
    }

    fn direct_request(&mut self, id: u32, head: Arc<Head>) -> bool {
        let limit = self.options.max_concurrent_streams;
        let opens = self.role == Role::Server
            && id % 2 == 1
            && id > self.last_peer_stream
            && self.going_away.last_stream.is_none()
            && self.open < limit
            && self.streams.len() < 2 * limit as usize;
        if opens {
            self.last_peer_stream = id;
            self.closed_lately.opened();
            self.control_frames.give_back(PER_MESSAGE);
            self.insert(id);
            self.await_message(id, head);
        }
        opens
    }

    /// Takes a request from the general path, on a stream that is now open. Returns the request if it is not a direct
    /// call.
    pub(in crate::connection) fn may_be_direct(&mut self, id: u32, head: RequestHead) -> Option<RequestHead> {
        let Some(route) = self.direct.route_of(&head) else { return Some(head) };
        self.await_message(id, Arc::new(Head::new(route, head)));
        None
    }

    #[inline]
    fn await_message(&mut self, id: u32, head: Arc<Head>) {
        let Some(stream) = self.streams.get_mut(id) else { return };
        if head.has_stream() {
            // Its messages come on the general path.
            stream.content_length = head.content_length();
            stream.direct.progress = Progress::Complete;
            stream.direct.follow();
            self.direct.requests.list.push(Request { id, head, message: Source::Stream });
            return;
        }
        stream.direct.progress = Progress::Awaits;
        stream.direct.request = Some(head);
        self.direct.awaiting.push(id);
    }

    fn direct_response(&mut self, id: u32, head: Arc<PlainHead>) -> bool {
        let Some(stream) = self.streams.get_mut(id) else { return false };
        if stream.direct.progress != Progress::Begun {
            return false;
        }
        stream.direct.progress = Progress::Head;
        stream.direct.response = Some(head);
        stream.has_response = true;
        self.control_frames.give_back(PER_MESSAGE);
        true
    }

    fn direct_end(&mut self, id: u32, metadata: Option<Arc<http::HeaderMap>>) -> bool {
        let Some(stream) = self.streams.get_mut(id) else { return false };
        // A request that is not fully sent is cut off, which is unusual.
        if stream.direct.progress != Progress::Message || stream.end != End::Sent {
            return false;
        }
        stream.direct.progress = Progress::Done;
        stream.direct.trailers = metadata;
        stream.recv_ended = true;
        self.receiving.end(stream);
        self.control_frames.give_back(PER_MESSAGE);
        wake_reader(stream, &mut self.wakers, &mut self.woken);
        self.close(id);
        true
    }

    /// Takes headers from the general path, on an existing stream. Returns them if they are not those of a direct
    /// call's response.
    pub(in crate::connection) fn direct_message(
        &mut self,
        id: u32,
        end_stream: bool,
        message: Message,
    ) -> Option<Message> {
        if self.role == Role::Server || self.streams.get(id).is_none_or(|stream| stream.direct.is_general()) {
            return Some(message);
        }
        match message {
            Message::Response(head) if !end_stream && PlainHead::is(&head) => {
                let head = Arc::new(PlainHead::new(head));
                let taken = self.direct_response(id, Arc::clone(&head));
                (!taken).then(|| Message::Response(head.response.clone()))
            }
            Message::Trailers(trailers) if end_stream && is_ok(&trailers) => {
                let taken = self.direct_end(id, trailers_metadata(&trailers));
                (!taken).then_some(Message::Trailers(trailers))
            }
            other => Some(other),
        }
    }

    /// Takes DATA that is one message.
    fn direct_data(&mut self, head: frame::Head, payload: &[u8]) -> bool {
        let end_stream = match head.flags {
            0 => false,
            flag::END_STREAM => true,
            _ => return false,
        };
        let (id, length) = (head.stream, i64::from(head.length));
        let Some(message) = only_message(payload) else { return false };
        let Some(stream) = self.streams.get_mut(id) else { return false };
        if length > self.receiving.window || length > stream.recv_window {
            return false;
        }
        match (stream.direct.progress, end_stream) {
            (Progress::Awaits, true) => {
                let Some(head) = stream.direct.request.take_if(|request| request.is_for(head.length)) else {
                    return false;
                };
                stream.direct.progress = Progress::Complete;
                // It is usually the last one.
                self.direct.awaiting.pop_if(|last| *last == id);
                stream.received = length as u64;
                stream.recv_ended = true;
                stream.has_reader = false;
                self.receiving.end(stream);
                let requests = &mut self.direct.requests;
                let begin = requests.messages.len();
                requests.messages.extend_from_slice(message);
                let message = Source::Read(begin..requests.messages.len());
                requests.list.push(Request { id, head, message });
            }
            (Progress::Head, false) => {
                stream.direct.progress = Progress::Message;
                stream.direct.message.extend_from_slice(payload);
                stream.received = length as u64;
                stream.recv_window -= length;
                // The first message is complete, so the window need not be opened for it.
                stream.first_message = length as u64;
                self.receiving.unread += payload.len();
            }
            _ => return false,
        }
        self.control_frames.give_back(PER_MESSAGE);
        self.receiving.take(head.length, &mut self.output);
        true
    }
}

/// The message of a frame with exactly one message, small and uncompressed.
fn only_message(payload: &[u8]) -> Option<&[u8]> {
    let ([0, length @ ..], message) = payload.split_first_chunk::<PREFIX>()? else { return None };
    let is_whole = u32::from_be_bytes(*length) as usize == message.len();
    (is_whole && message.len() <= MAX_MESSAGE - PREFIX).then_some(message)
}
