//! The service of direct calls.

use std::sync::Arc;
use std::time::Duration;

use http::{HeaderMap, HeaderValue};
use tokio::time::sleep;

use super::echo::metadata;
use crate::direct::{Head, Message, Reply, Service};

/// Answers directly what it can, which it says in the field `x-way`.
pub(super) struct DirectEcho {
    paths: &'static [&'static str],
}

impl DirectEcho {
    /// It does a little of everything.
    pub(super) fn new() -> Self {
        Self { paths: &["/echo", "/collect", "/head", "/big", "/late"] }
    }

    /// Its answers are those of [`Echo`](super::echo::Echo).
    pub(super) fn as_echo() -> Self {
        Self { paths: &["/echo", "/collect"] }
    }
}

impl Service for DirectEcho {
    fn route(&self, path: &str) -> Option<u32> {
        self.paths.iter().position(|known| *known == path).map(|route| route as u32)
    }

    fn call(&mut self, head: &mut Arc<Head>, message: Message<'_>, reply: Reply<'_>) {
        let mut headers = HeaderMap::new();
        headers.insert("x-metadata", metadata(head.metadata()));
        headers.insert("x-way", HeaderValue::from_static("direct"));
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
            "/head" => {
                headers.insert("content-type", HeaderValue::from_static("application/grpc"));
                headers.insert("grpc-status", HeaderValue::from_static("5"));
                reply.trailers_only(&headers);
            }
            "/big" => reply.message(None, 30_000, |out: &mut Vec<u8>| out.resize(out.len() + 30_000, b'b')),
            _ => reply
                .message(Some(&headers), message.len(), |out: &mut Vec<u8>| out.extend_from_slice(&message)),
        }
    }
}
