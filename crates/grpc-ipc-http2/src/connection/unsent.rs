//! Limits the response data that a server keeps for clients that do not take it.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderValue, StatusCode};

use super::{Connection, Role, Stream};
use crate::{Options, Reason};

/// The data that all connections with clones of the same [`Options`] keep together.
#[derive(Debug)]
pub(crate) struct Together {
    max: usize,
    bytes: AtomicUsize,
}

/// Each connection may keep this much, regardless of the others.
const SHARE: usize = 1 << 20;
/// The maximum difference between a connection's own count and its part of the shared count.
const UNTOLD: usize = 64 << 10;

impl Together {
    pub(crate) fn new(max: usize) -> Arc<Self> {
        Arc::new(Self { max, bytes: AtomicUsize::new(0) })
    }
}

/// The data that one connection keeps.
#[derive(Debug)]
pub(super) struct Unsent {
    /// The length of all pieces of bodies that are not completely in frames.
    pub(super) bytes: usize,
    /// How much of it the shared count includes.
    told: usize,
    max: usize,
    together: Arc<Together>,
    /// Streams whose bodies wait until less is kept.
    waiting: Vec<u32>,
    /// Requests wait for that, too.
    requests_wait: bool,
    /// The total number of bytes put into frames.
    sent: u64,
    /// That total when the client was found to be stalled.
    stalled_at: Option<u64>,
}

impl Unsent {
    pub(super) fn new(role: Role, options: &Options) -> Self {
        Self {
            bytes: 0,
            told: 0,
            max: if role == Role::Server { options.max_unsent } else { usize::MAX },
            together: Arc::clone(&options.unsent_together),
            waiting: Vec::new(),
            requests_wait: false,
            sent: 0,
            stalled_at: None,
        }
    }

    pub(super) fn add(&mut self, bytes: usize) {
        self.bytes += bytes;
    }

    /// Part of the first piece of a stream was put into a frame. The memory of a piece is freed only when all of it has
    /// been sent.
    pub(super) fn sent(&mut self, stream: &mut Stream, bytes: usize, whole: bool) {
        self.sent += bytes as u64;
        stream.sent_of_piece += bytes;
        if whole {
            self.bytes -= std::mem::take(&mut stream.sent_of_piece);
        }
    }

    /// Data was put into a frame without being kept first.
    pub(super) fn sent_at_once(&mut self, bytes: usize) {
        self.sent += bytes as u64;
    }

    /// Drops a stream's unsent data.
    pub(super) fn drop_pending(&mut self, stream: &mut Stream) {
        self.bytes -= stream.kept();
        stream.sent_of_piece = 0;
        stream.pending.clear();
    }

    fn limit(&self) -> usize {
        let all = self.together.bytes.load(Relaxed);
        if all > self.together.max { self.max.min(SHARE) } else { self.max }
    }

    fn exceeds(&self, limit: impl FnOnce(usize) -> usize) -> bool {
        // Most connections need not check the shared count.
        self.bytes > SHARE.min(self.max / 2) && self.bytes > limit(self.limit())
    }

    /// Updates the shared count, if the difference is large enough.
    fn tell(&mut self) {
        if self.max < usize::MAX && self.bytes.abs_diff(self.told) >= UNTOLD {
            self.together.bytes.fetch_add(self.bytes.wrapping_sub(self.told), Relaxed);
            self.told = self.bytes;
        }
    }
}

impl Drop for Unsent {
    fn drop(&mut self) {
        self.together.bytes.fetch_sub(self.told, Relaxed);
    }
}

/// How to handle a request when much is kept for its client.
pub(crate) enum Admission {
    /// Call its handler.
    Call,
    /// The request has ended.
    Over,
    /// Keep it waiting.
    Wait,
}

impl Connection {
    /// Whether so much is kept for the client that no handler may be called, and no body begun.
    #[inline]
    pub(crate) fn is_overfull(&self) -> bool {
        self.unsent.exceeds(|limit| limit)
    }

    /// Whether to take no more of a body whose data is all in frames. A stream that the client reads continues for a
    /// while, so that the client gets to the other streams.
    pub(crate) fn is_overfull_for(&self, id: u32) -> bool {
        let has_window =
            self.streams.get(id).is_some_and(|stream| stream.has_answer && stream.send_window > 0);
        self.unsent.exceeds(|limit| if has_window { limit.saturating_mul(2) } else { limit })
    }

    /// Delays the body of a stream until less is kept, unless the client is stalled.
    pub(crate) fn wait_for_unsent(&mut self, id: u32) {
        if self.is_client_stalled() {
            self.refuse_for_unsent(id);
        } else if let Some(stream) = self.streams.get_mut(id)
            && !stream.waits_for_unsent
        {
            stream.waits_for_unsent = true;
            self.unsent.waiting.push(id);
        }
    }

    /// Whether to call the handler of a request while much is kept for the client.
    pub(crate) fn admit(&mut self, id: u32) -> Admission {
        self.unsent.requests_wait = false;
        if self.streams.get(id).is_none_or(|stream| stream.failed.is_some()) {
            self.drop_sender(id, Reason::CANCEL);
            return Admission::Over;
        }
        if !self.is_overfull() {
            return Admission::Call;
        }
        if self.is_client_stalled() {
            self.refuse_for_unsent(id);
            self.drop_sender(id, Reason::CANCEL);
            return Admission::Over;
        }
        self.unsent.requests_wait = true;
        Admission::Wait
    }

    /// The amount of kept data has changed. Wakes those that wait for less.
    #[inline]
    pub(super) fn unsent_changed(&mut self) {
        self.unsent.tell();
        if !self.unsent.waiting.is_empty() {
            self.wake_for_unsent();
        }
    }

    /// Wakes all at once, because there may be many.
    fn wake_for_unsent(&mut self) {
        if !self.unsent.exceeds(|limit| limit - limit / 4) {
            for id in std::mem::take(&mut self.unsent.waiting) {
                if let Some(stream) = self.streams.get_mut(id) {
                    stream.waits_for_unsent = false;
                    self.wakers.extend(stream.send_waker.take());
                }
            }
        }
    }

    /// Whether requests have waited and need not wait any more.
    pub(crate) fn takes_requests_again(&self) -> bool {
        self.unsent.requests_wait && !self.is_overfull()
    }

    /// If something waits for the client to take data, returns how much it has taken in total.
    pub(crate) fn waits_for_client(&self) -> Option<u64> {
        let waits = self.unsent.requests_wait || !self.unsent.waiting.is_empty();
        waits.then_some(self.unsent.sent)
    }

    /// The client has taken nothing for a long time. Calls that wait for it are refused.
    pub(crate) fn client_is_stalled(&mut self) {
        self.unsent.stalled_at = Some(self.unsent.sent);
        for id in std::mem::take(&mut self.unsent.waiting) {
            if let Some(stream) = self.streams.get_mut(id) {
                stream.waits_for_unsent = false;
                self.refuse_for_unsent(id);
            }
        }
    }

    /// Whether the client still has taken nothing.
    fn is_client_stalled(&self) -> bool {
        self.unsent.stalled_at == Some(self.unsent.sent)
    }

    /// Sends gRPC's status for that.
    fn refuse_for_unsent(&mut self, id: u32) {
        let message = "the client does not read its responses";
        self.end_with_status(id, "8", HeaderValue::from_static(message));
    }

    /// Ends a call with a gRPC status, even if its answer has begun.
    pub(crate) fn end_with_status(&mut self, id: u32, code: &'static str, message: HeaderValue) {
        let mut status = HeaderMap::with_capacity(3);
        status.insert("grpc-status", HeaderValue::from_static(code));
        status.insert("grpc-message", message);
        let answered = self.streams.get(id).is_some_and(|stream| stream.has_answer);
        if answered {
            self.send_end(id, Some(status));
        } else {
            status.insert(CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
            self.send_response(id, StatusCode::OK, &status, true);
        }
    }
}
