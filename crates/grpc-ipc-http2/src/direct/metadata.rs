//! The metadata of an answer.

use http::HeaderMap;

/// The metadata of an answer, where the connection has it: mostly there is none.
#[derive(Clone, Copy, Debug)]
pub struct Metadata<'a> {
    headers: Option<&'a HeaderMap>,
    trailers: Option<&'a HeaderMap>,
}

impl<'a> Metadata<'a> {
    pub(crate) fn new(headers: Option<&'a HeaderMap>, trailers: Option<&'a HeaderMap>) -> Self {
        Self { headers: headers.filter(|headers| !headers.is_empty()), trailers }
    }

    /// Nothing has come.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.headers.is_none() && self.trailers.is_none()
    }

    /// What has come before the message, if there is any.
    #[must_use]
    pub fn of_headers(self) -> Option<HeaderMap> {
        self.headers.cloned()
    }

    /// The same with what has come in the trailers.
    #[must_use]
    pub fn with_trailers(self) -> Option<HeaderMap> {
        let Some(trailers) = self.trailers else { return self.of_headers() };
        let mut metadata = self.of_headers().unwrap_or_default();
        metadata.extend(trailers.clone());
        Some(metadata)
    }
}
