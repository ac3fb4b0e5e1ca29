//! The end of a connection ([RFC 9113, section 6.8](https://www.rfc-editor.org/rfc/rfc9113#section-6.8)).

use super::{Connection, Received, Role};
use crate::frame::{self, MAX_WINDOW};
use crate::record::Departure;
use crate::{Error, Reason, Side};

/// How far the end of the connection is.
#[derive(Debug, Default)]
pub(super) struct GoingAway {
    /// We have said that we go, but still take what the peer has sent before it heard that.
    pub(super) announced: bool,
    /// We have said which stream was the last one.
    pub(super) last_stream: Option<u32>,
    /// The peer goes.
    pub(super) peer: Option<Error>,
    /// Why we go.
    pub(super) departure: Option<Departure>,
}

/// The payload of the ping that finds out when the peer has heard that we go.
pub(super) const DRAIN_PING: [u8; 8] = *b"goodbye!";

impl Connection {
    /// The reason the connection failed, or is going away.
    pub(crate) fn failure(&self) -> Option<&Error> {
        self.failed.as_ref().or(self.going_away.peer.as_ref())
    }

    /// What the peer has given the connection up for.
    pub(crate) fn peers_error(&self) -> Option<&Error> {
        let is_error = |said: &&Error| !matches!(said, Error::GoAway { reason: Reason::NO_ERROR, .. });
        self.going_away.peer.as_ref().filter(is_error)
    }

    /// The peer has not said yet that it has heard of the end.
    pub(crate) fn is_waiting_to_drain(&self) -> bool {
        self.going_away.announced && self.going_away.last_stream.is_none()
    }

    /// Takes no more streams, once the peer has heard of it, and why; those that are there go on.
    pub(crate) fn go_away(&mut self, why: Departure) {
        if self.going_away.announced || self.failed.is_some() {
            return;
        }
        self.going_away.announced = true;
        self.departs(why);
        let detail = why.detail();
        match self.role {
            Role::Server if self.received == Received::Settings => self.output.write(|out| {
                frame::write_goaway(out, MAX_WINDOW, Reason::NO_ERROR, detail);
                frame::write_ping(out, DRAIN_PING, false);
            }),
            _ => self.say_last_stream(),
        }
        self.wake_if_gone();
    }

    /// This end lets go of the connection, unless the peer has, or something else has ended it.
    pub(crate) fn departs(&mut self, why: Departure) {
        if self.failed.is_none() && self.going_away.peer.is_none() {
            self.going_away.departure.get_or_insert(why);
        }
    }

    /// Why this end let go of the connection.
    pub(crate) fn departure(&self) -> Option<Departure> {
        self.going_away.departure
    }

    /// The peer has said that it goes.
    pub(crate) fn peer_goes(&self) -> bool {
        self.going_away.peer.is_some()
    }

    /// Takes no more streams from now on.
    pub(crate) fn say_last_stream(&mut self) {
        let last = self.last_peer_stream;
        self.going_away.last_stream = Some(last);
        self.output.write(|out| frame::write_goaway(out, last, Reason::NO_ERROR, ""));
    }

    /// Everything has been said, and everybody has heard it.
    pub(crate) fn is_over(&self) -> bool {
        let goes = self.going_away.last_stream.is_some() || self.going_away.peer.is_some();
        self.failed.is_some() || goes && self.streams.is_empty()
    }

    /// Nothing more can be written. What the peer has said before can still be read, and tells what becomes of the calls.
    pub(crate) fn writing_failed(&mut self) {
        self.going_away.announced = true;
        if self.role == Role::Server {
            // Nobody would get the answers.
            self.going_away.last_stream.get_or_insert(self.last_peer_stream);
        }
        self.written.get_or_insert(self.output.all_written());
        self.output.clear();
        self.wake_all_waiting();
    }

    /// Tells the client which calls were not processed, when there is no time for a graceful end.
    pub(crate) fn break_off(&mut self) {
        let known = self.failed.is_some() || self.going_away.last_stream.is_some();
        if self.role == Role::Server && self.is_established() && !known {
            self.say_last_stream();
        }
    }

    /// Ends the connection, and all that is under way on it.
    pub(crate) fn fail(&mut self, error: Error) {
        if self.failed.is_some() {
            return;
        }
        let told = match &error {
            Error::GoAway { by: Side::Local, reason, detail } => Some((*reason, detail.as_str())),
            Error::NotHttp2(detail) => Some((Reason::PROTOCOL_ERROR, *detail)),
            _ => None,
        };
        if let Some((reason, detail)) = told {
            let last = self.going_away.last_stream.unwrap_or(self.last_peer_stream);
            self.output.write(|out| frame::write_goaway(out, last, reason, detail));
        }
        let error = match (&self.going_away.peer, error) {
            // What the peer has said of the end tells more than that it came.
            (Some(said), Error::Closed | Error::Io(_)) => said.clone(),
            (None, end) if self.role == Role::Client && !self.is_established() && end.is_end_of_peer() => {
                Error::ClosedAtOnce
            }
            (_, error) => error,
        };
        let streams: Vec<_> = self.streams.iter().map(|stream| (stream.id, stream.begins_at)).collect();
        for (id, begins_at) in streams {
            // If no byte of a call was written, the server never saw it.
            let unheard =
                self.role == Role::Client && self.written.is_some_and(|written| begins_at >= written);
            self.fail_stream(id, if unheard { Error::Unprocessed } else { error.clone() });
        }
        self.failed = Some(error);
        self.wake_all_waiting();
    }
}
