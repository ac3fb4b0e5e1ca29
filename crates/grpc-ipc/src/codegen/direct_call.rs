//! Calls that a server answers directly.

use std::any::Any;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use futures_core::Stream;
use grpc_ipc_http2::RecvBody;
use grpc_ipc_http2::direct::{Head, Message, Reply};
use http::HeaderMap;
use http::header::CONTENT_TYPE;
use tonic::metadata::{GRPC_CONTENT_TYPE, MetadataMap};
use tonic::service::Interceptor;
use tonic::{Extensions, Request, Response, Status, Streaming};

use super::ServerOptions;
use super::large::{Aside, MessageDecoder};
use super::messages::{Encoded, decode, encoded_len};
use super::metadata::{sanitize, strip};
use super::outgoing::Outgoing;
use crate::call_body::CallBody;
use crate::fields;

/// The messages of a request.
pub(crate) enum Input<'a> {
    Message(Message<'a>),
    /// Boxed, because a call is moved a few times, and most calls have one message.
    Stream(Box<RecvBody>),
}

/// A direct call.
pub(crate) struct DirectCall<'a> {
    pub(crate) head: &'a mut Arc<Head>,
    pub(crate) input: Input<'a>,
    /// The extensions of its request.
    pub(crate) extensions: &'a Extensions,
    pub(crate) reply: Reply<'a>,
    pub(crate) slot: &'a mut Slot,
    /// The metadata and extensions after an interceptor.
    pub(crate) intercepted: Option<Box<(MetadataMap, Extensions)>>,
}

impl DirectCall<'_> {
    #[inline]
    fn parts(&mut self) -> (MetadataMap, Extensions) {
        if let Some(parts) = self.intercepted.take() {
            return *parts;
        }
        let metadata = if self.head.metadata().is_empty() {
            // Cheaper than `new`.
            MetadataMap::default()
        } else {
            let mut metadata = Head::take_metadata(self.head);
            fields::separate(&mut metadata);
            MetadataMap::from_headers(metadata)
        };
        (metadata, self.extensions.clone())
    }

    /// The call after an interceptor. `None` if the interceptor refused it.
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

    /// Answers with one message from a handler.
    pub(super) fn unary<M, R, A>(self, options: &ServerOptions, handler: impl FnOnce(Request<M>) -> A)
    where
        M: prost::Message + Default,
        R: prost::Message + 'static,
        A: Future<Output = Result<Response<R>, Status>> + Send + 'static,
    {
        let limit = options.encoding_limit();
        self.with_message(options, handler, move |result, reply| respond(result, reply, limit));
    }

    /// Answers one message with a stream from a handler.
    pub(super) fn server_streaming<M, R, S, A>(
        self,
        options: &ServerOptions,
        handler: impl FnOnce(Request<M>) -> A,
    ) where
        M: prost::Message + Default,
        R: prost::Message + 'static,
        S: Stream<Item = Result<R, Status>> + Send + 'static,
        A: Future<Output = Result<Response<S>, Status>> + Send + 'static,
    {
        let limit = options.encoding_limit();
        self.with_message(options, handler, move |result, reply| respond_with_stream(result, reply, limit));
    }

    /// Answers a stream of messages with one message from a handler.
    pub(super) fn client_streaming<M, R, A>(
        self,
        options: &ServerOptions,
        handler: impl FnOnce(Request<Streaming<M>>) -> A,
    ) where
        M: prost::Message + Default + 'static,
        R: prost::Message + 'static,
        A: Future<Output = Result<Response<R>, Status>> + Send + 'static,
    {
        let limit = options.encoding_limit();
        self.with_stream(options, handler, move |result, reply| respond(result, reply, limit));
    }

    /// Answers a stream of messages with a stream from a handler.
    pub(super) fn streaming<M, R, S, A>(
        self,
        options: &ServerOptions,
        handler: impl FnOnce(Request<Streaming<M>>) -> A,
    ) where
        M: prost::Message + Default + 'static,
        R: prost::Message + 'static,
        S: Stream<Item = Result<R, Status>> + Send + 'static,
        A: Future<Output = Result<Response<S>, Status>> + Send + 'static,
    {
        let limit = options.encoding_limit();
        self.with_stream(options, handler, move |result, reply| respond_with_stream(result, reply, limit));
    }

    #[inline]
    fn with_message<M, T, A>(
        mut self,
        options: &ServerOptions,
        handler: impl FnOnce(Request<M>) -> A,
        respond: impl FnOnce(Result<Response<T>, Status>, Reply<'_>) + Send + 'static,
    ) where
        M: prost::Message + Default,
        T: Send + 'static,
        A: Future<Output = Result<Response<T>, Status>> + Send + 'static,
    {
        let (metadata, extensions) = self.parts();
        let Self { input, reply, slot, .. } = self;
        // The engine passes a method the input of its kind.
        let Input::Message(message) = input else { return };
        let message = match decode(message, options.decoding_limit()) {
            Ok(message) => message,
            Err(status) => return refuse(reply, &status),
        };
        run(handler(Request::from_parts(metadata, extensions, message)), slot, reply, respond);
    }

    fn with_stream<M, T, A>(
        mut self,
        options: &ServerOptions,
        handler: impl FnOnce(Request<Streaming<M>>) -> A,
        respond: impl FnOnce(Result<Response<T>, Status>, Reply<'_>) + Send + 'static,
    ) where
        M: prost::Message + Default + 'static,
        T: Send + 'static,
        A: Future<Output = Result<Response<T>, Status>> + Send + 'static,
    {
        let (metadata, extensions) = self.parts();
        let Self { input, reply, slot, .. } = self;
        let Input::Stream(body) = input else { return };
        let limit = options.decoding_limit();
        let aside = Aside::new(limit);
        let body = CallBody::request(*body).leaving(aside.clone());
        let messages = Streaming::new_request(MessageDecoder::<M>::new(aside), body, None, Some(limit));
        run(handler(Request::from_parts(metadata, extensions, messages)), slot, reply, respond);
    }

    pub(crate) fn refuse(self, status: &Status) {
        refuse(self.reply, status);
    }
}

/// Polls a handler, and answers with its result now or later.
#[inline]
fn run<A>(
    future: A,
    slot: &mut Slot,
    reply: Reply<'_>,
    respond: impl FnOnce(A::Output, Reply<'_>) + Send + 'static,
) where
    A: Future<Output: Send> + Send + 'static,
{
    let Some(waker) = reply.waker() else { return reply.later(future, respond) };
    let mut running = slot.run(future);
    match running.poll(&mut Context::from_waker(waker)) {
        Poll::Ready(result) => {
            running.0.set(None);
            slot.keep(running);
            respond(result, reply);
        }
        Poll::Pending => reply.later(running, respond),
    }
}

/// Answers with the stream that a handler returned.
fn respond_with_stream<R, S>(result: Result<Response<S>, Status>, reply: Reply<'_>, limit: usize)
where
    R: prost::Message,
    S: Stream<Item = Result<R, Status>> + Send + 'static,
{
    match result {
        Ok(response) => {
            let (mut metadata, stream, _) = response.into_parts();
            sanitize(&mut metadata);
            reply.stream(Some(metadata.as_ref()), Outgoing::of_response(stream, limit));
        }
        Err(status) => refuse(reply, &status),
    }
}

/// Answers with the result of a handler.
#[inline]
fn respond<R: prost::Message>(result: Result<Response<R>, Status>, reply: Reply<'_>, limit: usize) {
    // Not taken apart, because moving it costs more.
    let mut response = match result {
        Ok(response) => response,
        Err(status) => return refuse(reply, &status),
    };
    match encoded_len(response.get_ref(), limit) {
        Ok(length) => {
            sanitize(response.metadata_mut());
            reply.message(Some(response.metadata().as_ref()), length, Encoded(response.get_ref()));
        }
        Err(mut status) => {
            // The caller gets the metadata that the headers would have had.
            *status.metadata_mut() = std::mem::take(response.metadata_mut());
            refuse(reply, &status);
        }
    }
}

/// Answers with a status, in the form of [`Status::into_http`].
fn refuse(reply: Reply<'_>, status: &Status) {
    let mut headers = HeaderMap::with_capacity(4);
    headers.insert(CONTENT_TYPE, GRPC_CONTENT_TYPE);
    // It cannot fail, because messages are percent-encoded.
    _ = status.add_header(&mut headers);
    reply.trailers_only(&headers);
}

/// Memory for the future of a handler. The next call uses it again.
#[derive(Default)]
pub(crate) struct Slot(Option<Box<dyn Any + Send>>);

impl Slot {
    #[inline]
    fn run<A: Send + 'static>(&mut self, future: A) -> Box<Running<A>> {
        let kept = self.0.take().and_then(|kept| kept.downcast().ok());
        let mut running = kept.unwrap_or_else(|| Box::new(Running(Box::pin(None))));
        running.0.set(Some(future));
        running
    }

    #[inline]
    fn keep<A: Send + 'static>(&mut self, running: Box<Running<A>>) {
        self.0 = Some(running);
    }
}

/// A future, in memory that outlives it.
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
