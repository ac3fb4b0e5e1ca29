//! The metadata of an answer.

use std::mem;
use std::sync::Arc;

use http::HeaderMap;

use crate::connection::direct::PlainHead;

/// The metadata of an answer, borrowed from the connection. Most answers have none.
#[derive(Debug)]
pub struct Metadata<'a> {
    head: Option<&'a mut Arc<PlainHead>>,
    trailers: Option<&'a HeaderMap>,
}

impl<'a> Metadata<'a> {
    pub(crate) fn new(head: Option<&'a mut Arc<PlainHead>>, trailers: Option<&'a HeaderMap>) -> Self {
        Self { head: head.filter(|head| !head.metadata.is_empty()), trailers }
    }

    /// Whether there is no metadata.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.head.is_none() && self.trailers.is_none()
    }

    /// The metadata before the message, if any. It is copied only if other answers share it.
    #[must_use]
    pub fn of_headers(self) -> Option<HeaderMap> {
        let head = self.head?;
        Some(match Arc::get_mut(head) {
            Some(head) => mem::take(&mut head.metadata),
            None => head.metadata.clone(),
        })
    }

    /// The same, together with the metadata in the trailers.
    #[must_use]
    pub fn with_trailers(self) -> Option<HeaderMap> {
        let Some(trailers) = self.trailers else { return self.of_headers() };
        let mut metadata = self.of_headers().unwrap_or_default();
        metadata.extend(trailers.clone());
        Some(metadata)
    }
}
