//! Direct unary calls of a client.

use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use futures_util::future::BoxFuture;
use grpc_ipc_http2::direct::{self, Answer, Begun, UnaryCall, timeout_of};
use http::HeaderMap;
use prost::Message;
use tokio::time::Instant;
use tonic::metadata::MetadataMap;
use tonic::{Extensions, Request, Response, Status};

use super::client::Client;
use super::messages::{Encoded, decode, encoded_len};
use super::metadata::{is_left_to_tonic, shorten};
use super::{Method, general, unusual};
use crate::CallError;
use crate::call_limit::Permit;
use crate::connections::deadline_after;
use crate::fields::mend;
use crate::status::{status_from_http2, status_of_unsent};

/// The response to a unary call.
#[must_use = "futures do nothing unless polled"]
pub(super) enum Unary<'a, T, M, R, G> {
    Direct(Direct<'a, T, M, R>),
    /// Boxed, because tonic's futures are large, and rare here.
    General(Pin<Box<G>>),
}

/// The response to a call that starts on the direct path.
pub(super) struct Direct<'a, T, M, R> {
    client: &'a mut Client<T>,
    method: &'static Method,
    request: Option<Request<M>>,
    stage: Stage<R>,
}

type Rest<R> = BoxFuture<'static, Result<Response<R>, Status>>;

enum Stage<R> {
    Begin,
    Called {
        call: UnaryCall,
        deadline: Option<Instant>,
        permit: Permit,
    },
    /// One of the few responses that need more work.
    Other(Rest<R>),
}

impl<'a, T, M, R> Direct<'a, T, M, R> {
    #[inline]
    pub(super) fn new(client: &'a mut Client<T>, method: &'static Method, request: Request<M>) -> Self {
        Self { client, method, request: Some(request), stage: Stage::Begin }
    }
}

// No field is pinned structurally.
impl<T, M, R, G> Unpin for Unary<'_, T, M, R, G> {}
impl<T, M, R> Unpin for Direct<'_, T, M, R> {}

impl<T, M, R, G> Future for Unary<'_, T, M, R, G>
where
    T: 'static,
    M: Message + 'static,
    R: Message + Default + 'static,
    G: Future<Output = Result<Response<R>, Status>>,
{
    type Output = Result<Response<R>, Status>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match &mut *self {
            Self::Direct(direct) => direct.poll(cx),
            Self::General(future) => future.as_mut().poll(cx),
        }
    }
}

impl<T, M, R> Direct<'_, T, M, R>
where
    T: 'static,
    M: Message + 'static,
    R: Message + Default + 'static,
{
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Result<Response<R>, Status>> {
        loop {
            match &mut self.stage {
                Stage::Begin => {
                    if let Err(status) = self.begin(cx) {
                        return Poll::Ready(Err(status));
                    }
                    // The answer wakes the task of the call.
                    if let Stage::Called { .. } = self.stage {
                        return Poll::Pending;
                    }
                }
                Stage::Called { call, deadline, permit } => {
                    let deadline = *deadline;
                    let limit = self.client.options.decoding_limit();
                    let mut metadata = None;
                    let read = |message: direct::Message<'_>, came: direct::Metadata<'_>| {
                        read(message, came, limit, &mut metadata)
                    };
                    match ready!(call.poll(cx, read)) {
                        Ok(Answer::Message(message)) => return Poll::Ready(received(message, metadata)),
                        Ok(Answer::Response(response)) => {
                            match unusual::read(*response, &self.client.options) {
                                unusual::Read::Status(status) => return Poll::Ready(Err(status)),
                                unusual::Read::Later(future) => {
                                    self.stage = Stage::Other(holding(permit.take(), future));
                                }
                            }
                        }
                        Err(error) if error.is_unprocessed() => {
                            if let Err(status) = self.elsewhere(deadline) {
                                return Poll::Ready(Err(status));
                            }
                        }
                        Err(error) => return Poll::Ready(Err(status_from_http2(&error))),
                    }
                }
                Stage::Other(future) => return future.as_mut().poll(cx),
            }
        }
    }

    /// Makes the call: directly, if that is possible now.
    fn begin(&mut self, cx: &mut Context<'_>) -> Result<(), Status> {
        if self.client.is_intercepted() {
            let Some(request) = self.request.take() else { return Err(polled_again()) };
            self.request = Some(self.client.intercept(self.method, request)?);
        }
        // Not moved out, because moving it costs more than borrowing it.
        let Some(request) = &mut self.request else { return Err(polled_again()) };
        let length =
            encoded_len(request.get_ref(), self.client.options.encoding_limit()).map_err(too_large)?;
        let front = match self.client.channel() {
            Some(channel) if is_usual(request.metadata()) => {
                let connections = channel.connections();
                connections.limit_time(request.metadata_mut().as_mut());
                connections.front()
            }
            _ => None,
        };
        let Some((connection, permit)) = front else { return self.elsewhere(None) };
        let metadata: &HeaderMap = request.metadata().as_ref();
        let timeout = if metadata.is_empty() { None } else { timeout_of(metadata) };
        let message = Encoded(request.get_ref());
        match connection.begin(self.method, metadata, timeout, length, message, cx) {
            Begun::Call(call) => {
                let deadline = timeout.map(deadline_after);
                self.stage = Stage::Called { call, deadline, permit };
                Ok(())
            }
            Begun::Elsewhere => {
                drop(permit);
                self.elsewhere(None)
            }
            Begun::Failed(error) => Err(status_of_unsent(&error)),
        }
    }

    /// Makes the call on the general path over the channel, with the deadline of its first attempt.
    fn elsewhere(&mut self, deadline: Option<Instant>) -> Result<(), Status> {
        let Some(mut request) = self.request.take() else { return Err(polled_again()) };
        let Some(mut channel) = self.client.channel().cloned() else { return Err(polled_again()) };
        let (options, method) = (self.client.options.clone(), self.method);
        shorten(&mut request, deadline)?;
        let call = async move { general::unary(&options, &mut channel, method, request).await };
        self.stage = Stage::Other(Box::pin(call));
        Ok(())
    }
}

/// Whether the metadata contains nothing that only tonic can send.
pub(super) fn is_usual(metadata: &MetadataMap) -> bool {
    let headers: &HeaderMap = metadata.as_ref();
    headers.is_empty() || !headers.keys().any(is_left_to_tonic)
}

/// Decodes the message of an answer, and takes the metadata. If decoding fails, only the headers' metadata is taken.
/// The metadata is returned through `&mut`, because it is large, and most answers have none.
pub(super) fn read<R: Message + Default>(
    message: direct::Message<'_>,
    came: direct::Metadata<'_>,
    limit: usize,
    metadata: &mut Option<HeaderMap>,
) -> Result<R, Status> {
    let message = decode(message, limit);
    if !came.is_empty() {
        *metadata = if message.is_ok() { came.with_trailers() } else { came.of_headers() };
    }
    message
}

/// Makes the caller's response from an answer.
#[inline]
pub(super) fn received<R>(
    message: Result<R, Status>,
    metadata: Option<HeaderMap>,
) -> Result<Response<R>, Status> {
    let metadata = match metadata {
        Some(mut metadata) => {
            mend(&mut metadata);
            MetadataMap::from_headers(metadata)
        }
        // Cheaper than `new`.
        None => MetadataMap::default(),
    };
    match message {
        Ok(message) => Ok(Response::from_parts(metadata, message, Extensions::new())),
        Err(mut status) => {
            *status.metadata_mut() = metadata;
            Err(status)
        }
    }
}

/// The result of the rest of an answer. The call counts as running until then.
fn holding<R: 'static>(permit: Permit, rest: Rest<R>) -> Rest<R> {
    match permit {
        None => rest,
        Some(permit) => Box::pin(async move {
            let _permit = permit;
            rest.await
        }),
    }
}

/// The status of a call whose message is too large to send.
pub(super) fn too_large(status: Status) -> Status {
    CallError::never().of(status)
}

fn polled_again() -> Status {
    Status::internal("a call was polled after it was ready")
}

impl<T, M, R, G> fmt::Debug for Unary<'_, T, M, R, G> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Unary").finish_non_exhaustive()
    }
}
