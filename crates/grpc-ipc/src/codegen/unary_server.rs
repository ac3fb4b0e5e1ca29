//! Unary calls that a server answers directly.

use std::any::Any;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use grpc_ipc_http2::direct::{Head, Message, Reply};
use http::HeaderMap;
use http::header::CONTENT_TYPE;
use tonic::metadata::{GRPC_CONTENT_TYPE, MetadataMap};
use tonic::service::Interceptor;
use tonic::{Extensions, Request, Response, Status};

use super::ServerOptions;
use super::messages::{Encoded, decode, encoded_len};
use super::metadata::{sanitize, strip};
use crate::fields;

/// A direct call.
pub(crate) struct DirectCall<'a> {
    pub(crate) head: &'a Arc<Head>,
    pub(crate) message: Message<'a>,
    /// Those of its request.
    pub(crate) extensions: &'a Extensions,
    pub(crate) waker: &'a Waker,
    pub(crate) reply: Reply<'a>,
    pub(crate) slot: &'a mut Slot,
    /// What an interceptor has left.
    pub(crate) intercepted: Option<Box<(MetadataMap, Extensions)>>,
}

impl DirectCall<'_> {
    fn parts(&mut self) -> (MetadataMap, Extensions) {
        if let Some(parts) = self.intercepted.take() {
            return *parts;
        }
        let metadata = self.head.metadata();
        let metadata = if metadata.is_empty() {
            // It costs less than `new`.
            MetadataMap::default()
        } else {
            let mut metadata = metadata.clone();
            fields::separate(&mut metadata);
            MetadataMap::from_headers(metadata)
        };
        (metadata, self.extensions.clone())
    }

    /// The call as an interceptor leaves it; `None` if it has refused it.
    pub(super) fn intercepted(mut self, interceptor: &mut impl Interceptor) -> Option<Self> {
        let (metadata, extensions) = self.parts();
        match interceptor.call(Request::from_parts(metadata, extensions, ())) {
            Ok(request) => {
                let (mut metadata, extensions, ()) = request.into_parts();
                strip(&mut metadata);
                self.intercepted = Some(Box::new((metadata, extensions)));
                Some(self)
            }
            Err(status) => {
                refuse(self.reply, &status);
                None
            }
        }
    }

    pub(super) fn unary<M, R, A>(mut self, options: &ServerOptions, handler: impl FnOnce(Request<M>) -> A)
    where
        M: prost::Message + Default,
        R: prost::Message + 'static,
        A: Future<Output = Result<Response<R>, Status>> + Send + 'static,
    {
        let (metadata, extensions) = self.parts();
        let Self { message, waker, reply, slot, .. } = self;
        let message = match decode(message, options.decoding_limit()) {
            Ok(message) => message,
            Err(status) => return refuse(reply, &status),
        };
        let limit = options.encoding_limit();
        let future = handler(Request::from_parts(metadata, extensions, message));
        if !reply.poll_in_place() {
            return reply.later(future, move |result, reply| respond(result, reply, limit));
        }
        let mut running = slot.run(future);
        match running.poll(&mut Context::from_waker(waker)) {
            Poll::Ready(result) => {
                running.0.set(None);
                slot.keep(running);
                respond(result, reply, limit);
            }
            Poll::Pending => reply.later(running, move |result, reply| respond(result, reply, limit)),
        }
    }

    pub(crate) fn refuse(self, status: &Status) {
        refuse(self.reply, status);
    }
}

/// Answers with what a handler has returned.
fn respond<R: prost::Message>(result: Result<Response<R>, Status>, reply: Reply<'_>, limit: usize) {
    let (mut metadata, message, _) = match result {
        Ok(response) => response.into_parts(),
        Err(status) => return refuse(reply, &status),
    };
    match encoded_len(&message, limit) {
        Ok(length) => {
            sanitize(&mut metadata);
            reply.message(Some(metadata.as_ref()), length, Encoded(&message));
        }
        Err(mut status) => {
            // The caller gets what the headers would have said.
            *status.metadata_mut() = metadata;
            refuse(reply, &status);
        }
    }
}

/// Answers with a status, as [`Status::into_http`] writes it.
fn refuse(reply: Reply<'_>, status: &Status) {
    let mut headers = HeaderMap::with_capacity(4);
    headers.insert(CONTENT_TYPE, GRPC_CONTENT_TYPE);
    // It cannot fail: a message is percent-encoded.
    _ = status.add_header(&mut headers);
    reply.trailers_only(&headers);
}

/// Memory for the future of a handler, which the next call uses again.
#[derive(Default)]
pub(crate) struct Slot(Option<Box<dyn Any + Send>>);

impl Slot {
    fn run<A: Send + 'static>(&mut self, future: A) -> Box<Running<A>> {
        let kept = self.0.take().and_then(|kept| kept.downcast().ok());
        let mut running = kept.unwrap_or_else(|| Box::new(Running(Box::pin(None))));
        running.0.set(Some(future));
        running
    }

    fn keep<A: Send + 'static>(&mut self, running: Box<Running<A>>) {
        self.0 = Some(running);
    }
}

/// A future in memory that outlives it.
struct Running<A>(Pin<Box<Option<A>>>);

impl<A: Future> Running<A> {
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<A::Output> {
        match self.0.as_mut().as_pin_mut() {
            Some(future) => future.poll(cx),
            None => Poll::Pending,
        }
    }
}

impl<A: Future> Future for Running<A> {
    type Output = A::Output;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<A::Output> {
        Self::poll(&mut self, cx)
    }
}
