use std::time::Duration;

use http::HeaderMap;

/// What stands before the message of a request. Requests whose fields are the same share one.
#[derive(Debug)]
pub struct Head {
    route: u32,
    path: Box<str>,
    timeout: Option<Duration>,
    metadata: HeaderMap,
}

impl Head {
    /// What [`Service::route`](super::Service::route) has said.
    #[must_use]
    pub fn route(&self) -> u32 {
        self.route
    }

    /// The path of the method.
    #[must_use]
    pub fn path(&self) -> &str {
        &self.path
    }

    /// `grpc-timeout`: how long the call may take. The engine keeps it.
    #[must_use]
    pub fn timeout(&self) -> Option<Duration> {
        self.timeout
    }

    /// The fields of the request without the protocol's own. `grpc-timeout` is among them.
    #[must_use]
    pub fn metadata(&self) -> &HeaderMap {
        &self.metadata
    }
}
