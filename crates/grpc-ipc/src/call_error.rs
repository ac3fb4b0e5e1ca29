use std::error::Error;
use std::fmt;
use std::sync::Arc;

use grpc_ipc_core::ConnectError;
use grpc_ipc_http2 as http2;
use tonic::{Code, Status};

use crate::status::code_of_http2;

/// The reason why a [`Channel`](crate::Channel) ended a call, and whether the server may have processed the call. It is
/// the [source](Error::source) of the call's status.
///
/// Its own source is the [`ConnectError`] or the [HTTP/2 error](http2::Error) behind it. [`errors`](crate::errors)
/// lists all of them, and says which calls to retry.
///
/// ```
/// use grpc_ipc::{CallError, ConnectError, StatusExt as _};
///
/// fn explain(status: &tonic::Status) -> &'static str {
///     match status.call_error().and_then(CallError::connect_error) {
///         Some(ConnectError::NotFound { .. }) => "the server is not running",
///         Some(_) => "the server cannot be reached",
///         None if status.may_have_been_processed() => "nobody knows whether it was done",
///         None => "it was not done",
///     }
/// }
/// # assert_eq!(explain(&tonic::Status::unavailable("busy")), "nobody knows whether it was done");
/// ```
#[derive(Clone)]
pub struct CallError {
    cause: Cause,
    processed: bool,
}

#[derive(Clone)]
enum Cause {
    Connect(Arc<ConnectError>),
    Http2(http2::Error),
    /// No other error.
    None,
}

impl CallError {
    pub(crate) fn connect(error: Arc<ConnectError>) -> Self {
        Self { cause: Cause::Connect(error), processed: false }
    }

    /// For a call that was sent, at least in part.
    pub(crate) fn sent(error: http2::Error) -> Self {
        let never = matches!(error, http2::Error::Unsendable(_));
        Self { processed: !never && !error.is_unprocessed(), cause: Cause::Http2(error) }
    }

    /// For a call that was not sent.
    pub(crate) fn unsent(error: http2::Error) -> Self {
        Self { cause: Cause::Http2(error), processed: false }
    }

    /// For a call that was not sent, and whose status has the reason.
    pub(crate) fn never() -> Self {
        Self { cause: Cause::None, processed: false }
    }

    /// The status with this error as its source.
    pub(crate) fn of(self, mut status: Status) -> Status {
        status.set_source(Arc::new(self));
        status
    }

    /// Whether the server may have processed the call. If `false`, the server certainly has not, so a retry is safe.
    pub fn may_have_been_processed(&self) -> bool {
        self.processed
    }

    /// Whether the same call may succeed later without a change at this end. To find out whether a retry is safe, use
    /// [`may_have_been_processed`](Self::may_have_been_processed).
    pub fn is_transient(&self) -> bool {
        match &self.cause {
            Cause::Connect(error) => error.is_transient(),
            Cause::Http2(error) => code_of_http2(error) == Code::Unavailable,
            Cause::None => false,
        }
    }

    /// The error of connecting, if that is why the call ended.
    pub fn connect_error(&self) -> Option<&ConnectError> {
        match &self.cause {
            Cause::Connect(error) => Some(error),
            _ => None,
        }
    }

    /// The error of the connection, if that is why the call ended.
    pub fn http2_error(&self) -> Option<&http2::Error> {
        match &self.cause {
            Cause::Http2(error) => Some(error),
            _ => None,
        }
    }
}

impl fmt::Display for CallError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.processed {
            true => "the call may have been processed",
            false => "the call was not processed",
        })
    }
}

impl fmt::Debug for CallError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut said = f.debug_struct("CallError");
        said.field("may_have_been_processed", &self.processed);
        match &self.cause {
            Cause::Connect(error) => said.field("cause", error),
            Cause::Http2(error) => said.field("cause", error),
            Cause::None => &mut said,
        }
        .finish()
    }
}

impl Error for CallError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match &self.cause {
            Cause::Connect(error) => Some(&**error),
            Cause::Http2(error) => Some(error),
            Cause::None => None,
        }
    }
}

/// Additional information in the [`Status`] of a call.
pub trait StatusExt {
    /// Why the channel ended the call. `None` if the server ended it, or a layer between the caller and the channel.
    fn call_error(&self) -> Option<&CallError>;

    /// Whether the server may have processed the call, at least in part. Only a status from a channel can return
    /// `false`. A status from a server, or of unknown origin, returns `true`.
    fn may_have_been_processed(&self) -> bool {
        self.call_error().is_none_or(CallError::may_have_been_processed)
    }
}

impl StatusExt for Status {
    fn call_error(&self) -> Option<&CallError> {
        // Layers and tonic may have wrapped the channel's status in another one.
        let mut source = self.source();
        while let Some(error) = source {
            if let Some(error) = error.downcast_ref() {
                return Some(error);
            }
            source = error.source();
        }
        None
    }
}

#[cfg(test)]
mod tests;
