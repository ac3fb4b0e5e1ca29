use std::sync::Arc;

use http::{HeaderMap, StatusCode};

use crate::direct::{Head, Service, is_plain, metadata_of};
use crate::message::{Message, ResponseHead};

/// The meaning of a header block for a direct call.
#[derive(Debug)]
pub(crate) enum Usual {
    Request(Arc<Head>),
    Response(Arc<PlainHead>),
    /// Trailers with status 0, and the metadata in them, if any.
    Trailers(Option<Arc<HeaderMap>>),
    Nothing,
}

/// The head of a response that is followed by an uncompressed message.
#[derive(Debug)]
pub(crate) struct PlainHead {
    pub(super) response: ResponseHead,
    pub(crate) metadata: HeaderMap,
}

impl Usual {
    pub(crate) fn of(message: &Message, service: Option<&dyn Service>) -> Self {
        match message {
            Message::Request(head) => {
                let route = service.and_then(|service| Head::route_of(head, service));
                route.map_or(Self::Nothing, |route| Self::Request(Arc::new(Head::new(route, head.clone()))))
            }
            Message::Response(head) if PlainHead::is(head) => {
                Self::Response(Arc::new(PlainHead::new(head.clone())))
            }
            Message::Trailers(trailers) if is_ok(trailers) => Self::Trailers(trailers_metadata(trailers)),
            _ => Self::Nothing,
        }
    }
}

impl PlainHead {
    pub(super) fn is(head: &ResponseHead) -> bool {
        head.status == StatusCode::OK
            && head.content_length.is_none()
            && is_plain(&head.headers)
            && !head.headers.keys().any(|name| name.as_str() == "grpc-status")
    }

    pub(super) fn new(response: ResponseHead) -> Self {
        Self { metadata: metadata_of(&response.headers), response }
    }
}

/// Whether these trailers report success.
pub(super) fn is_ok(trailers: &HeaderMap) -> bool {
    let mut statuses = trailers.iter().filter(|(name, _)| name.as_str() == "grpc-status");
    statuses.next().is_some_and(|(_, status)| status == "0") && statuses.next().is_none()
}

pub(super) fn trailers_metadata(trailers: &HeaderMap) -> Option<Arc<HeaderMap>> {
    let metadata = metadata_of(trailers);
    (!metadata.is_empty()).then(|| Arc::new(metadata))
}
