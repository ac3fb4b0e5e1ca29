use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};

use grpc_ipc_core::Peer;
use grpc_ipc_http2::RecvBody;
use tonic::Status;
use tonic::body::Body;
use tower_service::Service;

use crate::call_body::CallBody;
use crate::content_type::is_grpc;
use crate::fields;
use crate::limits::LimitedServices;
use crate::services::{BoxError, ServicesFuture};
use crate::{MethodPath, connect_info};

/// All services, for the requests of one peer.
#[derive(Clone)]
pub(crate) struct PeerService {
    services: LimitedServices,
    general_calls: Arc<AtomicU64>,
    peer: Peer,
    /// Why the services cannot take the next request.
    failed: Option<Status>,
}

impl PeerService {
    pub(crate) fn new(services: LimitedServices, general_calls: Arc<AtomicU64>, peer: Peer) -> Self {
        Self { services, general_calls, peer, failed: None }
    }
}

impl Service<http::Request<RecvBody>> for PeerService {
    type Response = http::Response<Body>;
    type Error = BoxError;
    type Future = ServicesFuture;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.failed = std::task::ready!(self.services.poll_ready(cx)).err();
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<RecvBody>) -> Self::Future {
        if let Some(status) = self.failed.take() {
            return ServicesFuture::ready(status.into_http());
        }
        self.general_calls.fetch_add(1, Ordering::Relaxed);
        let is_grpc = is_grpc(request.headers());
        let mut request = request.map(|body| match is_grpc {
            true => Body::new(CallBody::request(body)),
            false => Body::new(CallBody::any(body)),
        });
        if is_grpc {
            fields::separate(request.headers_mut());
        }
        let path = MethodPath::of(request.uri());
        connect_info::tell(request.extensions_mut(), &self.peer);
        request.extensions_mut().insert(path);
        self.services.call(request)
    }
}
