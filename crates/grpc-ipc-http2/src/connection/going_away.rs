//! The end of a connection ([RFC 9113, section 6.8](https://www.rfc-editor.org/rfc/rfc9113#section-6.8)).

use super::{Connection, Received, Role};
use crate::frame::{self, MAX_WINDOW};
use crate::record::Departure;
use crate::{Error, Reason, Side};

/// The progress of a connection's shutdown.
#[derive(Debug, Default)]
pub(super) struct GoingAway {
    /// This end has announced the shutdown, but still accepts streams that the peer began before it knew.
    pub(super) announced: bool,
    /// The peer has answered the first ping after the announcement.
    confirmed: bool,
    /// This end has announced the last stream.
    pub(super) last_stream: Option<u32>,
    /// The peer is shutting down.
    pub(super) peer: Option<Error>,
    /// Why this end is shutting down.
    pub(super) departure: Option<Departure>,
}

/// The payload of the two pings whose answers show that the peer has received the announcement, and has sent the
/// requests that it began before.
pub(super) const DRAIN_PING: [u8; 8] = *b"goodbye!";

impl Connection {
    /// Why the connection failed, or is shutting down.
    pub(crate) fn failure(&self) -> Option<&Error> {
        self.failed.as_ref().or(self.going_away.peer.as_ref())
    }

    /// The error with which the peer gave up the connection.
    pub(crate) fn peers_error(&self) -> Option<&Error> {
        let is_error = |said: &&Error| !matches!(said, Error::GoAway { reason: Reason::NO_ERROR, .. });
        self.going_away.peer.as_ref().filter(is_error)
    }

    /// Whether the peer has not yet confirmed the announcement.
    pub(crate) fn is_waiting_to_drain(&self) -> bool {
        self.going_away.announced && self.going_away.last_stream.is_none()
    }

    /// Starts a graceful shutdown. Once the peer knows, no more streams are accepted; existing ones continue.
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

    /// Records why this end ends the connection, unless the peer or something else has already ended it.
    pub(crate) fn departs(&mut self, why: Departure) {
        if self.failed.is_none() && self.going_away.peer.is_none() {
            self.going_away.departure.get_or_insert(why);
        }
    }

    /// Why this end ended the connection.
    pub(crate) fn departure(&self) -> Option<Departure> {
        self.going_away.departure
    }

    /// Whether the peer is shutting down.
    pub(crate) fn peer_goes(&self) -> bool {
        self.going_away.peer.is_some()
    }

    /// The peer has answered a ping. Some clients, such as h2, answer it ahead of requests that they have begun but not
    /// yet written. Those come before the answer to a second ping.
    pub(super) fn drain_confirmed(&mut self) {
        if self.going_away.confirmed {
            return self.say_last_stream();
        }
        self.going_away.confirmed = true;
        self.output.write(|out| frame::write_ping(out, DRAIN_PING, false));
    }

    /// Accepts no more streams from now on.
    pub(crate) fn say_last_stream(&mut self) {
        let last = self.last_peer_stream;
        self.going_away.last_stream = Some(last);
        self.output.write(|out| frame::write_goaway(out, last, Reason::NO_ERROR, ""));
    }

    /// Whether everything has been sent and received.
    pub(crate) fn is_over(&self) -> bool {
        let goes = self.going_away.last_stream.is_some() || self.going_away.peer.is_some();
        self.failed.is_some() || goes && self.streams.is_empty()
    }

    /// Nothing more can be written. Data that the peer sent before can still be read, and decides the outcome of the
    /// calls.
    pub(crate) fn writing_failed(&mut self) {
        self.going_away.announced = true;
        if self.role == Role::Server {
            // Nobody would receive the answers.
            self.going_away.last_stream.get_or_insert(self.last_peer_stream);
        }
        self.written.get_or_insert(self.output.all_written());
        self.output.clear();
        self.wake_all_waiting();
    }

    /// Tells the client which calls were not processed, when there is no time for a graceful shutdown.
    pub(crate) fn break_off(&mut self) {
        let known = self.failed.is_some() || self.going_away.last_stream.is_some();
        if self.role == Role::Server && self.is_established() && !known {
            self.say_last_stream();
        }
    }

    /// Ends the connection and all its streams.
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
            // An error that the peer reported says more than the end of the byte stream.
            (Some(said), Error::Closed | Error::Io(_)) => said.clone(),
            (None, end) if self.role == Role::Client && !self.is_established() && end.is_end_of_peer() => {
                Error::ClosedAtOnce
            }
            (_, error) => error,
        };
        let streams: Vec<_> = self.streams.iter().map(|stream| (stream.id, stream.begins_at)).collect();
        for (id, begins_at) in streams {
            // If no byte of a call was written, the server has not seen it.
            let unheard =
                self.role == Role::Client && self.written.is_some_and(|written| begins_at >= written);
            self.fail_stream(id, if unheard { Error::Unprocessed } else { error.clone() });
        }
        self.failed = Some(error);
        self.wake_all_waiting();
    }
}
