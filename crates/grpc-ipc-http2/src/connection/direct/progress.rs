use std::sync::Arc;

use http::HeaderMap;

use super::follow::Follow;
use super::gather::Gathered;
use super::usual::PlainHead;
use crate::direct::Head;

/// The state of a stream as a direct call.
#[derive(Debug, Default)]
pub(crate) struct Call {
    pub(super) progress: Progress,
    /// The head of a request whose message has not come.
    pub(super) request: Option<Arc<Head>>,
    /// The head of a response, once it has come.
    pub(super) response: Option<Arc<PlainHead>>,
    /// The message of a response, with its prefix; empty before it has come. The memory is reused.
    pub(super) message: Vec<u8>,
    /// A message of a request or response that is large, or in several frames.
    pub(super) gathered: Gathered,
    /// Where the messages of a streaming body begin.
    pub(super) follow: Option<Follow>,
    /// The metadata in the trailers of a response, if any.
    pub(super) trailers: Option<Arc<HeaderMap>>,
}

/// How much of a direct call has come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Progress {
    /// The call is not direct, or no longer.
    #[default]
    General,
    /// The head, and the beginning of a gathered message.
    Gathers,

    // The server's requests.
    /// The head; the message must come in the same read.
    Awaits,
    /// Everything that the handler is called with: the whole request, or the head if messages may follow.
    Complete,

    // The client's responses.
    /// Nothing.
    Begun,
    /// The head.
    Head,
    /// The message, too.
    Message,
    /// Everything.
    Done,
}

/// The memory of a larger message is not reused.
const KEEP: usize = 256;

impl Call {
    pub(crate) fn is_general(&self) -> bool {
        self.progress == Progress::General
    }

    pub(crate) fn gathers(&self) -> bool {
        self.progress == Progress::Gathers
    }

    /// Whether it is a request whose message is being gathered, so that it has no handler yet.
    pub(crate) fn gathers_request(&self) -> bool {
        self.gathers() && self.request.is_some()
    }

    /// How much has come and has not been taken.
    pub(crate) fn unread(&self) -> usize {
        self.message.len() + self.gathered.len()
    }

    /// Drops the received data, which is no longer needed.
    #[inline]
    pub(crate) fn drop_unread(&mut self) {
        self.message.clear();
        self.gathered.clear();
    }

    /// Drops its contents, but keeps a little memory. Usually there are none, and checking that is faster than
    /// dropping.
    #[inline]
    pub(crate) fn clear(&mut self) {
        self.progress = Progress::General;
        if self.request.is_some() {
            self.request = None;
        }
        if self.response.is_some() {
            self.response = None;
        }
        if self.trailers.is_some() {
            self.trailers = None;
        }
        self.gathered.clear();
        self.follow = None;
        self.message.clear();
        if self.message.capacity() > KEEP {
            self.message = Vec::new();
        }
    }

    /// An active one, with a message.
    #[cfg(test)]
    pub(crate) fn begun(message: &[u8]) -> Self {
        Self { progress: Progress::Begun, message: message.into(), ..Self::default() }
    }
}

#[cfg(any(test, fuzzing))]
impl Call {
    pub(super) fn is_complete(&self) -> bool {
        self.progress == Progress::Complete
    }

    /// # Panics
    /// If an invariant is broken while nothing uses the stream.
    pub(super) fn check_invariants(&self) {
        assert!(self.progress != Progress::Awaits, "a request without its message");
        assert!(self.request.is_none() || self.gathers(), "a request that is not handed out");
        let has_head = matches!(self.progress, Progress::Head | Progress::Message | Progress::Done)
            || self.gathers() && self.request.is_none();
        assert_eq!(self.response.is_some(), has_head, "the head of a response");
        let has_message = matches!(self.progress, Progress::Message | Progress::Done);
        assert!(self.message.is_empty() || has_message, "a message without a head");
        let may_gather = has_message || self.gathers() || self.is_complete() || self.follow.is_some();
        assert!(
            self.gathered.is_empty() || may_gather && self.message.is_empty(),
            "a message that nobody gathers"
        );
        assert!(self.trailers.is_none() || self.progress == Progress::Done, "trailers before the end");
    }
}
