//! What a connection does when time passes.

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

/// The limits of time of a connection, and one timer, which is set to whichever of them passes first.
pub(crate) struct Timers {
    sleep: Pin<Box<Sleep>>,
    /// `sleep` has not elapsed.
    is_set: bool,
    /// What passes first, and when; it may have moved to later since.
    next: Option<(Instant, Due)>,
    /// What [`look`](Self::look) has seen, unless there are limits for more than this.
    seen: Option<Seen>,
    /// `next` has to be looked for again.
    is_stale: bool,
    handshake: Watch,
    block: Watch,
    stall: Watch,
    idle: Watch,
    drain: Watch,
    unwritable: Watch,
    /// The first deadline of a call.
    deadline: Option<Instant>,
    age: Option<Instant>,
    grace: Option<Instant>,
    age_grace: Option<Duration>,
    keepalive: Option<Keepalive>,
}

/// What changes seldom of all that a connection is watched for.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Seen {
    is_established: bool,
    unfinished: Option<u64>,
    is_waiting_to_drain: bool,
    is_writable: bool,
    deadline: Option<Instant>,
}

/// What is to be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Due {
    /// The peer has not begun with HTTP/2.
    Handshake,
    /// It has begun a block of headers, or another frame that is not DATA, and not ended it.
    Block,
    /// It takes nothing of what is sent.
    Stall,
    /// There may not have been a call for so long.
    Idle,
    /// It has not answered the ping that came with GOAWAY.
    Drain,
    /// Nothing can be written, and the peer has not closed its end.
    Unwritable,
    /// The deadline of a call may have passed.
    Deadline,
    /// The connection is old.
    Age,
    /// Its calls have had their time to end.
    Grace,
    /// Nothing was heard of the peer.
    Ping,
    /// It has not answered.
    Silence,
}

/// How long a peer may take to answer the ping that tells when it has heard of a GOAWAY.
const DRAIN_PING: Duration = Duration::from_secs(1);
/// How long a peer to which nothing can be written is read. One that has closed is read to its end sooner.
const UNWRITABLE: Duration = Duration::from_secs(1);

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

    /// Something has come.
    pub(crate) fn hear(&mut self) {
        if let Some(keepalive) = &mut self.keepalive {
            keepalive.heard = Instant::now();
            // Otherwise what is next comes too early, and is looked for again then.
            self.is_stale |= keepalive.pinged.take().is_some();
        }
    }

    /// Looks at what there is a limit of time for. `unfinished` is [`Connection::unfinished`], of what has been read.
    pub(crate) fn look(&mut self, connection: &Connection, unfinished: Option<u64>, is_writable: bool) {
        if connection.failed.is_some() {
            (self.next, self.is_stale) = (None, false);
            return;
        }
        let is_established = connection.is_established();
        let is_waiting_to_drain = connection.is_waiting_to_drain();
        let deadline = connection.next_deadline();
        let seen = Seen { is_established, unfinished, is_waiting_to_drain, is_writable, deadline };
        if self.seen == Some(seen) {
            return;
        }
        // Limits that a user sets look at what changes with each call.
        self.seen = Some(seen).filter(|_| self.stall.limit.is_none() && self.idle.limit.is_none());
        let mut changed = self.handshake.see((!is_established).then_some(0));
        changed |= self.block.see(unfinished.filter(|_| is_established));
        changed |= self.drain.see((is_writable && is_waiting_to_drain).then_some(0));
        changed |= self.unwritable.see((!is_writable).then_some(0));
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

    /// What is due. To be asked when everything that has come is read, and not before, and after [`look`](Self::look).
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
            // Also when a peer that sends all the time has used up the turn of the task.
            if pin!(unconstrained(self.sleep.as_mut())).poll(cx).is_pending() {
                return None;
            }
            self.is_set = false;
            // What is next may have moved since it was looked for, and the timer may have been set for another.
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
            (self.deadline, Due::Deadline),
            (self.age, Due::Age),
            (self.grace, Due::Grace),
        ];
        let watches = watches.into_iter().filter_map(|(until, due)| Some((until?, due)));
        watches.chain(self.keepalive.as_ref().map(Keepalive::next)).min_by_key(|(at, _)| *at)
    }

    /// It does not come a second time, unless for the same reason again.
    fn passed(&mut self, due: Due) {
        match due {
            Due::Handshake => self.handshake.until = None,
            Due::Block => self.block.until = None,
            Due::Stall => self.stall.until = None,
            // Begins again at the next look, if there was a call.
            Due::Idle => self.idle = Watch::new(self.idle.limit),
            Due::Drain => self.drain.until = None,
            Due::Unwritable => self.unwritable.until = None,
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

/// How long something has been as it is.
struct Watch {
    /// How long it may be so.
    limit: Option<Duration>,
    seen: Option<u64>,
    until: Option<Instant>,
}

impl Watch {
    fn new(limit: Option<Duration>) -> Self {
        Self { limit, seen: None, until: None }
    }

    /// Sees how it is now, `None` for anything that may last; whether that has changed. The clock is looked at only then.
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

/// Pings a peer of which nothing is heard.
struct Keepalive {
    interval: Duration,
    timeout: Duration,
    heard: Instant,
    /// When it was, if it has not been heard of since.
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

/// Up to a tenth more or less, so that clients which have come together do not come back together
/// ([gRFC A9](https://github.com/grpc/proposal/blob/master/A9-server-side-conn-mgt.md)).
fn spread(age: Duration) -> Duration {
    let random = RandomState::new().hash_one(0) % 201;
    age.saturating_mul(900 + random as u32) / 1000
}
