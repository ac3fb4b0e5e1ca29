use std::hash::{BuildHasher as _, RandomState};
use std::time::Duration;

/// Pauses between attempts.
#[derive(Clone, Debug)]
pub struct Backoff {
    first: Duration,
    limit: Duration,
    /// The factor by which each pause is longer than the one before.
    growth: f64,
    /// Each pause is multiplied by a random number in this range.
    jitter: (f64, f64),
    next: Duration,
}

impl Backoff {
    /// A listener's pauses after an accept failed for lack of a resource: 5 ms, doubled each time, up to 1 s.
    pub fn accept() -> Self {
        Self::new(Duration::from_millis(5), Duration::from_secs(1), 2.0, (1.0, 1.0))
    }

    /// A connector's pauses while the server is there but busy: a random time of up to 1 ms, whose limit doubles each
    /// time, up to 10 ms. The system does not queue the clients, so one that paused longer would lose its turn to
    /// clients that started later.
    pub fn connect() -> Self {
        Self::new(Duration::from_millis(1), Duration::from_millis(10), 2.0, (0.0, 1.0))
    }

    /// A client's pauses between attempts to connect: 10 ms, and 1.6 times as long each time, up to 1 s. Each is up to
    /// 20 % shorter or longer at random. This follows [gRPC's connection
    /// back-off](https://github.com/grpc/grpc/blob/master/doc/connection-backoff.md), with shorter times for a single
    /// machine.
    pub fn reconnect() -> Self {
        Self::new(Duration::from_millis(10), Duration::from_secs(1), 1.6, (0.8, 1.2))
    }

    fn new(first: Duration, limit: Duration, growth: f64, jitter: (f64, f64)) -> Self {
        Self { first, limit, growth, jitter, next: first }
    }

    /// Restarts with the first pause, for use after a success.
    pub fn reset(&mut self) {
        self.next = self.first;
    }

    /// Waits for the next pause.
    ///
    /// # Cancel safety
    /// A dropped wait counts as a pause.
    pub async fn wait(&mut self) {
        tokio::time::sleep(self.pause()).await;
    }

    /// Returns how long to wait now. Each call counts as a pause.
    pub fn pause(&mut self) -> Duration {
        let mut pause = self.next;
        self.next = pause.mul_f64(self.growth).min(self.limit);
        let (least, most) = self.jitter;
        if least < most {
            // Each `RandomState` has its own keys, which are random enough to keep clients apart.
            let random = f64::from(RandomState::new().hash_one(0_u8) as u32) / f64::from(u32::MAX);
            pause = pause.mul_f64(least + (most - least) * random);
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

    #[tokio::test(start_paused = true)]
    async fn a_client_pauses_longer_and_longer_and_begins_again_after_a_success() {
        let mut backoff = Backoff::reconnect();
        for _ in 0..2 {
            let mut expected = 10.0_f64;
            for _ in 0..20 {
                let start = tokio::time::Instant::now();
                backoff.wait().await;
                let waited = start.elapsed().as_secs_f64() * 1_000.0;
                // The runtime's clock counts whole milliseconds.
                let range = expected * 0.8..=expected * 1.2 + 1.0;
                assert!(range.contains(&waited), "{waited} ms, not {expected}");
                expected = (expected * 1.6).min(1_000.0);
            }
            backoff.reset();
        }
    }
}
