use std::mem;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

use http::{HeaderMap, Method};

use super::{PROTOCOLS_OWN, Service};
use crate::deadline::timeout_of;
use crate::message::RequestHead;

/// The head of a request, without its message. Requests with the same fields share one.
#[derive(Debug)]
pub struct Head {
    route: Route,
    timeout: Option<Duration>,
    metadata: HeaderMap,
    request: RequestHead,
}

/// A method, as its service describes it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Route {
    number: u32,
    has_stream: bool,
}

impl Head {
    /// The value that [`Service::route`] returned.
    #[must_use]
    pub fn route(&self) -> u32 {
        self.route.number
    }

    /// Whether the request has a stream of messages.
    pub(crate) fn has_stream(&self) -> bool {
        self.route.has_stream
    }

    /// The path of the method.
    #[must_use]
    pub fn path(&self) -> &str {
        self.request.uri.path()
    }

    /// `grpc-timeout`: how long the call may take. The engine enforces it.
    #[must_use]
    pub fn timeout(&self) -> Option<Duration> {
        self.timeout
    }

    /// The fields of the request without the protocol's own, but including `grpc-timeout`.
    #[must_use]
    pub fn metadata(&self) -> &HeaderMap {
        &self.metadata
    }

    /// Takes the [metadata](Self::metadata), which is then empty. It is copied only if other requests share it.
    #[must_use]
    pub fn take_metadata(head: &mut Arc<Self>) -> HeaderMap {
        match Arc::get_mut(head) {
            Some(head) => mem::take(&mut head.metadata),
            None => head.metadata.clone(),
        }
    }

    /// The head of a request for a method of a service.
    pub(crate) fn new(route: Route, request: RequestHead) -> Self {
        let headers = &request.headers;
        Self { route, timeout: timeout_of(headers), metadata: metadata_of(headers), request }
    }

    /// The method of a service that a request calls, if it may be a direct call. If the service panics, the request is
    /// not one.
    pub(crate) fn route_of(request: &RequestHead, service: &dyn Service) -> Option<Route> {
        let usual =
            request.method == Method::POST && request.uri.query().is_none() && is_plain(&request.headers);
        let route = || {
            let number = service.route(request.uri.path())?;
            Some(Route { number, has_stream: service.takes_stream(number) })
        };
        // The panic hook has already reported a panic.
        if usual { catch_unwind(AssertUnwindSafe(route)).ok().flatten() } else { None }
    }

    pub(crate) fn content_length(&self) -> Option<u64> {
        self.request.content_length
    }

    /// Whether a body of this length matches `content-length`.
    pub(crate) fn is_for(&self, length: u32) -> bool {
        self.request.content_length.is_none_or(|expected| expected == length.into())
    }

    /// The request in the form of the general path.
    pub(crate) fn into_request(self: Arc<Self>) -> RequestHead {
        Arc::try_unwrap(self).map_or_else(|shared| shared.request.clone(), |head| head.request)
    }
}

/// Whether the messages that follow are gRPC messages without compression.
pub(crate) fn is_plain(headers: &HeaderMap) -> bool {
    let mut is_grpc = false;
    // Calls have few fields, so comparing each name costs less than hashing.
    for (name, value) in headers {
        match name.as_str() {
            "content-type" if value == "application/grpc" || value == "application/grpc+proto" => {
                is_grpc = true;
            }
            "grpc-encoding" if value == "identity" => {}
            "content-type" | "grpc-encoding" => return false,
            _ => {}
        }
    }
    is_grpc
}

/// The fields without the protocol's own.
pub(crate) fn metadata_of(headers: &HeaderMap) -> HeaderMap {
    headers
        .iter()
        .filter(|(name, _)| !PROTOCOLS_OWN.contains(&name.as_str()))
        .map(|(name, value)| (name.clone(), value.clone()))
        .fold(HeaderMap::new(), |mut metadata, (name, value)| {
            metadata.append(name, value);
            metadata
        })
}
