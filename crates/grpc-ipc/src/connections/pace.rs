use std::mem;
use std::pin::Pin;
use std::time::Duration;

use futures_util::future::{Fuse, FutureExt as _};
use futures_util::poll;
use grpc_ipc_core::Backoff;
use tokio::time::{Instant, sleep_until};

/// The shortest time between the beginnings of two attempts.
const SHORTEST: Duration = Duration::from_millis(5);

/// Paces attempts to connect. The next one follows after a growing pause, or as soon as the server may have appeared.
///
/// The first attempt is made without watching for the server, and the second follows at once. Most often the server is
/// there, and a watch is expensive: Linux takes milliseconds to end a watch of inotify(7), and blocks the thread.
pub(super) struct Pace {
    backoff: Backoff,
    first: bool,
}

/// An attempt that is about to begin.
pub(super) struct Attempt<F> {
    began: Instant,
    /// `None` for the first attempt.
    watch: Option<Pin<Box<Fuse<F>>>>,
    appeared: bool,
}

impl Pace {
    pub(super) fn new() -> Self {
        Self { backoff: Backoff::reconnect(), first: true }
    }

    /// Begins to watch for the server, unless this is the first attempt. The attempt follows.
    pub(super) async fn begin<F: Future<Output = ()>>(&mut self, appears: F) -> Attempt<F> {
        let (mut watch, mut appeared) = (None, false);
        if !mem::take(&mut self.first) {
            let watch = watch.insert(Box::pin(appears.fuse()));
            appeared = poll!(watch).is_ready();
        }
        Attempt { began: Instant::now(), watch, appeared }
    }

    /// Waits until the next attempt is worth making.
    pub(super) async fn pause<F: Future<Output = ()>>(&mut self, mut attempt: Attempt<F>) {
        let Some(watch) = &mut attempt.watch else { return };
        if !attempt.appeared {
            attempt.appeared = tokio::select! {
                () = watch => true,
                () = self.backoff.wait() => false,
            };
        }
        if attempt.appeared {
            self.backoff.reset();
            sleep_until(attempt.began + SHORTEST).await;
        }
    }
}
