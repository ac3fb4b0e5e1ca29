//! Metadata without the protocol's own fields.

use std::time::Duration;

use grpc_ipc_http2::direct::PROTOCOLS_OWN;
use http::header::Entry;
use http::{HeaderMap, HeaderName, HeaderValue};
use tokio::time::Instant;
use tonic::metadata::MetadataMap;
use tonic::{Request, Response, Status};

use crate::status::deadline_exceeded;

/// Fields that tonic does not let programs send.
const RESERVED: [&str; 5] = ["te", "content-type", "grpc-message", "grpc-message-type", "grpc-status"];

/// Whether this is a field that a program may set, but that tonic omits or replaces.
pub(super) fn is_left_to_tonic(name: &HeaderName) -> bool {
    let name = name.as_str();
    PROTOCOLS_OWN.contains(&name) || RESERVED.contains(&name)
}

/// Removes the fields that programs cannot send.
pub(super) fn sanitize(metadata: &mut MetadataMap) {
    remove(metadata, &RESERVED);
}

/// Removes the protocol's own fields.
pub(super) fn strip(metadata: &mut MetadataMap) {
    remove(metadata, &PROTOCOLS_OWN);
}

/// Reduces the time limit of a retried call to the time that is left.
pub(super) fn shorten<T>(request: &mut Request<T>, deadline: Option<Instant>) -> Result<(), Status> {
    let Some(deadline) = deadline else { return Ok(()) };
    match deadline.saturating_duration_since(Instant::now()) {
        Duration::ZERO => Err(deadline_exceeded()),
        left => {
            request.set_timeout(left);
            Ok(())
        }
    }
}

/// Usually there is nothing to remove, so comparing the few fields costs less than hashing the names.
fn remove(metadata: &mut MetadataMap, names: &[&str]) {
    let headers: &mut HeaderMap = metadata.as_mut();
    if headers.keys().any(|name| names.contains(&name.as_str())) {
        names.iter().for_each(|name| drop(headers.remove(*name)));
    }
}

/// The protocol's own fields, set aside while an interceptor sees the others.
pub(super) struct ProtocolsOwn(Vec<(HeaderName, HeaderValue)>);

impl ProtocolsOwn {
    pub(super) fn take(headers: &mut HeaderMap) -> Self {
        let take = |name| Some((HeaderName::from_static(name), headers.remove(name)?));
        Self(PROTOCOLS_OWN.into_iter().filter_map(take).collect())
    }

    /// Puts them back, except those that the interceptor was allowed to set and has set.
    pub(super) fn put_back(self, metadata: &mut MetadataMap) {
        sanitize(metadata);
        let headers: &mut HeaderMap = metadata.as_mut();
        for (name, value) in self.0 {
            if let Entry::Vacant(entry) = headers.entry(name) {
                entry.insert(value);
            }
        }
    }
}

/// Removes the protocol's own fields from a result.
pub(super) fn strip_result<T>(result: Result<Response<T>, Status>) -> Result<Response<T>, Status> {
    match result {
        Ok(mut response) => {
            strip(response.metadata_mut());
            Ok(response)
        }
        Err(mut status) => {
            strip(status.metadata_mut());
            Err(status)
        }
    }
}
