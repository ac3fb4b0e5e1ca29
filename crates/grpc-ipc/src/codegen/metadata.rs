//! Metadata without the fields of the protocol itself.

use http::{HeaderMap, HeaderName};
use tonic::metadata::MetadataMap;
use tonic::{Response, Status};

/// A field of gRPC over HTTP/2, not of a program.
pub(crate) fn is_protocols_own(name: &HeaderName) -> bool {
    PROTOCOLS_OWN.contains(&name.as_str())
}

const PROTOCOLS_OWN: [&str; 8] = [
    "te",
    "content-type",
    "content-length",
    "user-agent",
    "grpc-encoding",
    "grpc-accept-encoding",
    "grpc-status",
    "grpc-message",
];

/// Removes the protocol's own fields, and hands them out.
pub(crate) fn without_protocols_own(headers: &mut HeaderMap) -> Vec<(HeaderName, http::HeaderValue)> {
    let mut own = Vec::new();
    for name in PROTOCOLS_OWN {
        if let Some(value) = headers.remove(name) {
            own.push((HeaderName::from_static(name), value));
        }
    }
    own
}

/// The same of metadata.
pub(super) fn strip(metadata: &mut MetadataMap) {
    without_protocols_own(metadata.as_mut());
}

/// What a caller sees.
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
