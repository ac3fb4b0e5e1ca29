use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use http::HeaderMap;
use tokio::time::{Instant, Sleep, sleep};

use crate::{Error, Reason, Side};

/// When a call is to end: its `grpc-timeout`
/// ([gRPC over HTTP/2](https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md)).
pub(crate) struct Deadline(Pin<Box<Sleep>>);

impl Deadline {
    pub(crate) fn after(timeout: Duration) -> Self {
        Self(Box::pin(sleep(timeout)))
    }

    pub(crate) fn poll_passed(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        self.0.as_mut().poll(cx)
    }

    /// Why a call has failed: a server that notices the deadline first cancels the call
    /// ([gRPC over HTTP/2](https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md#client-cancellation)).
    pub(crate) fn explain(&self, error: Error) -> Error {
        match error {
            Error::Reset { by: Side::Peer, reason: Reason::CANCEL }
                if self.0.deadline() <= Instant::now() =>
            {
                Error::DeadlineExceeded
            }
            error => error,
        }
    }
}

/// How long a call may take by its metadata: by `grpc-timeout`
/// ([gRPC over HTTP/2](https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md)).
#[must_use]
pub fn timeout_of(headers: &HeaderMap) -> Option<Duration> {
    // Calls have few headers: to look at each costs less than to hash the name.
    let (_, value) = headers.iter().find(|(name, _)| name.as_str() == "grpc-timeout")?;
    parse(value.to_str().ok()?)
}

/// At most eight digits and a unit. What is none is no deadline, as with tonic.
fn parse(value: &str) -> Option<Duration> {
    let (digits, unit) = value.split_at_checked(value.len().checked_sub(1)?)?;
    if !(1..=8).contains(&digits.len()) || !digits.bytes().all(|digit| digit.is_ascii_digit()) {
        return None;
    }
    let number: u64 = digits.parse().ok()?;
    match unit {
        "H" => Some(Duration::from_secs(number * 60 * 60)),
        "M" => Some(Duration::from_secs(number * 60)),
        "S" => Some(Duration::from_secs(number)),
        "m" => Some(Duration::from_millis(number)),
        "u" => Some(Duration::from_micros(number)),
        "n" => Some(Duration::from_nanos(number)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn timeouts_are_read_as_the_protocol_writes_them() {
        assert_eq!(parse("1H"), Some(Duration::from_secs(3600)));
        assert_eq!(parse("2M"), Some(Duration::from_secs(120)));
        assert_eq!(parse("3S"), Some(Duration::from_secs(3)));
        assert_eq!(parse("4m"), Some(Duration::from_millis(4)));
        assert_eq!(parse("5u"), Some(Duration::from_micros(5)));
        assert_eq!(parse("99999999n"), Some(Duration::from_nanos(99_999_999)));
        assert_eq!(parse("99999999H"), Some(Duration::from_secs(99_999_999 * 3600)));
        for wrong in ["", "S", "1", "1s", "123456789S", "-1S", "+1S", "1\u{e9}"] {
            assert_eq!(parse(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn a_cancelled_call_whose_deadline_has_passed_has_failed_because_of_that() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        let _entered = runtime.enter();
        let cancelled = || Error::Reset { by: Side::Peer, reason: Reason::CANCEL };
        let passed = Deadline::after(Duration::ZERO);
        assert!(matches!(passed.explain(cancelled()), Error::DeadlineExceeded));
        assert!(matches!(passed.explain(Error::Closed), Error::Closed));
        let later = Deadline::after(Duration::from_secs(3600));
        assert!(matches!(later.explain(cancelled()), Error::Reset { .. }));
    }
}
