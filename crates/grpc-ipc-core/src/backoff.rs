use std::time::Duration;

/// Growing pauses between tries: each is twice the one before, up to a limit.
#[derive(Clone, Debug)]
pub struct Backoff {
    first: Duration,
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
        Self { first, limit, next: first }
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

    /// Starts again from the shortest pause.
    pub fn reset(&mut self) {
        self.next = self.first;
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
        backoff.reset();
        let before = start.elapsed();
        backoff.wait().await;
        assert_eq!((start.elapsed() - before).as_millis(), 5);
    }
}
