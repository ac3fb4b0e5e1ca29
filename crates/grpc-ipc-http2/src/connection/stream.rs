use std::task::Waker;

use http::HeaderMap;
use tokio::task;
use tokio::time::Instant;

use super::direct::Call;
use crate::Error;
use crate::message::ResponseHead;
use crate::pieces::Pieces;

/// A call, as its connection sees it ([RFC 9113, section 5.1](https://www.rfc-editor.org/rfc/rfc9113#section-5.1)).
#[derive(Debug)]
pub(crate) struct Stream {
    pub(super) id: u32,
    /// A handler was called for it, or it is ours.
    pub(super) accepted: bool,
    // What comes.
    pub(crate) response: Option<ResponseHead>,
    pub(super) has_response: bool,
    pub(crate) data: Pieces,
    pub(crate) trailers: Option<HeaderMap>,
    /// The request is HEAD, so the length that the response tells is not that of its body.
    pub(super) is_head: bool,
    pub(super) content_length: Option<u64>,
    pub(super) received: u64,
    /// Where in the body its first message ends, by the length that stands before it; 0 if that is not known.
    pub(super) first_message: u64,
    /// How much the peer may send.
    pub(super) recv_window: i64,
    /// How much was read since the peer was last told.
    pub(super) credit: u32,
    /// How much larger its window is than it was in the beginning.
    pub(super) opened: u32,
    pub(crate) recv_ended: bool,
    pub(crate) recv_waker: Option<Waker>,
    /// The reader is a thread that blocks on a future, and not a task of a runtime.
    pub(super) waits_outside: bool,
    /// Somebody may still read.
    pub(crate) has_reader: bool,
    // What goes.
    /// Where in all that goes it begins: until so much is written, the peer has not heard of it.
    pub(super) begins_at: u64,
    /// The answer has begun.
    pub(crate) has_answer: bool,
    pub(super) pending: Pieces,
    pub(super) end: End,
    /// How much the peer lets us send; less than nothing after it has made all windows smaller.
    pub(super) send_window: i64,
    /// How much of the first piece that is pending was sent before.
    pub(super) sent_of_piece: usize,
    /// Its body waits until less is kept for the client.
    pub(super) waits_for_unsent: bool,
    /// It stands in the queue of those that have something to send.
    pub(super) queued: bool,
    pub(crate) send_waker: Option<Waker>,
    /// Somebody may still send: a handler, or the body of a request.
    pub(crate) has_sender: bool,
    /// When it is to be over.
    pub(super) deadline: Option<Instant>,
    /// When its answer is to have begun.
    pub(super) answer_by: Option<Instant>,
    /// It has passed, and the handler has not heard of that.
    pub(crate) is_late: bool,
    /// Why it is over before its end.
    pub(crate) failed: Option<Error>,
    /// A caller was woken and has not run yet.
    pub(crate) woken: bool,
    /// The protocol is through with it.
    pub(super) closed: bool,
    /// What is left to do, as a direct call.
    pub(super) direct: Call,
}

/// How the sending of a stream ends.
#[derive(Debug, PartialEq)]
pub(super) enum End {
    /// Not known yet.
    Open,
    /// With the last of what is pending.
    Data,
    /// With trailers, after what is pending.
    Trailers(Box<HeaderMap>),
    /// It is over.
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
            direct: Call::default(),
        }
    }

    /// Somebody waits for what comes.
    pub(super) fn wait(&mut self, waker: &Waker) {
        self.recv_waker = Some(waker.clone());
        self.waits_outside = task::try_id().is_none();
    }

    /// Begins again as another stream, after [`clear`](Self::clear).
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
    }

    /// Drops all that it holds. Mostly there is nothing, which is found out faster than by dropping it.
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

    /// How much of the first message has still to come; 0 if that is not known.
    pub(super) fn left_of_first_message(&self) -> u64 {
        self.first_message.saturating_sub(self.received)
    }

    /// Nothing more can be sent on it: the call is over, or the peer has ended it.
    pub(crate) fn is_send_over(&self) -> bool {
        self.failed.is_some() || self.end == End::Sent
    }

    /// How much has come that nobody has read.
    #[inline]
    pub(super) fn unread(&self) -> usize {
        self.data.length() + self.direct.unread()
    }

    /// Drops that; how much it was.
    #[inline]
    pub(super) fn drop_unread(&mut self) -> usize {
        let unread = self.unread();
        self.data.clear();
        self.direct.drop_unread();
        unread
    }

    /// How many bytes the pieces have that are pending, as they were in the beginning.
    pub(super) fn kept(&self) -> usize {
        self.pending.length() + self.sent_of_piece
    }

    /// It is known when it is to be over.
    pub(crate) fn has_deadline(&self) -> bool {
        self.deadline.is_some()
    }

    /// Everything that was given to it has been put into frames.
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
            direct: Call::begun(b"data"),
        };
        used.data.push_copy(b"data");
        used.pending.push_copy(b"data");
        used.clear();
        used.renew(3, 5, 7);
        assert_eq!(format!("{used:?}"), format!("{:?}", Stream::new(3, 5, 7)));
    }
}
