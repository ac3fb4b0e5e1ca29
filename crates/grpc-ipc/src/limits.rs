//! Limits the concurrent calls of one connection.

use std::task::{Context, Poll, ready};

use futures_util::FutureExt as _;
use tonic::Status;
use tower::limit::ConcurrencyLimit;
use tower_service::Service;

use crate::services::{Request, Services, ServicesFuture};
use crate::status::status_from_service;

/// The limits of each connection.
#[derive(Clone, Copy, Default)]
pub(crate) struct Limits {
    /// The maximum number of concurrent calls.
    pub(crate) concurrency: Option<usize>,
    /// Whether to refuse further calls instead of letting them wait.
    pub(crate) load_shed: bool,
}

/// The services, for one connection.
#[derive(Clone)]
pub(crate) struct LimitedServices {
    services: Kind,
    load_shed: bool,
}

#[derive(Clone)]
enum Kind {
    Free(Services),
    Limited(ConcurrencyLimit<Services>),
}

impl LimitedServices {
    pub(crate) fn new(services: Services, limits: Limits) -> Self {
        let services = match limits.concurrency {
            None => Kind::Free(services),
            Some(calls) => Kind::Limited(ConcurrencyLimit::new(services, calls)),
        };
        Self { services, load_shed: limits.load_shed }
    }

    /// Waits until a call can be made, or returns why it cannot.
    pub(crate) fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Status>> {
        let ready = match &mut self.services {
            Kind::Free(services) => services.poll_ready(cx),
            Kind::Limited(services) => services.poll_ready(cx),
        };
        if ready.is_pending() && self.load_shed {
            // tonic's text.
            return Poll::Ready(Err(Status::resource_exhausted(
                "Too many active requests for the connection",
            )));
        }
        Poll::Ready(ready!(ready).map_err(status_from_service))
    }

    pub(crate) fn call(&mut self, request: Request) -> ServicesFuture {
        match &mut self.services {
            Kind::Free(services) => services.call(request),
            Kind::Limited(services) => ServicesFuture::boxed(services.call(request).boxed()),
        }
    }
}
