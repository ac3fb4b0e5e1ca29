use std::sync::Arc;
use std::task::{Context, Poll};

use tower_service::Service;
use tracing::instrument::Instrumented;
use tracing::{Instrument as _, Span};

use crate::services::Request;

/// Makes the span of a request.
pub(crate) type TraceFn = Arc<dyn Fn(&http::Request<()>) -> Span + Send + Sync>;

/// A service whose requests run in spans that the program makes ([`Server::trace_fn`](crate::Server::trace_fn)).
#[derive(Clone)]
pub(crate) struct Traced<S> {
    pub(crate) service: S,
    pub(crate) trace: TraceFn,
}

impl<S: Service<Request>> Service<Request> for Traced<S> {
    type Response = S::Response;
    type Error = S::Error;
    type Future = Instrumented<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.service.poll_ready(cx)
    }

    fn call(&mut self, request: Request) -> Self::Future {
        let (head, body) = request.into_parts();
        let head = http::Request::from_parts(head, ());
        let span = (self.trace)(&head);
        let (head, ()) = head.into_parts();
        let request = Request::from_parts(head, body);
        span.in_scope(|| self.service.call(request)).instrument(span)
    }
}
