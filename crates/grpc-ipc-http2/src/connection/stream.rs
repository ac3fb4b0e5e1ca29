use std::task::Waker;

use http::HeaderMap;
use tokio::task;
use tokio::time::Instant;

use super::direct::Call;
use crate::Error;
use crate::message::ResponseHead;
use crate::pieces::Pieces;

/// The state of a call on its connection ([RFC 9113, section 5.1](https://www.rfc-editor.org/rfc/rfc9113#section-5.1)).
#[derive(Debug)]
pub(crate) struct Stream {
    pub(super) id: u32,
    /// Its handler was called, or this end opened it.
    pub(super) accepted: bool,
    // Receiving.
    pub(crate) response: Option<ResponseHead>,
    pub(super) has_response: bool,
    pub(crate) data: Pieces,
    pub(crate) trailers: Option<HeaderMap>,
    /// The request is HEAD, so the response's content-length is not the length of its body.
    pub(super) is_head: bool,
    pub(super) content_length: Option<u64>,
    pub(super) received: u64,
    /// Where in the body its first message ends, from the length in its prefix; 0 if unknown.
    pub(super) first_message: u64,
    /// How much the peer may send.
    pub(super) recv_window: i64,
    /// How much was read since the last WINDOW_UPDATE.
    pub(super) credit: u32,
    /// The growth of its window since the beginning.
    pub(super) opened: u32,
    pub(crate) recv_ended: bool,
    pub(crate) recv_waker: Option<Waker>,
    /// The reader is a thread that blocks on a future, not a task of a runtime.
    pub(super) waits_outside: bool,
    /// A reader exists.
    pub(crate) has_reader: bool,
    // Sending.
    /// The output position where it begins. Until that is written, the peer has not heard of it.
    pub(super) begins_at: u64,
    /// The answer has begun.
    pub(crate) has_answer: bool,
    pub(super) pending: Pieces,
    pub(super) end: End,
    /// How much this end may send. It is negative after the peer has reduced all windows below what was sent.
    pub(super) send_window: i64,
    /// How much of the first pending piece has been sent.
    pub(super) sent_of_piece: usize,
    /// Its body waits until the connection keeps less unsent data.
    pub(super) waits_for_unsent: bool,
    /// It is one of the streams that send in turn.
    pub(super) queued: bool,
    pub(crate) send_waker: Option<Waker>,
    /// A sender exists: a handler, or the body of a request.
    pub(crate) has_sender: bool,
    /// The deadline of the call.
    pub(super) deadline: Option<Instant>,
    /// The deadline for the beginning of the answer.
    pub(super) answer_by: Option<Instant>,
    /// The deadline has passed, but the handler's task has not noticed.
    pub(crate) is_late: bool,
    /// Why it ended early.
    pub(crate) failed: Option<Error>,
    /// Its caller was woken and has not run yet.
    pub(crate) woken: bool,
    /// It has ended in the protocol.
    pub(super) closed: bool,
    /// This end has reset it after the peer had ended it.
    pub(super) reset_when_answered: bool,
    /// Its state as a direct call.
    pub(super) direct: Call,
}

/// How the sending side of a stream ends.
#[derive(Debug, PartialEq)]
pub(super) enum End {
    /// Not known yet.
    Open,
    /// With the last pending data.
    Data,
    /// With trailers, after the pending data.
    Trailers(Box<HeaderMap>),
    /// The end has been sent.
    Sent,
}

impl Stream {
    pub(super) fn new(id: u32, recv_window: u32, send_window: u32) -> Self {
        Self {
            id,
            accepted: false,
            response: None,
            has_response: false,
            data: Pieces::default(),
            trailers: None,
            is_head: false,
            content_length: None,
            received: 0,
            first_message: 0,
            recv_window: recv_window.into(),
            credit: 0,
            opened: 0,
            recv_ended: false,
            recv_waker: None,
            waits_outside: false,
            has_reader: true,
            begins_at: 0,
            has_answer: false,
            pending: Pieces::default(),
            end: End::Open,
            send_window: send_window.into(),
            sent_of_piece: 0,
            waits_for_unsent: false,
            queued: false,
            send_waker: None,
            has_sender: true,
            deadline: None,
            answer_by: None,
            is_late: false,
            failed: None,
            woken: false,
            closed: false,
            reset_when_answered: false,
            direct: Call::default(),
        }
    }

    /// Registers the waker of the reader.
    pub(super) fn wait(&mut self, waker: &Waker) {
        self.recv_waker = Some(waker.clone());
        self.waits_outside = task::try_id().is_none();
    }

    /// Reuses the memory for another stream, after [`clear`](Self::clear).
    #[inline]
    pub(super) fn renew(&mut self, id: u32, recv_window: u32, send_window: u32) {
        self.id = id;
        self.accepted = false;
        self.has_response = false;
        self.is_head = false;
        self.content_length = None;
        self.received = 0;
        self.first_message = 0;
        self.recv_window = recv_window.into();
        self.credit = 0;
        self.opened = 0;
        self.recv_ended = false;
        self.has_reader = true;
        self.begins_at = 0;
        self.has_answer = false;
        self.send_window = send_window.into();
        self.sent_of_piece = 0;
        self.waits_for_unsent = false;
        self.queued = false;
        self.has_sender = true;
        self.deadline = None;
        self.answer_by = None;
        self.is_late = false;
        self.woken = false;
        self.closed = false;
        self.reset_when_answered = false;
    }

    /// Drops its contents. Usually there are none, and checking that is faster than dropping.
    #[inline]
    pub(super) fn clear(&mut self) {
        self.data.clear();
        self.pending.clear();
        if self.response.is_some() {
            self.response = None;
        }
        if self.trailers.is_some() {
            self.trailers = None;
        }
        if self.recv_waker.is_some() {
            self.recv_waker = None;
        }
        if self.send_waker.is_some() {
            self.send_waker = None;
        }
        if self.failed.is_some() {
            self.failed = None;
        }
        self.end = End::Open;
        self.direct.clear();
    }

    /// How much of the first message has not come yet; 0 if unknown.
    pub(super) fn left_of_first_message(&self) -> u64 {
        self.first_message.saturating_sub(self.received)
    }

    /// Whether nothing more can be sent, because the call is over or the peer has ended it.
    pub(crate) fn is_send_over(&self) -> bool {
        self.failed.is_some() || self.end == End::Sent
    }

    /// The number of unread bytes.
    #[inline]
    pub(super) fn unread(&self) -> usize {
        self.data.length() + self.direct.unread()
    }

    /// Drops the unread data, and returns its length.
    #[inline]
    pub(super) fn drop_unread(&mut self) -> usize {
        let unread = self.unread();
        self.data.clear();
        self.direct.drop_unread();
        unread
    }

    /// The original length of all pending pieces.
    pub(super) fn kept(&self) -> usize {
        self.pending.length() + self.sent_of_piece
    }

    /// Whether it has a deadline.
    pub(crate) fn has_deadline(&self) -> bool {
        self.deadline.is_some()
    }

    /// Whether all its data has been put into frames.
    pub(crate) fn is_drained(&self) -> bool {
        self.pending.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use http::StatusCode;

    use super::*;

    #[test]
    fn one_that_is_used_again_is_as_a_new_one() {
        let mut used = Stream {
            id: 1,
            accepted: true,
            response: Some(ResponseHead {
                status: StatusCode::OK,
                headers: HeaderMap::new(),
                content_length: None,
            }),
            has_response: true,
            data: Pieces::default(),
            trailers: Some(HeaderMap::new()),
            is_head: true,
            content_length: Some(1),
            received: 1,
            first_message: 1,
            recv_window: 1,
            credit: 1,
            opened: 1,
            recv_ended: true,
            recv_waker: Some(Waker::noop().clone()),
            waits_outside: false,
            has_reader: false,
            begins_at: 1,
            has_answer: true,
            pending: Pieces::default(),
            end: End::Trailers(Box::default()),
            send_window: 1,
            sent_of_piece: 1,
            waits_for_unsent: true,
            queued: true,
            send_waker: Some(Waker::noop().clone()),
            has_sender: false,
            deadline: Some(Instant::now()),
            answer_by: Some(Instant::now()),
            is_late: true,
            failed: Some(Error::Closed),
            woken: true,
            closed: true,
            reset_when_answered: true,
            direct: Call::begun(b"data"),
        };
        used.data.push_copy(b"data");
        used.pending.push_copy(b"data");
        used.clear();
        used.renew(3, 5, 7);
        assert_eq!(format!("{used:?}"), format!("{:?}", Stream::new(3, 5, 7)));
    }
}
