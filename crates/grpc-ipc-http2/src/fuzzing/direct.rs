//! The service for direct calls.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::{Buf as _, BytesMut};
use http::{HeaderMap, HeaderValue};
use http_body::Body as _;
use tokio::time::sleep;

use super::echo::{collect, metadata};
use crate::RecvBody;
use crate::direct::{Batch, Ending, Head, Message, Messages, Reply, Service};

/// Answers calls directly where it can, and says so in the field `x-way`.
pub(super) struct DirectEcho {
    paths: &'static [&'static str],
    /// Whether requests have streams of messages, or single messages.
    streams: bool,
}

impl DirectEcho {
    /// Creates a service with a variety of answers.
    pub(super) fn new(streams: bool) -> Self {
        Self { paths: &["/echo", "/collect", "/head", "/big", "/late"], streams }
    }

    /// Creates one that answers as [`Echo`](super::echo::Echo) does, except to malformed messages.
    pub(super) fn as_echo(streams: bool) -> Self {
        Self { paths: &["/echo", "/collect"], streams }
    }
}

/// The headers of an answer.
fn headers(head: &Head) -> HeaderMap {
    let mut headers = HeaderMap::new();
    headers.insert("x-metadata", metadata(head.metadata()));
    headers.insert("x-way", HeaderValue::from_static("direct"));
    headers
}

/// Adds the fields of an error response.
fn failed(mut headers: HeaderMap, status: &'static str) -> HeaderMap {
    headers.insert("content-type", HeaderValue::from_static("application/grpc"));
    headers.insert("grpc-status", HeaderValue::from_static(status));
    headers
}

impl Service for DirectEcho {
    fn route(&self, path: &str) -> Option<u32> {
        self.paths.iter().position(|known| *known == path).map(|route| route as u32)
    }

    fn takes_stream(&self, _: u32) -> bool {
        self.streams
    }

    fn call(&mut self, head: &mut Arc<Head>, message: Message<'_>, reply: Reply<'_>) {
        let headers = headers(head);
        let message = message.as_slice().to_vec();
        match head.path() {
            "/collect" => reply.later(tokio::task::yield_now(), move |(), reply| {
                reply.message(Some(&headers), message.len(), |out: &mut Vec<u8>| {
                    out.extend_from_slice(&message);
                });
            }),
            "/late" => reply.later(sleep(Duration::from_secs(1)), move |(), reply| {
                reply.message(Some(&headers), message.len(), |out: &mut Vec<u8>| {
                    out.extend_from_slice(&message);
                });
            }),
            "/head" => reply.trailers_only(&failed(headers, "5")),
            "/big" => reply.message(None, 30_000, |out: &mut Vec<u8>| out.resize(out.len() + 30_000, b'b')),
            _ => reply
                .message(Some(&headers), message.len(), |out: &mut Vec<u8>| out.extend_from_slice(&message)),
        }
    }

    fn call_with_stream(&mut self, head: &mut Arc<Head>, body: RecvBody, reply: Reply<'_>) {
        let headers = headers(head);
        match head.path() {
            "/collect" => reply.later(
                async move {
                    let mut body = body;
                    collect(&mut body).await
                },
                move |collected, reply| {
                    let Ok((data, _)) = collected else { return };
                    match message_of(&data) {
                        Some((message, [])) => {
                            reply.message(Some(&headers), message.len(), |out: &mut Vec<u8>| {
                                out.extend_from_slice(message);
                            });
                        }
                        _ => reply.trailers_only(&failed(headers, MALFORMED)),
                    }
                },
            ),
            "/late" => reply.later(sleep(Duration::from_secs(1)), move |(), reply| {
                // Until then, nobody reads the request.
                drop(body);
                reply.stream(Some(&headers), Repeated(3));
            }),
            "/head" => reply.trailers_only(&failed(headers, "5")),
            "/big" => reply.stream(None, Repeated(40)),
            _ => reply.stream(Some(&headers), Echoed { body, read: BytesMut::new() }),
        }
    }
}

/// The status for a malformed message.
pub(super) const MALFORMED: &str = "13";

/// The first message in `bytes`, and the rest after it.
fn message_of(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let ([0, length @ ..], rest) = bytes.split_first_chunk::<5>()? else { return None };
    rest.split_at_checked(u32::from_be_bytes(*length) as usize)
}

/// The messages of a request, as they come.
struct Echoed {
    body: RecvBody,
    read: BytesMut,
}

impl Messages for Echoed {
    fn poll(&mut self, cx: &mut Context<'_>, batch: &mut Batch) -> Poll<Option<Ending>> {
        while !batch.has_enough() {
            if let Some((message, _)) = message_of(&self.read) {
                let length = message.len();
                batch.message(length, |out: &mut Vec<u8>| out.extend_from_slice(message));
                self.read.advance(5 + length);
                continue;
            }
            match ready!(Pin::new(&mut self.body).poll_frame(cx)) {
                Some(Ok(frame)) => self.read.extend(frame.into_data()),
                None if self.read.is_empty() => return Poll::Ready(Some(Ending::Done)),
                None => {
                    let mut trailers = HeaderMap::new();
                    trailers.insert("grpc-status", HeaderValue::from_static(MALFORMED));
                    return Poll::Ready(Some(Ending::Status(trailers)));
                }
                Some(Err(error)) => return Poll::Ready(Some(Ending::Failed(error.into()))),
            }
        }
        Poll::Ready(None)
    }
}

/// This many messages, small and large.
struct Repeated(usize);

impl Messages for Repeated {
    fn poll(&mut self, _: &mut Context<'_>, batch: &mut Batch) -> Poll<Option<Ending>> {
        while !batch.has_enough() {
            let Some(left) = self.0.checked_sub(1) else { return Poll::Ready(Some(Ending::Done)) };
            self.0 = left;
            let length = if left.is_multiple_of(2) { 100 } else { 5000 };
            batch.message(length, |out: &mut Vec<u8>| out.resize(out.len() + length, b'r'));
        }
        Poll::Ready(None)
    }
}
