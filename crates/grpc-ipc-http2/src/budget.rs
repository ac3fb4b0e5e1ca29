use std::time::Instant;

/// Limits how often the peer may do something. Each time takes a token, and tokens come back over time.
#[derive(Debug)]
pub(crate) struct Budget {
    tokens: u32,
    burst: u32,
    per_second: u32,
    refilled: Instant,
}

impl Budget {
    /// Allows `burst` at once, and `per_second` in the long run.
    pub(crate) fn new(burst: u32, per_second: u32) -> Self {
        Self { tokens: burst, burst, per_second, refilled: Instant::now() }
    }

    /// Takes one token, and returns whether there was one.
    #[must_use]
    pub(crate) fn take(&mut self) -> bool {
        self.take_many(1)
    }

    /// Takes `tokens` tokens, and returns whether there were enough. It reads the clock only when they run out.
    #[must_use]
    pub(crate) fn take_many(&mut self, tokens: u32) -> bool {
        if self.tokens < tokens {
            self.refill(Instant::now());
        }
        let Some(left) = self.tokens.checked_sub(tokens) else { return false };
        self.tokens = left;
        true
    }

    /// The peer did something useful, which allows this many more.
    pub(crate) fn give_back(&mut self, tokens: u32) {
        self.tokens = self.tokens.saturating_add(tokens).min(self.burst);
    }

    fn refill(&mut self, now: Instant) {
        let since = now.saturating_duration_since(self.refilled);
        let tokens = since.as_millis().saturating_mul(self.per_second.into()) / 1000;
        let tokens = u32::try_from(tokens).unwrap_or(u32::MAX);
        if tokens > 0 {
            self.tokens = self.tokens.saturating_add(tokens).min(self.burst);
            self.refilled = now;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_burst_is_used_up_and_comes_back_with_time() {
        let mut budget = Budget::new(3, 2);
        let start = Instant::now();
        budget.refilled = start;
        assert!((0..3).all(|_| budget.tokens > 0 && budget.take()));
        budget.refill(start + Duration::from_millis(400));
        assert_eq!(budget.tokens, 0, "0.8 of a token, rounded down");
        budget.refill(start + Duration::from_millis(500));
        assert_eq!(budget.tokens, 1);
        budget.refill(start + Duration::from_secs(3600));
        assert_eq!(budget.tokens, 3, "never more than the burst");
    }

    #[test]
    fn what_is_useful_gives_back() {
        let mut budget = Budget::new(1, 0);
        for _ in 0..10 {
            assert!(budget.take());
            budget.give_back(1);
        }
        budget.give_back(1);
        assert!(budget.take());
        assert!(!budget.take());
    }
}
