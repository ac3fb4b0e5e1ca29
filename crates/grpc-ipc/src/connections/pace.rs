use std::pin::Pin;
use std::time::Duration;

use futures_util::future::{Fuse, FutureExt as _};
use futures_util::poll;
use grpc_ipc_core::Backoff;
use tokio::time::{Instant, sleep_until};

/// The shortest time between the beginnings of two attempts.
const SHORTEST: Duration = Duration::from_millis(5);

/// Paces attempts to connect. The next one follows after a growing pause, or as soon as the server may have appeared.
pub(super) struct Pace {
    backoff: Backoff,
}

/// An attempt that is about to begin.
pub(super) struct Attempt<F> {
    began: Instant,
    appears: Pin<Box<Fuse<F>>>,
    appeared: bool,
}

impl Pace {
    pub(super) fn new() -> Self {
        Self { backoff: Backoff::reconnect() }
    }

    /// Begins to watch for the server. The attempt follows.
    pub(super) async fn begin<F: Future<Output = ()>>(&self, appears: F) -> Attempt<F> {
        let mut appears = Box::pin(appears.fuse());
        let appeared = poll!(&mut appears).is_ready();
        Attempt { began: Instant::now(), appears, appeared }
    }

    /// Waits until the next attempt is worth making.
    pub(super) async fn pause<F: Future<Output = ()>>(&mut self, mut attempt: Attempt<F>) {
        if !attempt.appeared {
            attempt.appeared = tokio::select! {
                () = &mut attempt.appears => true,
                () = self.backoff.wait() => false,
            };
        }
        if attempt.appeared {
            self.backoff.reset();
            sleep_until(attempt.began + SHORTEST).await;
        }
    }
}
