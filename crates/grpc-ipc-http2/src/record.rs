//! The traffic of a connection, and how it ended.

use std::fmt;
use std::sync::Arc;

use crate::shared::Shared;
use crate::{Error, Reason, Side};

/// Information about a connection for a program's records, available even after the connection has ended. It does not
/// keep the connection open.
#[derive(Clone)]
pub struct Record {
    shared: Arc<Shared>,
}

/// The traffic of a connection so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Traffic {
    /// Bytes read from it: HTTP/2, without the overhead of TLS.
    pub bytes_received: u64,
    /// Bytes written to it.
    pub bytes_sent: u64,
    /// Calls begun on it, including those that were refused or cancelled.
    pub calls: u64,
}

/// How a connection ended. `Display` is meant for logs.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum End {
    /// The peer closed it, which also happens when its process ends.
    PeerClosed,
    /// The peer shut it down (GOAWAY), and the last call has ended.
    PeerWentAway,
    /// This end shut it down, or the client no longer needs it.
    WentAway,
    /// It had no call for [`Options::max_connection_idle`](crate::Options::max_connection_idle).
    Idle,
    /// It reached [`Options::max_connection_age`](crate::Options::max_connection_age).
    Age,
    /// This end closed it at once, or dropped it.
    Cut,
    /// It failed, or a rule was broken.
    Failed(Error),
}

impl End {
    /// Whether this is a normal end, not a failure.
    #[must_use]
    pub fn is_normal(&self) -> bool {
        !matches!(self, Self::Failed(_))
    }
}

impl fmt::Display for End {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::PeerClosed => "the peer closed the connection",
            Self::PeerWentAway => "the peer shut the connection down",
            Self::WentAway => "this end shut the connection down",
            Self::Idle => "the connection was idle",
            Self::Age => "the connection reached its maximum age",
            Self::Cut => "this end closed the connection",
            Self::Failed(error) => return error.fmt(f),
        })
    }
}

/// Why this end ends a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Departure {
    WentAway,
    Idle,
    Age,
    Cut,
}

impl Departure {
    /// The text in GOAWAY.
    pub(crate) fn detail(self) -> &'static str {
        match self {
            Self::Idle => "max_idle",
            Self::Age => "max_age",
            Self::WentAway | Self::Cut => "",
        }
    }

    fn end(self) -> End {
        match self {
            Self::WentAway => End::WentAway,
            Self::Idle => End::Idle,
            Self::Age => End::Age,
            Self::Cut => End::Cut,
        }
    }
}

impl Record {
    pub(crate) fn new(shared: &Arc<Shared>) -> Self {
        Self { shared: Arc::clone(shared) }
    }

    /// The traffic so far.
    #[must_use]
    pub fn traffic(&self) -> Traffic {
        self.shared.with(|state| state.connection.traffic())
    }

    /// How the connection ended; `None` while it is open.
    #[must_use]
    pub fn end(&self) -> Option<End> {
        self.shared.with(|state| {
            let connection = &state.connection;
            let failed = connection.failed.as_ref()?;
            let is_usual = failed.is_end_of_peer()
                || matches!(failed, Error::ClosedAtOnce)
                || matches!(failed, Error::GoAway { reason: Reason::NO_ERROR, .. });
            Some(match (connection.departure(), connection.peers_error()) {
                _ if !is_usual => End::Failed(failed.clone()),
                (Some(departure), _) => departure.end(),
                (None, Some(error)) => End::Failed(error.clone()),
                (None, None) if connection.peer_goes() => End::PeerWentAway,
                (None, None) if matches!(failed, Error::GoAway { by: Side::Local, .. }) => End::WentAway,
                (None, None) => End::PeerClosed,
            })
        })
    }
}

impl fmt::Debug for Record {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Record").field("traffic", &self.traffic()).field("end", &self.end()).finish()
    }
}
