//! The time limits of a connection.

use std::hash::{BuildHasher as _, RandomState};
use std::mem;
use std::pin::{Pin, pin};
use std::task::Context;
use std::time::Duration;

use tokio::task::unconstrained;
use tokio::time::{Instant, Sleep, sleep};

use crate::Options;
use crate::connection::{Connection, Role};
use crate::deadline::after;

/// The time limits of a connection, with one timer that is set to the earliest.
pub(crate) struct Timers {
    sleep: Pin<Box<Sleep>>,
    /// Whether `sleep` has not elapsed.
    is_set: bool,
    /// The earliest limit, and its time, which may have moved to later since.
    next: Option<(Instant, Due)>,
    /// The last state that [`look`](Self::look) has seen, unless there are limits that depend on more than this.
    seen: Option<Seen>,
    /// Whether `next` has to be determined again.
    is_stale: bool,
    handshake: Watch,
    block: Watch,
    stall: Watch,
    idle: Watch,
    drain: Watch,
    unwritable: Watch,
    given_up: Watch,
    /// The earliest deadline of a call.
    deadline: Option<Instant>,
    age: Option<Instant>,
    grace: Option<Instant>,
    age_grace: Option<Duration>,
    keepalive: Option<Keepalive>,
}

/// The part of the watched state that changes rarely.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Seen {
    is_established: bool,
    unfinished: Option<u64>,
    is_waiting_to_drain: bool,
    is_writable: bool,
    is_given_up: bool,
    deadline: Option<Instant>,
}

/// The action that is due.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Due {
    /// The peer has not started HTTP/2.
    Handshake,
    /// The peer has begun a header block, or another frame that is not DATA, and not finished it.
    Block,
    /// The peer does not read.
    Stall,
    /// There may have been no call for the idle time.
    Idle,
    /// The peer has not answered the pings of a shutdown.
    Drain,
    /// Nothing can be written, and the peer has not closed its end.
    Unwritable,
    /// The peer has sent GOAWAY with an error, and not closed the connection.
    GivenUp,
    /// The deadline of a call may have passed.
    Deadline,
    /// The connection has reached its maximum age.
    Age,
    /// The grace period for its calls is over.
    Grace,
    /// Nothing has come from the peer.
    Ping,
    /// The peer has not answered the ping.
    Silence,
}

/// How long a peer may take to answer the two pings of a shutdown.
const DRAIN_PING: Duration = Duration::from_secs(1);
/// How long to read from a peer after writing has failed. If the peer has closed the connection, reading reaches the
/// end sooner.
const UNWRITABLE: Duration = Duration::from_secs(1);
/// How long a peer may take to close the connection after a GOAWAY with an error ([RFC 9113, section
/// 5.4.1](https://www.rfc-editor.org/rfc/rfc9113#section-5.4.1)). Node.js never does.
const GIVEN_UP: Duration = Duration::from_secs(5);

impl Timers {
    pub(crate) fn new(role: Role, options: &Options) -> Self {
        let now = Instant::now();
        let is_server = role == Role::Server;
        Self {
            sleep: Box::pin(sleep(Duration::ZERO)),
            is_set: false,
            next: None,
            seen: None,
            is_stale: true,
            handshake: Watch::new(Some(options.handshake_timeout)),
            block: Watch::new(Some(options.header_timeout)),
            stall: Watch::new(options.stall_timeout),
            idle: Watch::new(options.max_connection_idle.filter(|_| is_server)),
            drain: Watch::new(Some(DRAIN_PING)),
            unwritable: Watch::new(Some(UNWRITABLE)),
            given_up: Watch::new(Some(GIVEN_UP)),
            deadline: None,
            age: options.max_connection_age.filter(|_| is_server).map(|age| after(now, spread(age))),
            grace: None,
            age_grace: options.max_connection_age_grace,
            keepalive: options.keepalive.map(|interval| Keepalive {
                interval,
                timeout: options.keepalive_timeout,
                heard: now,
                pinged: None,
            }),
        }
    }

    /// Data has come.
    pub(crate) fn hear(&mut self) {
        if let Some(keepalive) = &mut self.keepalive {
            keepalive.heard = Instant::now();
            // Otherwise the timer fires too early, and the next limit is determined again then.
            self.is_stale |= keepalive.pinged.take().is_some();
        }
    }

    /// Checks the state that has time limits. `unfinished` is [`Connection::unfinished`] for the data that has been
    /// read.
    pub(crate) fn look(&mut self, connection: &Connection, unfinished: Option<u64>, is_writable: bool) {
        if connection.failed.is_some() {
            (self.next, self.is_stale) = (None, false);
            return;
        }
        let is_established = connection.is_established();
        let is_waiting_to_drain = connection.is_waiting_to_drain();
        let is_given_up = connection.peers_error().is_some();
        let deadline = connection.next_deadline();
        let seen =
            Seen { is_established, unfinished, is_waiting_to_drain, is_writable, is_given_up, deadline };
        if self.seen == Some(seen) {
            return;
        }
        // Limits that a user sets depend on state that changes with each call.
        self.seen = Some(seen).filter(|_| self.stall.limit.is_none() && self.idle.limit.is_none());
        let mut changed = self.handshake.see((!is_established).then_some(0));
        changed |= self.block.see(unfinished.filter(|_| is_established));
        changed |= self.drain.see((is_writable && is_waiting_to_drain).then_some(0));
        changed |= self.unwritable.see((!is_writable).then_some(0));
        changed |= self.given_up.see(is_given_up.then_some(0));
        changed |= mem::replace(&mut self.deadline, deadline) != deadline;
        if self.stall.limit.is_some() {
            let output = &connection.output;
            changed |= self.stall.see((!output.is_empty()).then(|| output.all_written()));
        }
        if self.idle.limit.is_some() {
            let activity = is_established && connection.accepts_calls();
            changed |= self.idle.see(activity.then(|| connection.activity()));
        }
        self.is_stale |= changed;
    }

    /// Whether no time limit is running.
    #[inline]
    pub(crate) fn waits_for_nothing(&self) -> bool {
        !self.is_stale && self.next.is_none()
    }

    /// Returns the limit that has passed. Call this only after all available data has been read, and after
    /// [`look`](Self::look).
    pub(crate) fn poll(&mut self, cx: &mut Context<'_>) -> Option<Due> {
        loop {
            if mem::take(&mut self.is_stale) {
                self.next = self.first();
            }
            let (at, due) = self.next?;
            if !self.is_set || at < self.sleep.deadline() {
                self.sleep.as_mut().reset(at);
                self.is_set = true;
            }
            // Also when a peer that sends all the time has used up the task's budget.
            if pin!(unconstrained(self.sleep.as_mut())).poll(cx).is_pending() {
                return None;
            }
            self.is_set = false;
            // The earliest limit may have moved, and the timer may have been set for another.
            self.next = self.first();
            if self.next.is_some_and(|next| next == (at, due) && at <= self.sleep.deadline()) {
                self.next = None;
                self.is_stale = true;
                self.passed(due);
                return Some(due);
            }
        }
    }

    fn first(&self) -> Option<(Instant, Due)> {
        let watches = [
            (self.handshake.until, Due::Handshake),
            (self.block.until, Due::Block),
            (self.stall.until, Due::Stall),
            (self.idle.until, Due::Idle),
            (self.drain.until, Due::Drain),
            (self.unwritable.until, Due::Unwritable),
            (self.given_up.until, Due::GivenUp),
            (self.deadline, Due::Deadline),
            (self.age, Due::Age),
            (self.grace, Due::Grace),
        ];
        let watches = watches.into_iter().filter_map(|(until, due)| Some((until?, due)));
        watches.chain(self.keepalive.as_ref().map(Keepalive::next)).min_by_key(|(at, _)| *at)
    }

    /// Handles a limit once. It fires again only for a new reason.
    fn passed(&mut self, due: Due) {
        match due {
            Due::Handshake => self.handshake.until = None,
            Due::Block => self.block.until = None,
            Due::Stall => self.stall.until = None,
            // Starts again at the next check, if there was a call.
            Due::Idle => self.idle = Watch::new(self.idle.limit),
            Due::Drain => self.drain.until = None,
            Due::Unwritable => self.unwritable.until = None,
            Due::GivenUp => self.given_up.until = None,
            Due::Deadline => self.deadline = None,
            Due::Age => {
                self.age = None;
                self.grace = self.age_grace.map(|grace| after(Instant::now(), grace));
            }
            Due::Grace => self.grace = None,
            Due::Ping => {
                if let Some(keepalive) = &mut self.keepalive {
                    keepalive.pinged = Some(Instant::now());
                }
            }
            Due::Silence => self.keepalive = None,
        }
    }
}

/// Measures how long a state has lasted.
struct Watch {
    /// The maximum time.
    limit: Option<Duration>,
    seen: Option<u64>,
    until: Option<Instant>,
}

impl Watch {
    fn new(limit: Option<Duration>) -> Self {
        Self { limit, seen: None, until: None }
    }

    /// Updates the state; `None` means a state without a limit. Returns whether it changed. The clock is read only
    /// then.
    fn see(&mut self, now: Option<u64>) -> bool {
        if self.seen == now {
            return false;
        }
        self.seen = now;
        let limit = self.limit.filter(|_| now.is_some());
        self.until = limit.map(|limit| after(Instant::now(), limit));
        true
    }
}

/// Pings a silent peer.
struct Keepalive {
    interval: Duration,
    timeout: Duration,
    heard: Instant,
    /// When the ping was sent, unless something has come since.
    pinged: Option<Instant>,
}

impl Keepalive {
    fn next(&self) -> (Instant, Due) {
        match self.pinged {
            Some(pinged) => (after(pinged, self.timeout), Due::Silence),
            None => (after(self.heard, self.interval), Due::Ping),
        }
    }
}

/// Varies the age by up to a tenth, so that clients that connected together do not reconnect together
/// ([gRFC A9](https://github.com/grpc/proposal/blob/master/A9-server-side-conn-mgt.md)).
fn spread(age: Duration) -> Duration {
    let random = RandomState::new().hash_one(0) % 201;
    age.saturating_mul(900 + random as u32) / 1000
}
