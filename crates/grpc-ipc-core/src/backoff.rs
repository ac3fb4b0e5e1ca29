use std::io;
use std::time::Duration;

/// Growing pauses between tries: each is twice the one before, up to a limit.
#[derive(Clone, Debug)]
pub struct Backoff {
    limit: Duration,
    next: Duration,
}

impl Backoff {
    /// What a listener waits after an accept that failed for want of a resource: 5 ms to 1 s.
    pub fn accept() -> Self {
        Self::new(Duration::from_millis(5), Duration::from_secs(1))
    }

    /// What a connector waits when the server is there but busy: 1 ms to 50 ms.
    pub fn connect() -> Self {
        Self::new(Duration::from_millis(1), Duration::from_millis(50))
    }

    fn new(first: Duration, limit: Duration) -> Self {
        Self { limit, next: first }
    }

    /// Waits for the next pause.
    ///
    /// # Cancel safety
    /// A dropped wait counts as waited.
    pub async fn wait(&mut self) {
        let pause = self.next;
        self.next = (pause * 2).min(self.limit);
        tokio::time::sleep(pause).await;
    }

    /// What a listener does when accept has failed with `error`: nothing if that is about the one client, which has
    /// left; otherwise, as when file descriptors have run out, it waits.
    ///
    /// # Cancel safety
    /// As of [`wait`](Self::wait).
    pub async fn wait_after(&mut self, error: &io::Error) {
        use io::ErrorKind::{ConnectionAborted, ConnectionReset, Interrupted};
        if !matches!(error.kind(), ConnectionAborted | ConnectionReset | Interrupted) {
            self.wait().await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn pauses_double_up_to_the_limit() {
        let mut backoff = Backoff::accept();
        let start = tokio::time::Instant::now();
        let mut waited = Vec::new();
        for _ in 0..10 {
            let before = start.elapsed();
            backoff.wait().await;
            waited.push((start.elapsed() - before).as_millis());
        }
        assert_eq!(waited, [5, 10, 20, 40, 80, 160, 320, 640, 1000, 1000]);
    }

    #[tokio::test(start_paused = true)]
    async fn only_an_error_of_the_system_is_waited_for() {
        let mut backoff = Backoff::accept();
        let start = tokio::time::Instant::now();
        backoff.wait_after(&io::ErrorKind::ConnectionAborted.into()).await;
        assert_eq!(start.elapsed().as_millis(), 0);
        backoff.wait_after(&io::Error::from_raw_os_error(24)).await;
        assert_eq!(start.elapsed().as_millis(), 5);
    }
}
