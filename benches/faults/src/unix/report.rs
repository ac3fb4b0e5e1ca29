use std::fmt::Display;
use std::time::{Duration, Instant};

/// The output of a scenario: its counts, and which of them are wrong.
pub(crate) struct Report {
    started: Instant,
    failed: bool,
}

impl Report {
    pub(crate) fn new(scenario: &str) -> Self {
        println!("{scenario}");
        Self { started: Instant::now(), failed: false }
    }

    /// Prints a count.
    pub(crate) fn count(&self, what: &str, count: impl Display) {
        println!("  {what:<72} {count:>18}");
    }

    /// Prints a count, and fails unless it is `expected`.
    pub(crate) fn expect(&mut self, what: &str, count: usize, expected: usize) {
        self.count(what, count);
        if count != expected {
            self.fail(&format!("{what}: {count}, expected {expected}"));
        }
    }

    /// Fails unless the condition holds.
    pub(crate) fn require(&mut self, holds: bool, what: &str) {
        self.count(what, if holds { "yes" } else { "NO" });
        self.failed |= !holds;
    }

    /// Reports a part that cannot run here, with the reason.
    pub(crate) fn skip(&self, why: &str) {
        println!("  skipped: {why}");
    }

    pub(crate) fn fail(&mut self, why: &str) {
        println!("  FAILED: {why}");
        self.failed = true;
    }

    pub(crate) fn is_good(&self) -> bool {
        println!("  took {:.1?}", self.started.elapsed());
        !self.failed
    }
}

/// The median and the maximum of these times.
pub(crate) fn median_and_worst(times: &mut [Duration]) -> String {
    times.sort_unstable();
    match times.last() {
        Some(worst) => format!("{:.1?} / {worst:.1?}", times[times.len() / 2]),
        None => "no sample".to_owned(),
    }
}
