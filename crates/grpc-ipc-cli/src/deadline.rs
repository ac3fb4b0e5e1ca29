//! The time that a command may take.

use std::time::Duration;

use grpc_ipc::tonic::Code;
use tokio::time::{Instant, timeout_at};

use crate::failure::Failure;

/// For commands that only ask.
const DEFAULT: Duration = Duration::from_secs(10);

/// The time until which the server must have answered, if there is one. It covers connecting and the schema, too.
#[derive(Clone, Copy)]
pub(crate) struct Deadline {
    began: Instant,
    limit: Option<Duration>,
}

impl Deadline {
    /// `limit` from now on.
    pub(crate) fn new(limit: Option<Duration>) -> Self {
        Self { began: Instant::now(), limit }
    }

    /// `limit` from now on. By default there are 10 s, after what `--wait` allows.
    pub(crate) fn or_default(limit: Option<Duration>, wait: Duration) -> Self {
        Self::new(Some(limit.unwrap_or(DEFAULT.saturating_add(wait))))
    }

    /// What `work` returns, or the limit if the time is over first.
    pub(crate) async fn within<T>(self, work: impl Future<Output = T>) -> Result<T, Duration> {
        match self.limit {
            Some(limit) => timeout_at(self.began + limit, work).await.map_err(|_| limit),
            None => Ok(work.await),
        }
    }

    /// Ends `work` at the deadline with an error that says `what` did not happen.
    pub(crate) async fn end<T>(
        self,
        what: &str,
        work: impl Future<Output = Result<T, Failure>>,
    ) -> Result<T, Failure> {
        self.within(work).await.unwrap_or_else(|limit| {
            let message = format!("DEADLINE_EXCEEDED (4): {what} within {limit:?}");
            Err(Failure::of_call(message, Code::DeadlineExceeded))
        })
    }

    /// What a call may take that begins now.
    pub(crate) fn left(self) -> Option<Duration> {
        self.limit.map(|limit| limit.saturating_sub(self.began.elapsed()))
    }
}
