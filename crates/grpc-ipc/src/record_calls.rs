use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::thread;
use std::time::Duration;

use bytes::Bytes;
use grpc_ipc_core::Peer;
use http::HeaderMap;
use http_body::{Body, Frame, SizeHint};
use tokio::time::Instant;
use tonic::server::NamedService;
use tonic::{Code, Status};
use tower_layer::Layer;
use tower_service::Service;
use tracing::Span;

use crate::MethodPath;
use crate::services::BoxError;
use crate::status::status_from_service;

/// A layer that records each call: as a span of `tracing`, as metrics (feature `metrics`), and with a callback.
///
/// It goes around a server or a channel. Calls through it are not direct. Without it, recording costs nothing.
///
/// ```
/// # use grpc_ipc_proto::greet::greeter_client::GreeterClient;
/// # use grpc_ipc_proto::greet::greeter_server::{Greeter, GreeterServer};
/// use grpc_ipc::{Channel, RecordCalls, Server};
/// use tower::Layer as _;
///
/// # fn example(greeter: impl Greeter, channel: Channel) {
/// let server = Server::builder().add_service(GreeterServer::new(greeter)).layer(RecordCalls::server());
/// let client = GreeterClient::new(RecordCalls::client().layer(channel));
/// # }
/// ```
///
/// The span of a call is named `rpc`, has the level INFO, and has the fields of OpenTelemetry's [conventions for
/// RPC](https://opentelemetry.io/docs/specs/semconv/rpc/rpc-spans/): `otel.kind`, `rpc.system`, `rpc.service`,
/// `rpc.method`, and, once the call has ended, `rpc.grpc.status_code`. It is open until the response ends, even if that
/// is a stream. Its parent is the span in which the call was made, or in a server the span of the connection.
///
/// A call that is dropped before its end counts as [`Cancelled`](Code::Cancelled). If the handler panics, the call
/// counts as [`Unknown`](Code::Unknown), the code that the client receives as well.
#[derive(Clone)]
pub struct RecordCalls {
    side: CallSide,
    spans: bool,
    #[cfg(feature = "metrics")]
    metrics: bool,
    on_call: Option<OnCall>,
}

type OnCall = Arc<dyn Fn(&CallRecord<'_>) + Send + Sync>;

/// The side that records a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum CallSide {
    Server,
    Client,
}

/// A finished call, for [`RecordCalls::on_call`].
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct CallRecord<'a> {
    /// The method.
    pub path: &'a MethodPath,
    /// The client, on a server; `None` on a client.
    pub peer: Option<&'a Peer>,
    /// The status that the call ended with.
    pub code: Code,
    /// The time from the request to the end of the response.
    pub duration: Duration,
}

impl RecordCalls {
    /// For [`Server::layer`](crate::Server::layer): records the calls that the server answers, with spans.
    #[must_use]
    pub fn server() -> Self {
        Self::new(CallSide::Server)
    }

    /// For a [`Channel`](crate::Channel): records the calls that the client makes, with spans.
    #[must_use]
    pub fn client() -> Self {
        Self::new(CallSide::Client)
    }

    fn new(side: CallSide) -> Self {
        Self {
            side,
            spans: true,
            #[cfg(feature = "metrics")]
            metrics: false,
            on_call: None,
        }
    }

    /// Whether each call gets a span. Default: `true`.
    #[must_use = "the layer is moved into the returned one"]
    pub fn spans(self, spans: bool) -> Self {
        Self { spans, ..self }
    }

    /// Whether the crate `metrics` records calls: in the histogram `rpc.server.duration` or `rpc.client.duration`, in
    /// milliseconds, with the labels `rpc.system`, `rpc.service`, `rpc.method` and `rpc.grpc.status_code`. For a method
    /// that the server does not have, the labels are `_OTHER`, so a client cannot invent labels. But a layer that
    /// answers before a service is chosen, such as [`Authorize`](crate::Authorize), may answer any method. Add it to
    /// the server before this one, so that its refusals are not recorded. Default: `false`.
    #[cfg(feature = "metrics")]
    #[must_use = "the layer is moved into the returned one"]
    pub fn metrics(self, metrics: bool) -> Self {
        if metrics {
            crate::metrics::describe_calls(self.side);
        }
        Self { metrics, ..self }
    }

    /// Calls `record` after each call. `record` must not block. If it panics, the panic is caught. Default: no
    /// callback.
    #[must_use = "the layer is moved into the returned one"]
    pub fn on_call(self, record: impl Fn(&CallRecord<'_>) + Send + Sync + 'static) -> Self {
        Self { on_call: Some(Arc::new(record)), ..self }
    }

    fn span(&self, path: &MethodPath) -> Span {
        if !self.spans {
            return Span::none();
        }
        tracing::info_span!(
            "rpc",
            otel.name = path.as_str().trim_start_matches('/'),
            otel.kind = match self.side {
                CallSide::Server => "server",
                CallSide::Client => "client",
            },
            rpc.system = "grpc",
            rpc.service = path.service(),
            rpc.method = path.method(),
            rpc.grpc.status_code = tracing::field::Empty,
        )
    }
}

impl fmt::Debug for RecordCalls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RecordCalls")
            .field("side", &self.side)
            .field("spans", &self.spans)
            .finish_non_exhaustive()
    }
}

impl<S> Layer<S> for RecordCalls {
    type Service = RecordedCalls<S>;

    fn layer(&self, service: S) -> RecordedCalls<S> {
        RecordedCalls { service, calls: Arc::new(self.clone()) }
    }
}

/// A service or a channel whose calls [`RecordCalls`] records.
#[derive(Clone, Debug)]
pub struct RecordedCalls<S> {
    service: S,
    calls: Arc<RecordCalls>,
}

impl<S: NamedService> NamedService for RecordedCalls<S> {
    const NAME: &'static str = S::NAME;
}

impl<S, B, R> Service<http::Request<B>> for RecordedCalls<S>
where
    S: Service<http::Request<B>, Response = http::Response<R>>,
    S::Error: Into<BoxError>,
    S::Future: Send + 'static,
{
    type Response = http::Response<RecordedBody<R>>;
    type Error = Status;
    type Future = RecordedFuture<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Status>> {
        self.service.poll_ready(cx).map_err(|error| status_from_service(error.into()))
    }

    fn call(&mut self, request: http::Request<B>) -> Self::Future {
        let path = MethodPath::of(request.uri());
        let call = RecordedCall {
            span: self.calls.span(&path),
            peer: request.extensions().get().cloned(),
            since: Instant::now(),
            path,
            calls: Arc::clone(&self.calls),
            code: None,
        };
        let future = call.span.in_scope(|| self.service.call(request));
        RecordedFuture { future: Box::pin(future), call: Some(call) }
    }
}

/// A running call. Dropping it records the end of the call.
struct RecordedCall {
    path: MethodPath,
    peer: Option<Peer>,
    since: Instant,
    span: Span,
    calls: Arc<RecordCalls>,
    /// The status of the call, once it is known.
    code: Option<Code>,
}

impl RecordedCall {
    fn see(&mut self, fields: &HeaderMap) {
        if let Some(code) = fields.get("grpc-status") {
            self.code = Some(Code::from_bytes(code.as_bytes()));
        }
    }
}

/// Records the code that the engine sends if a handler panics. The panic drops this value.
struct Unwinding<'a>(&'a mut Option<RecordedCall>);

impl Drop for Unwinding<'_> {
    fn drop(&mut self) {
        if thread::panicking()
            && let Some(call) = self.0
        {
            call.code = Some(Code::Unknown);
        }
    }
}

impl Drop for RecordedCall {
    fn drop(&mut self) {
        let ended = if thread::panicking() { Code::Unknown } else { Code::Cancelled };
        let code = self.code.unwrap_or(ended);
        self.span.record("rpc.grpc.status_code", code as i32);
        let record =
            CallRecord { path: &self.path, peer: self.peer.as_ref(), code, duration: self.since.elapsed() };
        #[cfg(feature = "metrics")]
        if self.calls.metrics {
            crate::metrics::record_call(self.calls.side, &record);
        }
        if let Some(on_call) = &self.calls.on_call {
            // The panic hook has already reported the message.
            _ = catch_unwind(AssertUnwindSafe(|| on_call(&record)));
        }
    }
}

/// The response to a recorded call.
#[must_use = "futures do nothing unless polled"]
pub struct RecordedFuture<F> {
    future: Pin<Box<F>>,
    /// Present until the body of the response takes it.
    call: Option<RecordedCall>,
}

impl<F, R, E> Future for RecordedFuture<F>
where
    F: Future<Output = Result<http::Response<R>, E>>,
    E: Into<BoxError>,
{
    type Output = Result<http::Response<RecordedBody<R>>, Status>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let Self { future, call } = &mut *self;
        let span = call.as_ref().map_or_else(Span::none, |call| call.span.clone());
        let unwinding = Unwinding(&mut *call);
        let result = ready!(span.in_scope(|| future.as_mut().poll(cx)));
        drop(unwinding);
        let mut call = call.take();
        Poll::Ready(match result {
            Ok(response) => {
                if let Some(call) = &mut call {
                    call.see(response.headers());
                }
                Ok(response.map(|body| RecordedBody { body: Box::pin(body), call }))
            }
            Err(error) => {
                let status = status_from_service(error.into());
                if let Some(call) = &mut call {
                    call.code = Some(status.code());
                }
                Err(status)
            }
        })
    }
}

impl<F> fmt::Debug for RecordedFuture<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RecordedFuture").finish_non_exhaustive()
    }
}

/// The body of a recorded response.
pub struct RecordedBody<R> {
    body: Pin<Box<R>>,
    /// Present until the body has ended.
    call: Option<RecordedCall>,
}

impl<R> Body for RecordedBody<R>
where
    R: Body<Data = Bytes>,
{
    type Data = Bytes;
    type Error = R::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, R::Error>>> {
        let Self { body, call } = &mut *self;
        let span = call.as_ref().map_or_else(Span::none, |call| call.span.clone());
        let unwinding = Unwinding(&mut *call);
        let frame = ready!(span.in_scope(|| body.as_mut().poll_frame(cx)));
        drop(unwinding);
        match &frame {
            Some(Ok(frame)) => {
                if let (Some(seen), Some(trailers)) = (&mut *call, frame.trailers_ref()) {
                    seen.see(trailers);
                    *call = None;
                }
            }
            Some(Err(_)) | None => {
                if let Some(call) = call {
                    // A response without a status is not valid gRPC.
                    call.code.get_or_insert(Code::Unknown);
                }
                *call = None;
            }
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl<R> fmt::Debug for RecordedBody<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RecordedBody").finish_non_exhaustive()
    }
}
