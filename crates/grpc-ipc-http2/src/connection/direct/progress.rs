use std::sync::Arc;

use http::HeaderMap;

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
    /// The metadata in the trailers of a response, if there was any.
    pub(super) trailers: Option<Arc<HeaderMap>>,
}

/// How much of a direct call has come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Progress {
    /// The call is not direct, or no longer.
    #[default]
    General,

    // The requests of a server's end.
    /// The head; the message has to come in the same read.
    Awaits,
    /// Everything.
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

    /// How much has come that nobody has taken.
    pub(crate) fn unread(&self) -> usize {
        self.message.len()
    }

    /// What has come is not wanted any more.
    pub(crate) fn drop_unread(&mut self) {
        self.message.clear();
    }

    /// Drops all that it holds, but for a little memory. Mostly there is nothing, which is found out faster than by
    /// dropping it.
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
        assert!(self.progress != Progress::Awaits && self.request.is_none(), "a request without its message");
        let has_head = matches!(self.progress, Progress::Head | Progress::Message | Progress::Done);
        assert_eq!(self.response.is_some(), has_head, "the head of a response");
        assert!(
            self.message.is_empty() || has_head && self.progress != Progress::Head,
            "a message without a head"
        );
        assert!(self.trailers.is_none() || self.progress == Progress::Done, "trailers before the end");
    }
}
