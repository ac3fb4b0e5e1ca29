//! How a server answers.

use std::fmt;
use std::sync::Arc;
use std::task::Context;

use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderValue, StatusCode};

use super::{Head, Message};
use crate::Reason;
use crate::shared::{SendStream, Shared};
use crate::sync::spawn;

/// Answers requests that are complete and have one message. There is one for each connection.
pub trait Service: Send {
    /// Which method has a path; `None` if requests for it go the general way. The answer counts for as long as the
    /// connection lasts. It is called under the lock of the connection, so it must not use the connection.
    fn route(&self, path: &str) -> Option<u32>;

    /// Answers a request, now or [later](Reply::later). `cx` is that of the task of the connection: a handler that is
    /// polled with it and is not ready has to be moved to a task of its own.
    ///
    /// A panic resets the stream of the request with [`INTERNAL_ERROR`](Reason::INTERNAL_ERROR); others go on.
    fn call(&mut self, head: &Arc<Head>, message: Message<'_>, cx: &mut Context<'_>, reply: Reply<'_>);
}

/// Where the answer to a request goes. Dropping it without one resets the stream with
/// [`INTERNAL_ERROR`](Reason::INTERNAL_ERROR).
pub struct Reply<'a> {
    shared: &'a Arc<Shared>,
    id: u32,
    poll_in_place: bool,
    answered: bool,
}

impl Reply<'_> {
    /// Whether the handler may be polled in the task of the connection, which is then to be done once; otherwise it has to
    /// be answered [later](Self::later) ([`Options::poll_in_place`](crate::Options::poll_in_place)).
    #[must_use]
    pub fn poll_in_place(&self) -> bool {
        self.poll_in_place
    }

    /// Answers with a message and the status OK. `metadata` is sent before it; the protocol's own fields are added, and are
    /// left out if they are in there, too. `encode` appends the message, of `length` bytes, without its prefix; it may be
    /// called under the lock of the connection, so it must not use the connection.
    pub fn message(mut self, metadata: Option<&HeaderMap>, length: usize, encode: impl FnOnce(&mut Vec<u8>)) {
        let mut message = vec![0; 5];
        message.reserve(length);
        encode(&mut message);
        let length = (message.len() - 5) as u32;
        message[1..5].copy_from_slice(&length.to_be_bytes());
        let mut headers = metadata.cloned().unwrap_or_default();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
        let mut trailers = HeaderMap::new();
        trailers.insert("grpc-status", HeaderValue::from_static("0"));
        self.answer(|connection, id| {
            connection.send_response(id, StatusCode::OK, &headers, false);
            connection.send_data(id, Bytes::from(message), false);
            connection.send_end(id, Some(trailers));
        });
    }

    /// Answers with a status alone. `headers` are all fields of the response, `content-type` among them.
    pub fn trailers_only(mut self, headers: &HeaderMap) {
        self.answer(|connection, id| connection.send_response(id, StatusCode::OK, headers, true));
    }

    /// Answers once a future is ready, which is polled in a task of its own. It is dropped when the call is over before:
    /// the client has cancelled it, its deadline has passed, or the connection has ended.
    pub fn later<F, A>(mut self, future: F, answer: A)
    where
        F: Future + Send + 'static,
        A: FnOnce(F::Output, Reply<'_>) + Send + 'static,
    {
        self.answered = true;
        let (shared, id) = (Arc::clone(self.shared), self.id);
        spawn(async move {
            let sender = SendStream { shared, id, when_dropped: Reason::INTERNAL_ERROR };
            let output = future.await;
            answer(output, Reply { shared: &sender.shared, id, poll_in_place: false, answered: false });
        });
    }

    fn answer(&mut self, act: impl FnOnce(&mut crate::connection::Connection, u32)) {
        self.answered = true;
        self.shared.with(|state| {
            act(&mut state.connection, self.id);
            state.connection.drop_sender(self.id, Reason::INTERNAL_ERROR);
        });
    }
}

impl Drop for Reply<'_> {
    fn drop(&mut self) {
        if !self.answered {
            self.shared.with(|state| state.connection.drop_sender(self.id, Reason::INTERNAL_ERROR));
        }
    }
}

impl fmt::Debug for Reply<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reply").finish_non_exhaustive()
    }
}
