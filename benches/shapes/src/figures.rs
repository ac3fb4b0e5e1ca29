use std::fmt::{self, Display, Formatter};
use std::time::Duration;

/// The percentiles of latencies, and how many of a thousand calls each leaves out.
const PERCENTILES: [(&str, usize); 3] = [("p50", 500), ("p99", 10), ("p99.9", 1)];

/// The result of a measurement: `count N seconds N`, and for calls `p50 N p99 N p99.9 N` in microseconds. A percentile is
/// omitted if there are too few calls for it.
#[derive(Clone, Debug)]
pub struct Figures {
    /// The number of calls, or of messages on streams.
    count: u64,
    seconds: f64,
    percentiles: Vec<(&'static str, f64)>,
}

impl Figures {
    /// Calls that took `elapsed` together.
    pub fn of_calls(latencies: Latencies, elapsed: Duration) -> Self {
        let Latencies(mut latencies) = latencies;
        latencies.sort_unstable();
        let percentile = |(name, slower): (&'static str, usize)| {
            // At least one call has to be slower than the percentile.
            let above = latencies.len() * slower / 1000;
            let latency = latencies.get(latencies.len().checked_sub(above.max(1))?)?;
            (above > 0).then_some((name, f64::from(*latency) / 1e3))
        };
        Self {
            count: latencies.len() as u64,
            seconds: elapsed.as_secs_f64(),
            percentiles: PERCENTILES.into_iter().filter_map(percentile).collect(),
        }
    }

    /// Messages that took `elapsed` together.
    pub fn of_messages(count: u64, elapsed: Duration) -> Self {
        Self { count, seconds: elapsed.as_secs_f64(), percentiles: Vec::new() }
    }
}

impl Display for Figures {
    fn fmt(&self, to: &mut Formatter<'_>) -> fmt::Result {
        write!(to, "count {} seconds {:.6}", self.count, self.seconds)?;
        for (name, latency) in &self.percentiles {
            write!(to, " {name} {latency:.1}")?;
        }
        Ok(())
    }
}

/// The time that each call took, in nanoseconds.
#[derive(Clone, Debug, Default)]
pub struct Latencies(Vec<u32>);

impl Latencies {
    /// Adds a call. A time above four seconds counts as four seconds.
    pub fn push(&mut self, latency: Duration) {
        self.0.push(latency.as_nanos().try_into().unwrap_or(u32::MAX));
    }

    /// Adds the calls of another caller.
    pub fn extend(&mut self, other: Self) {
        self.0.extend(other.0);
    }

    /// The number of calls.
    pub fn count(&self) -> u64 {
        self.0.len() as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn printed(count: u64) -> String {
        let mut latencies = Latencies::default();
        (0..count).rev().for_each(|micros| latencies.push(Duration::from_micros(micros)));
        Figures::of_calls(latencies, Duration::from_millis(500)).to_string()
    }

    #[test]
    fn a_percentile_needs_enough_calls() {
        assert_eq!(printed(2000), "count 2000 seconds 0.500000 p50 1000.0 p99 1980.0 p99.9 1998.0");
        assert_eq!(printed(100), "count 100 seconds 0.500000 p50 50.0 p99 99.0");
        assert_eq!(printed(99), "count 99 seconds 0.500000 p50 50.0");
        assert_eq!(printed(0), "count 0 seconds 0.500000");
    }

    #[test]
    fn a_long_call_is_not_a_short_one() {
        let mut latencies = Latencies::default();
        (0..2).for_each(|_| latencies.push(Duration::from_secs(60)));
        let figures = Figures::of_calls(latencies, Duration::from_secs(60));
        assert_eq!(figures.percentiles, [("p50", 4_294_967.295)]);
    }
}
