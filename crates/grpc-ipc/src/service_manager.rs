//! Notifies the service manager that started the server.

use std::future::pending;
use std::time::Duration;

use tokio::time::{Interval, MissedTickBehavior, interval};

use crate::Server;
use crate::backend::{notify_systemd, systemd_watchdog};

impl Server {
    /// Notifies systemd of the server's state, for a unit with `Type=notify`
    /// ([sd_notify(3)](https://www.freedesktop.org/software/systemd/man/sd_notify.html)). It sends `READY=1` when the
    /// server listens and begins to serve, and `STOPPING=1` when it begins to shut down. If the unit has
    /// `WatchdogSec=`, it sends `WATCHDOG=1` twice in that time, as long as the server's own task runs. It does nothing
    /// if systemd did not start the process, on Windows, and without the feature `uds`. Default: systemd is not
    /// notified.
    ///
    /// To send other states, such as a reload of the configuration, use `unix::systemd::notify`. For sockets that
    /// systemd passes to the service, see `systemd:NAME` at [`Address`](crate::Address). They also allow a restart
    /// without a gap. Do not use [`ListenOptions::restartable`](crate::ListenOptions::restartable) for that: the new
    /// process is not the service's main process, so by default systemd ignores its messages.
    pub fn notify_systemd(mut self) -> Self {
        self.notify_systemd = true;
        self
    }
}

/// A notice of the server to its service manager.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Notice {
    Ready,
    Stopping,
    Watchdog,
}

/// The service manager to notify, if there is one.
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

    /// Sends a sign of life when one is due. Never completes if the service manager expects none.
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

    /// Sends signs of life until `done` completes.
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
