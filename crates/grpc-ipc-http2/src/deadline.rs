use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use http::HeaderMap;
use tokio::time::{Instant, Sleep, sleep_until};

/// The deadline of a call: its `grpc-timeout` ([gRPC over
/// HTTP/2](https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md)). Once the call has a stream, its connection
/// enforces the deadline.
pub(crate) struct Deadline {
    pub(crate) at: Instant,
    /// A timer, while the call waits for a stream.
    sleep: Option<Pin<Box<Sleep>>>,
}

impl Deadline {
    pub(crate) fn after(timeout: Duration) -> Self {
        Self { at: after(Instant::now(), timeout), sleep: None }
    }

    pub(crate) fn has_passed(&self) -> bool {
        self.at <= Instant::now()
    }

    pub(crate) fn poll_passed(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        self.sleep.get_or_insert_with(|| Box::pin(sleep_until(self.at))).as_mut().poll(cx)
    }

    /// The connection now enforces the deadline.
    pub(crate) fn stop_waiting(&mut self) {
        self.sleep = None;
    }
}

/// How long a call may take that a server answers.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Timeouts {
    /// The whole call: its `grpc-timeout`.
    pub(crate) call: Option<Duration>,
    /// The time until the answer begins.
    pub(crate) answer: Option<Duration>,
}

/// The same, as points in time.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Deadlines {
    pub(crate) call: Option<Instant>,
    pub(crate) answer: Option<Instant>,
}

impl Timeouts {
    /// Starts the timeouts; `None` if there are none.
    pub(crate) fn begin(self) -> Option<Deadlines> {
        if self.call.is_none() && self.answer.is_none() {
            return None;
        }
        let now = Instant::now();
        let at = |timeout: Option<Duration>| timeout.map(|timeout| after(now, timeout));
        Some(Deadlines { call: at(self.call), answer: at(self.answer) })
    }
}

/// `start` plus `time`, or 30 years later if that exceeds the clock's range.
pub(crate) fn after(start: Instant, time: Duration) -> Instant {
    start.checked_add(time).unwrap_or_else(|| start + Duration::from_secs(30 * 365 * 86_400))
}

/// The timeout in a call's metadata: `grpc-timeout`
/// ([gRPC over HTTP/2](https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md)).
#[must_use]
pub fn timeout_of(headers: &HeaderMap) -> Option<Duration> {
    // Calls have few headers, so comparing each name costs less than hashing.
    let (_, value) = headers.iter().find(|(name, _)| name.as_str() == "grpc-timeout")?;
    parse(value.as_bytes())
}

/// At most eight digits and a unit. Anything else means no deadline, as in tonic.
fn parse(value: &[u8]) -> Option<Duration> {
    let (unit, digits) = value.split_last()?;
    if !(1..=8).contains(&digits.len()) {
        return None;
    }
    let number = digits.iter().try_fold(0, |number, digit| match digit {
        b'0'..=b'9' => Some(10 * number + u64::from(digit - b'0')),
        _ => None,
    })?;
    match unit {
        b'H' => Some(Duration::from_secs(number * 60 * 60)),
        b'M' => Some(Duration::from_secs(number * 60)),
        b'S' => Some(Duration::from_secs(number)),
        b'm' => Some(Duration::from_millis(number)),
        b'u' => Some(Duration::from_micros(number)),
        b'n' => Some(Duration::from_nanos(number)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn timeouts_are_read_as_the_protocol_writes_them() {
        assert_eq!(parse(b"1H"), Some(Duration::from_secs(3600)));
        assert_eq!(parse(b"2M"), Some(Duration::from_secs(120)));
        assert_eq!(parse(b"3S"), Some(Duration::from_secs(3)));
        assert_eq!(parse(b"4m"), Some(Duration::from_millis(4)));
        assert_eq!(parse(b"5u"), Some(Duration::from_micros(5)));
        assert_eq!(parse(b"99999999n"), Some(Duration::from_nanos(99_999_999)));
        assert_eq!(parse(b"99999999H"), Some(Duration::from_secs(99_999_999 * 3600)));
        for wrong in ["", "S", "1", "1s", "123456789S", "-1S", "+1S", "1\u{e9}"] {
            assert_eq!(parse(wrong.as_bytes()), None, "{wrong}");
        }
    }
}
