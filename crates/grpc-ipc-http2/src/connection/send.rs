//! Sent messages.

use std::task::Waker;

use bytes::Bytes;
use http::{HeaderMap, Method, StatusCode};

use super::stream::End;
use super::{Connection, PER_MESSAGE, Role, too_large};
use crate::encode::{Own, Start};
use crate::frame;
use crate::heap::expect_messages_of;
use crate::pieces::Pieces;
use crate::{Error, Reason};

/// The maximum length of a sent DATA frame, which limits how long other streams wait.
pub(super) const MAX_DATA: usize = 64 * 1024;
/// A DATA frame counts as moving no message forward if the peer's window made it smaller than this, smaller than a
/// quarter of the window that the peer asked for, and smaller than a quarter of the remaining data.
const SMALL_DATA: usize = 256;
/// A DATA frame below this size counts in any window, however small.
const TINY_DATA: usize = 16;
pub(super) const TOO_LARGE: Error = Error::Unsendable("the metadata exceeds the server's limit");
/// The maximum number of window updates that a peer can save up.
const MAX_UPDATES_DUE: u32 = 1 << 16;

impl Connection {
    /// Opens a stream. There must be [room](Self::has_room).
    ///
    /// # Errors
    /// [`Error::Unsendable`] if the headers exceed the server's limit.
    pub(crate) fn open(
        &mut self,
        start: Start<'_>,
        headers: &HeaderMap,
        end_stream: bool,
    ) -> Result<u32, Error> {
        let id = self.next_stream;
        let begins_at = self.output.position();
        if !self.write_block(id, start, Own::Nothing, headers, end_stream) {
            return Err(TOO_LARGE);
        }
        self.next_stream += 2;
        self.insert(id);
        self.closed_lately.opened();
        if let Some(stream) = self.streams.get_mut(id) {
            stream.accepted = true;
            stream.begins_at = begins_at;
            stream.is_head = matches!(start, Start::Request { method: &Method::HEAD, .. });
            if end_stream {
                stream.end = End::Sent;
            }
        }
        Ok(id)
    }

    /// Sends the head of a response, or all of it.
    pub(crate) fn send_response(
        &mut self,
        id: u32,
        status: StatusCode,
        headers: &HeaderMap,
        end_stream: bool,
    ) {
        let Some(stream) = self.streams.get_mut(id).filter(|stream| stream.end == End::Open) else { return };
        stream.has_answer = true;
        self.send_block(id, Start::Response(status), Own::Nothing, headers, end_stream);
    }

    pub(super) fn send_block(
        &mut self,
        id: u32,
        start: Start<'_>,
        own: Own,
        headers: &HeaderMap,
        end_stream: bool,
    ) {
        let mut ended = end_stream;
        if !self.write_block(id, start, own, headers, end_stream) {
            if self.role == Role::Client {
                self.reset_because(id, Reason::CANCEL, TOO_LARGE);
                return;
            }
            let headers = too_large::instead_of(start, headers, self.peer.max_header_list_size as usize);
            if !self.write_block(id, start, Own::Nothing, &headers, true) {
                self.reset(id, Reason::INTERNAL_ERROR);
                return;
            }
            ended = true;
        }
        self.control_frames.give_back(PER_MESSAGE);
        if ended {
            self.end_sent(id);
        }
    }

    /// Writes a header block, and returns whether it is within the peer's limit.
    pub(super) fn write_block(
        &mut self,
        id: u32,
        start: Start<'_>,
        own: Own,
        headers: &HeaderMap,
        end_stream: bool,
    ) -> bool {
        let block = self.encoder.encode(start, own, headers, self.peer.max_header_list_size);
        let Some(block) = block else { return false };
        let max_frame_size = self.peer.max_frame_size;
        self.output.write(|out| frame::write_headers(out, id, block, end_stream, max_frame_size));
        true
    }

    /// Sends a piece of a body, as soon as flow control permits.
    pub(crate) fn send_data(&mut self, id: u32, data: Bytes, end_stream: bool) {
        let Some(stream) = self.streams.get_mut(id) else { return };
        if stream.end != End::Open {
            return;
        }
        if end_stream {
            stream.end = End::Data;
        }
        if data.is_empty() && (!end_stream || !stream.pending.is_empty()) {
            return;
        }
        expect_messages_of(data.len());
        self.unsent.add(data.len());
        stream.pending.push(data);
        self.send_pending(id);
        self.unsent_changed();
    }

    /// Sends a whole message, as soon as flow control permits.
    pub(super) fn send_pieces(&mut self, id: u32, mut pieces: Pieces, end_stream: bool) {
        let Some(stream) = self.streams.get_mut(id).filter(|stream| stream.end == End::Open) else { return };
        if end_stream {
            stream.end = End::Data;
        }
        while let Some(piece) = pieces.pop() {
            expect_messages_of(piece.len());
            self.unsent.add(piece.len());
            stream.pending.push(piece);
        }
        self.send_pending(id);
        self.unsent_changed();
    }

    /// Ends a stream after the data that was queued.
    pub(crate) fn send_end(&mut self, id: u32, trailers: Option<HeaderMap>) {
        let Some(stream) = self.streams.get_mut(id) else { return };
        if stream.end != End::Open {
            return;
        }
        match trailers {
            None => self.send_data(id, Bytes::new(), true),
            Some(trailers) if stream.pending.is_empty() => {
                self.send_block(id, Start::Trailers, Own::Nothing, &trailers, true);
            }
            Some(trailers) => stream.end = End::Trailers(Box::new(trailers)),
        }
    }

    pub(crate) fn ping(&mut self, payload: [u8; 8]) {
        self.output.write(|out| frame::write_ping(out, payload, false));
    }

    /// Whether the client has to read before its requests are processed further, because it has asked for more than it
    /// reads. A client always reads, so that the two ends do not wait for each other.
    pub(crate) fn is_congested(&self) -> bool {
        self.role == Role::Server && self.failed.is_none() && self.is_output_full()
    }

    /// Puts waiting data into frames, stream by stream, until there is enough to write.
    #[inline]
    pub(crate) fn fill_output(&mut self) {
        if !self.turns.is_empty() {
            self.fill_in_turn();
        }
    }

    fn fill_in_turn(&mut self) {
        while self.send_window > 0 && self.output.len() < self.options.max_output {
            let Some(id) = self.turns.next() else { return };
            let Some(stream) = self.streams.get_mut(id) else { continue };
            stream.queued = false;
            if self.send_frame(id)
                && let Some(stream) = self.streams.get_mut(id)
            {
                stream.queued = true;
                self.turns.go_on(id);
            }
            self.unsent_changed();
        }
    }

    /// Puts a stream's data into frames as long as windows and output allow.
    fn send_pending(&mut self, id: u32) {
        // An end without data needs neither window nor room.
        if self.streams.get(id).is_some_and(|stream| stream.pending.first().is_some_and(Bytes::is_empty)) {
            self.send_frame(id);
            return;
        }
        // If others wait, this stream is queued behind them.
        let may_go = |connection: &Self| {
            connection.turns.is_empty() && connection.output.len() < connection.options.max_output
        };
        while may_go(self) {
            if !self.send_frame(id) || self.send_window <= 0 {
                break;
            }
        }
        self.enqueue(id);
    }

    fn enqueue(&mut self, id: u32) {
        let Some(stream) = self.streams.get_mut(id) else { return };
        let sendable = stream.send_window > 0 || stream.pending.first().is_some_and(Bytes::is_empty);
        if !stream.queued && !stream.pending.is_empty() && sendable {
            stream.queued = true;
            self.turns.add(id);
        }
    }

    /// Sends one frame of a stream's data, and returns whether more can be sent.
    fn send_frame(&mut self, id: u32) -> bool {
        let Some(stream) = self.streams.get_mut(id) else { return false };
        let Some(first) = stream.pending.first().map(Bytes::len) else { return false };
        let window = stream.send_window.min(self.send_window).max(0) as usize;
        let limit = window.min(MAX_DATA).min(self.peer.max_frame_size as usize);
        let pending = stream.pending.length_up_to(limit);
        let length = pending.min(limit);
        if length == 0 && first > 0 {
            return false;
        }
        let small = SMALL_DATA.min(self.peer.initial_window as usize / 4).max(TINY_DATA);
        if length >= first || length >= small || length >= first / 4 {
            self.control_frames.give_back(PER_MESSAGE);
            expect_updates(&mut self.updates_due);
        }
        let last = length == pending;
        stream.send_window -= length as i64;
        self.send_window -= length as i64;
        let end_stream = last && stream.end == End::Data;
        self.output.write(|out| frame::write_data_head(out, id, length as u32, end_stream));
        let mut left = length;
        while let Some((piece, whole)) = stream.pending.take(left) {
            left -= piece.len();
            self.unsent.sent(stream, piece.len(), whole);
            self.output.put(piece);
        }
        if !last {
            return stream.send_window > 0;
        }
        if end_stream {
            self.end_sent(id);
        } else if let End::Trailers(trailers) = &mut stream.end {
            let trailers = std::mem::take(trailers);
            self.send_block(id, Start::Trailers, Own::Nothing, &trailers, true);
        } else {
            self.wakers.extend(stream.send_waker.take());
        }
        false
    }

    pub(super) fn end_sent(&mut self, id: u32) {
        let Some(stream) = self.streams.get_mut(id) else { return };
        stream.end = End::Sent;
        self.wakers.extend(stream.send_waker.take());
        self.close_if_ended(id);
    }

    /// Waits until a stream is drained, or fails.
    pub(crate) fn wait_to_send(&mut self, id: u32, waker: &Waker) {
        if let Some(stream) = self.streams.get_mut(id)
            && !stream.send_waker.as_ref().is_some_and(|known| known.will_wake(waker))
        {
            stream.send_waker = Some(waker.clone());
        }
    }
}

/// DATA is sent, so the peer may open the windows of the stream and of the connection.
pub(super) fn expect_updates(updates_due: &mut u32) {
    *updates_due = (*updates_due + 2).min(MAX_UPDATES_DUE);
}
