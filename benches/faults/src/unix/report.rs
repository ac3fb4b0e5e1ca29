use std::fmt::Display;
use std::time::{Duration, Instant};

/// What a scenario prints: its counts, and which of them are not what they have to be.
pub(crate) struct Report {
    started: Instant,
    failed: bool,
}

impl Report {
    pub(crate) fn new(scenario: &str) -> Self {
        println!("{scenario}");
        Self { started: Instant::now(), failed: false }
    }

    /// A count that is only told.
    pub(crate) fn count(&self, what: &str, count: impl Display) {
        println!("  {what:<72} {count:>18}");
    }

    /// A count that has to be `expected`.
    pub(crate) fn expect(&mut self, what: &str, count: usize, expected: usize) {
        self.count(what, count);
        if count != expected {
            self.fail(&format!("{what}: {count}, expected {expected}"));
        }
    }

    /// Something that has to hold.
    pub(crate) fn require(&mut self, holds: bool, what: &str) {
        self.count(what, if holds { "yes" } else { "NO" });
        self.failed |= !holds;
    }

    /// What cannot be tried here, and why.
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

/// The median and the longest of these times.
pub(crate) fn median_and_worst(times: &mut [Duration]) -> String {
    times.sort_unstable();
    match times.last() {
        Some(worst) => format!("{:.1?} / {worst:.1?}", times[times.len() / 2]),
        None => "no sample".to_owned(),
    }
}
