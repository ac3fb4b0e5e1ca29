use std::any::Any;
use std::sync::Arc;

use grpc_ipc_core::ConnectError;
use tonic::Status;

use crate::CallError;
use crate::status::status_from_connect;

/// The reason why there is no connection, for all calls that wait for one.
#[derive(Clone, Debug)]
pub(crate) enum NotConnected {
    Failed(Arc<ConnectError>),
    /// The connector, which may be the program's own, panicked with this message. tokio's messages say what the runtime
    /// lacks.
    Panicked(Arc<str>),
    /// The channel was closed.
    Closed,
}

impl NotConnected {
    pub(super) fn new(error: ConnectError) -> Self {
        Self::Failed(Arc::new(error))
    }

    pub(super) fn panicked(panic: &(dyn Any + Send)) -> Self {
        let words = panic
            .downcast_ref::<&str>()
            .copied()
            .or_else(|| panic.downcast_ref::<String>().map(String::as_str));
        Self::Panicked(words.unwrap_or_default().into())
    }

    pub(crate) fn is_transient(&self) -> bool {
        matches!(self, Self::Failed(error) if error.is_transient())
    }

    pub(crate) fn status(&self) -> Status {
        match self {
            Self::Failed(error) => status_from_connect(error),
            Self::Closed => {
                CallError::never().of(Status::unavailable("the channel was closed by this program"))
            }
            Self::Panicked(words) => {
                let colon = if words.is_empty() { "" } else { ": " };
                let status = Status::internal(format!("the connector panicked{colon}{words}"));
                CallError::never().of(status)
            }
        }
    }
}
