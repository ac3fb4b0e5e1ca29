use std::sync::Arc;

use http::HeaderMap;

use super::usual::PlainHead;
use crate::direct::Head;

/// What a stream knows of being a direct call.
#[derive(Debug, Default)]
pub(crate) struct Call {
    pub(super) progress: Progress,
    /// The message of a response, with its prefix; empty before it has come. The memory is that of earlier ones.
    pub(super) message: Vec<u8>,
}

/// How much of a direct call has come.
#[derive(Debug, Default)]
pub(super) enum Progress {
    /// It is none, or none any more.
    #[default]
    General,

    // The requests of a server's end.
    /// The head; the message has to come in the same read.
    Awaits(Arc<Head>),
    /// Everything.
    Complete,

    // The responses of a client's end.
    /// Nothing.
    Begun,
    /// The head.
    Head(Arc<PlainHead>),
    /// The message, too.
    Message(Arc<PlainHead>),
    /// Everything, with the metadata of the trailers, if there was any.
    Done(Arc<PlainHead>, Option<Arc<HeaderMap>>),
}

/// A larger message does not leave its memory to the next one.
const KEEP: usize = 256;

impl Call {
    /// One that is about to be made.
    pub(super) fn begin(&mut self) {
        self.progress = Progress::Begun;
    }

    pub(crate) fn is_general(&self) -> bool {
        matches!(self.progress, Progress::General)
    }

    /// How much has come that nobody has taken.
    pub(crate) fn unread(&self) -> usize {
        self.message.len()
    }

    /// What has come is not wanted any more.
    pub(crate) fn drop_unread(&mut self) {
        self.message.clear();
    }

    /// Drops all that it holds, but for a little memory.
    pub(crate) fn clear(&mut self) {
        if !self.is_general() {
            self.progress = Progress::General;
        }
        if self.message.capacity() > 0 {
            self.message.clear();
            self.message.shrink_to(KEEP);
        }
    }

    /// One that is under way, with a message.
    #[cfg(test)]
    pub(crate) fn begun(message: &[u8]) -> Self {
        Self { progress: Progress::Begun, message: message.into() }
    }
}
