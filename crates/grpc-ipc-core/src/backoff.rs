use std::hash::{BuildHasher as _, RandomState};
use std::time::Duration;

/// Pauses between tries.
#[derive(Clone, Debug)]
pub struct Backoff {
    limit: Duration,
    next: Duration,
    /// Whether each pause is shortened at random.
    jitter: bool,
}

impl Backoff {
    /// What a listener waits after an accept that failed for want of a resource: 5 ms, and twice as long each time, up to
    /// 1 s.
    pub fn accept() -> Self {
        Self { limit: Duration::from_secs(1), next: Duration::from_millis(5), jitter: false }
    }

    /// What a connector waits when the server is there but busy: a random time, up to 1 ms, and up to twice as long each
    /// time, up to 10 ms. No system queues the clients, so one that waited longer would come after all that have just
    /// begun to wait.
    pub fn connect() -> Self {
        Self { limit: Duration::from_millis(10), next: Duration::from_millis(1), jitter: true }
    }

    /// Waits for the next pause.
    ///
    /// # Cancel safety
    /// A dropped wait counts as waited.
    pub async fn wait(&mut self) {
        tokio::time::sleep(self.pause()).await;
    }

    /// How long to wait now. Each call counts as a pause.
    pub fn pause(&mut self) -> Duration {
        let mut pause = self.next;
        self.next = (pause * 2).min(self.limit);
        if self.jitter {
            // Each has keys of its own, which are random enough to keep clients apart.
            let random = RandomState::new().hash_one(0_u8) as u32;
            pause = pause.mul_f64(f64::from(random) / f64::from(u32::MAX));
        }
        pause
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
    async fn a_connector_pauses_shortly_and_at_random() {
        let mut clients = [Backoff::connect(), Backoff::connect()];
        let mut waited = [Vec::new(), Vec::new()];
        for (client, waited) in clients.iter_mut().zip(&mut waited) {
            for _ in 0..100 {
                let start = tokio::time::Instant::now();
                client.wait().await;
                // The runtime's clock counts whole milliseconds.
                assert!(start.elapsed() <= Duration::from_millis(11), "{:?}", start.elapsed());
                waited.push(start.elapsed());
            }
        }
        assert_ne!(waited[0], waited[1], "two clients come in step");
    }
}
