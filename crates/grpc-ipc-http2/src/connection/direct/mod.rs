//! Calls of generated code ([`crate::direct`]), as long as nothing about them is unusual: they have a known head, one
//! message, and an end. In any other case, a call is demoted: it continues on the general path, on the same stream.

mod answer;
mod begin;
mod follow;
mod gather;
mod progress;
mod recv;
mod stream;
#[cfg(test)]
mod tests;
mod usual;
mod write;

use std::ops::Range;
use std::sync::Arc;

pub use self::begin::Answered;
pub(crate) use self::begin::{Encode, Outcome};
pub(super) use self::follow::Piece;
pub(super) use self::progress::Call;
use self::progress::Progress;
pub(crate) use self::usual::{PlainHead, Usual};
pub(crate) use self::write::{BETWEEN, IN_PLACE};
#[cfg(any(test, fuzzing))]
use super::Stream;
use super::{Connection, room_for_one, wake_reader};
use crate::direct::{Head, Route, Service};
use crate::heap::empty;
use crate::message::RequestHead;

/// A longer message continues on the general path, with its prefix.
const MAX_MESSAGE: usize = 16 * 1024;
/// The prefix of a message: a flag, and its length.
pub(crate) const PREFIX: usize = 5;

/// The state of direct calls on a connection.
#[derive(Default)]
pub(crate) struct Direct {
    /// Answers the requests. It is here while the connection receives.
    pub(crate) service: Option<Box<dyn Service>>,
    /// Whether there are direct calls.
    pub(crate) is_used: bool,
    /// The requests received since this was last taken.
    pub(super) requests: Requests,
    /// Streams whose message has not come with their head in this read.
    awaiting: Vec<u32>,
    /// A buffer for messages that cannot be encoded straight into the output.
    small_message: Vec<u8>,
    /// How many requests were passed to the service, or how many calls were answered.
    pub(crate) calls: u64,
}

/// Complete requests.
#[derive(Default)]
pub(crate) struct Requests {
    pub(crate) list: Vec<Request>,
    /// Their messages, one after the other.
    pub(crate) messages: Vec<u8>,
}

pub(crate) struct Request {
    pub(crate) id: u32,
    pub(crate) head: Arc<Head>,
    pub(crate) message: Source,
}

/// Where the message of a request is.
pub(crate) enum Source {
    /// Among the [messages](Requests::messages), without the prefix.
    Read(Range<usize>),
    /// On its stream, which [gathers](Connection::take_gathered) large messages.
    Gathered,
    /// The request has a stream of messages, which come on the general path.
    Stream,
}

/// The capacity for requests that is kept when there are none.
const KEEP_REQUESTS: usize = 16;
const KEEP_MESSAGES: usize = 1024;

impl Requests {
    pub(crate) fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// Clears everything, and frees memory after a large batch.
    pub(crate) fn clear(&mut self) {
        self.list.clear();
        self.list.shrink_to(KEEP_REQUESTS);
        empty(&mut self.messages, KEEP_MESSAGES);
    }
}

impl Direct {
    /// The number of requests that have not been taken.
    pub(super) fn waiting(&self) -> usize {
        self.requests.list.len()
    }

    /// The method of the service that a request calls.
    fn route_of(&self, request: &RequestHead) -> Option<Route> {
        Head::route_of(request, self.service.as_deref()?)
    }
}

impl Connection {
    /// Takes the requests that have come. `into` must be empty.
    pub(crate) fn take_direct(&mut self, into: &mut Requests) {
        if self.direct.requests.is_empty() {
            return;
        }
        std::mem::swap(&mut self.direct.requests, into);
        for request in &into.list {
            if let Some(stream) = self.streams.get_mut(request.id) {
                stream.accepted = true;
            }
        }
        self.direct.calls += into.list.len() as u64;
    }

    /// Continues a call on the general path.
    pub(super) fn demote(&mut self, id: u32) {
        let Some(stream) = self.streams.get_mut(id) else { return };
        if matches!(stream.direct.progress, Progress::General | Progress::Complete | Progress::Done) {
            return;
        }
        stream.direct.progress = Progress::General;
        if !stream.direct.gathered.is_empty() {
            stream.data.push(stream.direct.gathered.take());
        }
        if let Some(head) = stream.direct.request.take() {
            stream.content_length = head.content_length();
            let place = self.accepted.partition_point(|(other, _)| *other < id);
            room_for_one(&mut self.accepted);
            self.accepted.insert(place, (id, head.into_request()));
        } else if let Some(head) = stream.direct.response.take() {
            stream.response = Some(head.response.clone());
            let message = std::mem::take(&mut stream.direct.message);
            if !message.is_empty() {
                stream.data.push(message.into());
            }
            wake_reader(stream, &mut self.wakers, &mut self.woken);
        }
    }

    /// Demotes every call whose message has not come with its head, so that its handler and its deadline start now.
    pub(super) fn demote_awaiting(&mut self) {
        while let Some(id) = self.direct.awaiting.pop() {
            if self.streams.get(id).is_some_and(|stream| stream.direct.progress == Progress::Awaits) {
                self.demote(id);
            }
        }
    }

    /// A stream has failed. Its request is no longer passed to the service.
    pub(super) fn forget_direct(&mut self, id: u32) {
        let Some(stream) = self.streams.get_mut(id) else { return };
        match stream.direct.progress {
            Progress::Awaits | Progress::Gathers => stream.direct.request = None,
            Progress::Complete if !stream.accepted => {
                self.direct.requests.list.retain(|request| request.id != id);
            }
            _ => return,
        }
        stream.direct.progress = Progress::General;
        self.disown(id);
    }
}

#[cfg(any(test, fuzzing))]
impl Connection {
    /// # Panics
    /// If an invariant of the direct calls is broken while nothing uses the connection.
    pub(super) fn check_direct(&self) {
        for Request { id, .. } in &self.direct.requests.list {
            let stream = self.streams.get(*id);
            let waits = stream.is_some_and(|stream| stream.direct.is_complete() && !stream.accepted);
            assert!(waits, "request {id}");
        }
        let complete = |stream: &&Stream| stream.direct.is_complete() && !stream.accepted;
        assert_eq!(self.streams.iter().filter(complete).count(), self.direct.requests.list.len(), "requests");
        for stream in self.streams.iter() {
            stream.direct.check_invariants();
        }
        assert!(self.direct.awaiting.is_empty(), "what is not demoted");
    }
}
