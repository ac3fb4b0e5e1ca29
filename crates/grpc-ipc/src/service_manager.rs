//! What a server tells the service manager that has started it.

use std::future::pending;
use std::time::Duration;

use tokio::time::{Interval, MissedTickBehavior, interval};

use crate::Server;
use crate::backend::{notify_systemd, systemd_watchdog};

impl Server {
    /// Tells systemd how the server is, as a unit with `Type=notify` asks for
    /// ([sd_notify(3)](https://www.freedesktop.org/software/systemd/man/sd_notify.html)): `READY=1` when it listens and
    /// begins to serve, `STOPPING=1` when it begins to shut down, and, if the unit has `WatchdogSec=`, `WATCHDOG=1` twice in
    /// that time for as long as the server's own task runs. A process that systemd has not started tells nobody, and
    /// neither does one on Windows, or one that is built without the feature `uds`.
    ///
    /// `unix::systemd::notify` sends the other states, such as that the configuration is read again. For sockets that
    /// systemd passes to the service, see `systemd:NAME` at [`Address`](crate::Address). Default: systemd is not told.
    pub fn notify_systemd(mut self) -> Self {
        self.notify_systemd = true;
        self
    }
}

/// A message that a server has for its service manager.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Notice {
    Ready,
    Stopping,
    Watchdog,
}

/// The service manager of a server, if it is to be told anything.
pub(crate) struct ServiceManager {
    is_told: bool,
    pings: Option<Interval>,
}

impl ServiceManager {
    pub(crate) fn new(is_told: bool) -> Self {
        let limit = if is_told { systemd_watchdog() } else { None };
        let pings = limit.map(|limit| {
            let mut pings = interval((limit / 2).max(Duration::from_millis(1)));
            pings.set_missed_tick_behavior(MissedTickBehavior::Delay);
            pings
        });
        Self { is_told, pings }
    }

    pub(crate) fn tell(&self, notice: Notice) {
        if self.is_told {
            notify_systemd(notice);
        }
    }

    /// Tells it that the server is alive, when that is due; never, if it does not want to hear it.
    ///
    /// # Cancel safety
    /// Dropping the future loses no message.
    pub(crate) async fn ping(&mut self) {
        match &mut self.pings {
            Some(pings) => {
                pings.tick().await;
                self.tell(Notice::Watchdog);
            }
            None => pending().await,
        }
    }

    /// The same, until `done` is.
    pub(crate) async fn ping_until<T>(&mut self, done: impl Future<Output = T>) -> T {
        tokio::pin!(done);
        loop {
            tokio::select! {
                done = &mut done => return done,
                () = self.ping() => {}
            }
        }
    }
}
