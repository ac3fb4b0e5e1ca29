use std::sync::Arc;

use http::HeaderMap;

use super::follow::Follow;
use super::gather::Gathered;
use super::usual::PlainHead;
use crate::direct::Head;

/// What a stream knows of being a direct call.
#[derive(Debug, Default)]
pub(crate) struct Call {
    pub(super) progress: Progress,
    /// That of a request whose message has to come.
    pub(super) request: Option<Arc<Head>>,
    /// That of a response, once it has come.
    pub(super) response: Option<Arc<PlainHead>>,
    /// The message of a response, with its prefix; empty before it has come. The memory is that of earlier ones.
    pub(super) message: Vec<u8>,
    /// A message that is large, or in several frames, of a request or of a response.
    pub(super) gathered: Gathered,
    /// Where in its body the messages of a stream begin, if it has one.
    pub(super) follow: Option<Follow>,
    /// The metadata in the trailers of a response, if there was any.
    pub(super) trailers: Option<Arc<HeaderMap>>,
}

/// How much of a direct call has come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Progress {
    /// The call is not direct, or no longer.
    #[default]
    General,
    /// The head, and the beginning of a message that is gathered.
    Gathers,

    // The requests of a server's end.
    /// The head; the message has to come in the same read.
    Awaits,
    /// As much as a handler is called with: everything, or the head if messages may follow it.
    Complete,

    // The responses of a client's end.
    /// Nothing.
    Begun,
    /// The head.
    Head,
    /// The message, too.
    Message,
    /// Everything.
    Done,
}

/// A larger message does not leave its memory to the next one.
const KEEP: usize = 256;

impl Call {
    pub(crate) fn is_general(&self) -> bool {
        self.progress == Progress::General
    }

    pub(crate) fn gathers(&self) -> bool {
        self.progress == Progress::Gathers
    }

    /// It is a request whose message is gathered: it has no handler yet.
    pub(crate) fn gathers_request(&self) -> bool {
        self.gathers() && self.request.is_some()
    }

    /// How much has come that nobody has taken.
    pub(crate) fn unread(&self) -> usize {
        self.message.len() + self.gathered.len()
    }

    /// What has come is not wanted any more.
    #[inline]
    pub(crate) fn drop_unread(&mut self) {
        self.message.clear();
        self.gathered.clear();
    }

    /// Drops all that it holds, but for a little memory. Mostly there is nothing, which is found out faster than by
    /// dropping it.
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

    /// One that is under way, with a message.
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
    /// If something does not hold when nobody is at work on the stream.
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
