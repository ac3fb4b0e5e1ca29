//! Bodies that wait for the peer to take them: how much of them a server keeps.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderValue, StatusCode};

use super::{Connection, Role, Stream};
use crate::{Options, Reason};

/// What all connections keep that are made with clones of the same [`Options`].
#[derive(Debug)]
pub(crate) struct Together {
    max: usize,
    bytes: AtomicUsize,
}

/// A connection may keep as much, whatever the others keep.
const SHARE: usize = 1 << 20;
/// How much the count of a connection may differ from what the others know of it.
const UNTOLD: usize = 64 << 10;

impl Together {
    pub(crate) fn new(max: usize) -> Arc<Self> {
        Arc::new(Self { max, bytes: AtomicUsize::new(0) })
    }
}

/// What one connection keeps.
#[derive(Debug)]
pub(super) struct Unsent {
    /// All pieces of bodies of which something is not in frames.
    pub(super) bytes: usize,
    /// How much of it the others know of.
    told: usize,
    max: usize,
    together: Arc<Together>,
    /// Streams whose bodies wait until there is less.
    waiting: Vec<u32>,
    /// Requests wait for that, too.
    requests_wait: bool,
    /// How much was ever put into frames.
    sent: u64,
    /// How much it was when the peer turned out not to take anything.
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

    /// So much of the first piece of a stream was put into a frame. The memory of a piece is not free before all of it is
    /// sent.
    pub(super) fn sent(&mut self, stream: &mut Stream, bytes: usize, whole: bool) {
        self.sent += bytes as u64;
        stream.sent_of_piece += bytes;
        if whole {
            self.bytes -= std::mem::take(&mut stream.sent_of_piece);
        }
    }

    /// So much was put into a frame that was never kept.
    pub(super) fn sent_at_once(&mut self, bytes: usize) {
        self.sent += bytes as u64;
    }

    /// What a stream had to send is not wanted any more.
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
        // Most have nothing to ask the others.
        self.bytes > SHARE.min(self.max / 2) && self.bytes > limit(self.limit())
    }

    /// Tells the others, if it is worth it.
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

/// What becomes of a request when much is kept for its client.
pub(crate) enum Admission {
    /// Its handler is called.
    Call,
    /// It is over.
    Over,
    /// It waits.
    Wait,
}

impl Connection {
    /// So much waits for the client that no handler is to be called, and no body to be begun.
    #[inline]
    pub(crate) fn is_overfull(&self) -> bool {
        self.unsent.exceeds(|limit| limit)
    }

    /// No more is to be taken of the body of a stream of which everything is in frames. One that the client reads goes
    /// on for a while, so that it gets to the others.
    pub(crate) fn is_overfull_for(&self, id: u32) -> bool {
        let has_window =
            self.streams.get(id).is_some_and(|stream| stream.has_answer && stream.send_window > 0);
        self.unsent.exceeds(|limit| if has_window { limit.saturating_mul(2) } else { limit })
    }

    /// The body of a stream waits until less is kept, unless the client takes nothing.
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

    /// Whether the handler of a request is to be called while much is kept for the client.
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

    /// What is kept has changed: whoever waits for less may go on.
    #[inline]
    pub(super) fn unsent_changed(&mut self) {
        self.unsent.tell();
        if !self.unsent.waiting.is_empty() {
            self.wake_for_unsent();
        }
    }

    /// Not one by one: there may be many.
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

    /// Requests have waited, and need not any more.
    pub(crate) fn takes_requests_again(&self) -> bool {
        self.unsent.requests_wait && !self.is_overfull()
    }

    /// Something waits until the client takes what there is; how much it has ever taken.
    pub(crate) fn waits_for_client(&self) -> Option<u64> {
        let waits = self.unsent.requests_wait || !self.unsent.waiting.is_empty();
        waits.then_some(self.unsent.sent)
    }

    /// The client has taken nothing for a long time: what waits for that is refused.
    pub(crate) fn client_is_stalled(&mut self) {
        self.unsent.stalled_at = Some(self.unsent.sent);
        for id in std::mem::take(&mut self.unsent.waiting) {
            if let Some(stream) = self.streams.get_mut(id) {
                stream.waits_for_unsent = false;
                self.refuse_for_unsent(id);
            }
        }
    }

    /// It still has taken nothing.
    fn is_client_stalled(&self) -> bool {
        self.unsent.stalled_at == Some(self.unsent.sent)
    }

    /// The status that gRPC has for it.
    fn refuse_for_unsent(&mut self, id: u32) {
        let message = "the client does not read the responses that it has asked for";
        self.end_with_status(id, "8", HeaderValue::from_static(message));
    }

    /// Ends a call with a status of gRPC, whether or not its answer has begun.
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
