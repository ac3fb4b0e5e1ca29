//! A service around a channel, which the direct path does not know.

use std::task::{Context, Poll};

use grpc_ipc::{CallBody, Channel, ResponseFuture};
use tonic::Status;
use tonic::body::Body;
use tower_service::Service;

/// A channel that is not ours.
#[derive(Clone, Debug)]
pub(crate) struct Other(pub(crate) Channel);

impl Service<http::Request<Body>> for Other {
    type Response = http::Response<CallBody>;
    type Error = Status;
    type Future = ResponseFuture;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Status>> {
        self.0.poll_ready(cx)
    }

    fn call(&mut self, request: http::Request<Body>) -> ResponseFuture {
        self.0.call(request)
    }
}
