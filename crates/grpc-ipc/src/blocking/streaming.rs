use std::fmt;

use tonic::Status;
use tonic::metadata::MetadataMap;

use super::call::call;
use super::{Cancellation, engine};

/// The responses of a call, as an iterator that blocks until the next one arrives. After an error, which is the status
/// of the call, the iterator ends. Dropping it cancels the call.
pub struct Streaming<T> {
    /// `None` after the end.
    messages: Option<tonic::Streaming<T>>,
    trailers: Option<MetadataMap>,
    cancellation: Option<Cancellation>,
}

impl<T> Streaming<T> {
    pub(super) fn new(messages: tonic::Streaming<T>, cancellation: Option<Cancellation>) -> Self {
        Self { messages: Some(messages), trailers: None, cancellation }
    }

    /// Takes the metadata that the server sent after its last message. Returns `None` before the end, after an error,
    /// and if the metadata has been taken already.
    pub fn trailers(&mut self) -> Option<MetadataMap> {
        self.trailers.take()
    }
}

impl<T> Iterator for Streaming<T> {
    type Item = Result<T, Status>;

    fn next(&mut self) -> Option<Result<T, Status>> {
        let messages = self.messages.as_mut()?;
        let next = call(
            async {
                match messages.message().await? {
                    Some(message) => Ok(Ok(message)),
                    None => messages.trailers().await.map(Err),
                }
            },
            self.cancellation.as_ref(),
        );
        match next {
            Ok(Ok(message)) => Some(Ok(message)),
            Ok(Err(trailers)) => {
                self.trailers = trailers;
                self.messages = None;
                None
            }
            Err(status) => {
                self.messages = None;
                Some(Err(status))
            }
        }
    }
}

impl<T> Drop for Streaming<T> {
    fn drop(&mut self) {
        if self.messages.take().is_some() {
            // Tells the server that the call is cancelled.
            engine::wake();
        }
    }
}

impl<T> fmt::Debug for Streaming<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Streaming").field("is_over", &self.messages.is_none()).finish_non_exhaustive()
    }
}
