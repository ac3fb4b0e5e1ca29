use std::mem;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

use http::{HeaderMap, Method};

use super::{PROTOCOLS_OWN, Service};
use crate::deadline::timeout_of;
use crate::message::RequestHead;

/// What stands before the message of a request. Requests whose fields are the same share one.
#[derive(Debug)]
pub struct Head {
    route: Route,
    timeout: Option<Duration>,
    metadata: HeaderMap,
    request: RequestHead,
}

/// A method, as its service tells it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Route {
    number: u32,
    has_stream: bool,
}

impl Head {
    /// What [`Service::route`] has said.
    #[must_use]
    pub fn route(&self) -> u32 {
        self.route.number
    }

    /// The request has a stream of messages.
    pub(crate) fn has_stream(&self) -> bool {
        self.route.has_stream
    }

    /// The path of the method.
    #[must_use]
    pub fn path(&self) -> &str {
        self.request.uri.path()
    }

    /// `grpc-timeout`: how long the call may take. The engine sees to it.
    #[must_use]
    pub fn timeout(&self) -> Option<Duration> {
        self.timeout
    }

    /// The fields of the request without the protocol's own. `grpc-timeout` is among them.
    #[must_use]
    pub fn metadata(&self) -> &HeaderMap {
        &self.metadata
    }

    /// The [metadata](Self::metadata), which is copied only if other requests have it, too: else it is gone.
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

    /// Which method of a service a request calls, if it may be a direct call. If the service panics, it is not.
    pub(crate) fn route_of(request: &RequestHead, service: &dyn Service) -> Option<Route> {
        let usual =
            request.method == Method::POST && request.uri.query().is_none() && is_plain(&request.headers);
        let route = || {
            let number = service.route(request.uri.path())?;
            Some(Route { number, has_stream: service.takes_stream(number) })
        };
        // A panic has been reported by its hook.
        if usual { catch_unwind(AssertUnwindSafe(route)).ok().flatten() } else { None }
    }

    pub(crate) fn content_length(&self) -> Option<u64> {
        self.request.content_length
    }

    /// Whether a body of this length agrees with `content-length`.
    pub(crate) fn is_for(&self, length: u32) -> bool {
        self.request.content_length.is_none_or(|expected| expected == length.into())
    }

    /// The request as it is on the general way.
    pub(crate) fn into_request(self: Arc<Self>) -> RequestHead {
        Arc::try_unwrap(self).map_or_else(|shared| shared.request.clone(), |head| head.request)
    }
}

/// The messages that follow are gRPC's and not compressed.
pub(crate) fn is_plain(headers: &HeaderMap) -> bool {
    let mut is_grpc = false;
    // Calls have few fields: to look at each costs less than to hash the names.
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

/// The fields that are not the protocol's own.
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
