use std::{fmt, time::Duration};

use tonic::{Code, Status};

/// Why a case failed.
#[derive(Debug)]
pub(super) enum Failure {
    /// A call ended with an unexpected status.
    Call(Status),
    /// A call succeeded that should have failed.
    Succeeded { what: &'static str },
    /// An unexpected observation.
    Observed { what: String, seen: String, expected: String },
    /// The client or the server does not have a feature that the case needs.
    NotApplicable(&'static str),
    /// The case did not end in time.
    Unfinished(Duration),
}

/// Fails unless `seen` is as `expected`.
pub(super) fn check_eq<T: PartialEq + fmt::Debug>(what: &str, seen: T, expected: T) -> Result<(), Failure> {
    if seen == expected {
        return Ok(());
    }
    Err(Failure::Observed {
        what: what.to_owned(),
        seen: format!("{seen:?}"),
        expected: format!("{expected:?}"),
    })
}

/// Fails unless the call ended with `code`. Returns its message.
pub(super) fn check_status<T>(
    what: &'static str,
    outcome: Result<T, Status>,
    code: Code,
) -> Result<String, Failure> {
    match outcome {
        Err(status) if status.code() == code => Ok(status.message().to_owned()),
        Err(status) => Err(Failure::Call(status)),
        Ok(_) => Err(Failure::Succeeded { what }),
    }
}

impl From<Status> for Failure {
    fn from(status: Status) -> Self {
        Self::Call(status)
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Call(status) => write!(f, "status {:?}: {:?}", status.code(), status.message()),
            Self::Succeeded { what } => write!(f, "{what} succeeded"),
            Self::Observed { what, seen, expected } => write!(f, "{what}: {seen} instead of {expected}"),
            Self::NotApplicable(why) => f.write_str(why),
            Self::Unfinished(limit) => write!(f, "not finished after {limit:?}"),
        }
    }
}
