use std::sync::Arc;
use std::time::Duration;

use grpc_ipc_core::{BoxConnector, ConnectError, Connector as _};
use tokio::time::timeout;
use tonic::{Code, Status};

use super::error::LaunchError;
use crate::connections::ConnectionsOptions;
use crate::{Channel, Description};

/// Decides which servers are accepted.
#[derive(Clone)]
pub(super) struct Requirement {
    pub(super) required: String,
    pub(super) matches: Arc<dyn Fn(&Description) -> bool + Send + Sync>,
    /// Whether other servers are asked to leave.
    pub(super) replace: bool,
}

/// The result of asking a server for its version.
pub(super) enum Found {
    Right,
    Other(Description),
    /// The server has ended, or is about to.
    Gone,
}

impl Requirement {
    /// Asks the server, on a separate connection.
    pub(super) async fn check(
        &self,
        connector: &BoxConnector,
        limit: Duration,
    ) -> Result<Found, LaunchError> {
        let channel = Channel::new(connector.clone(), ConnectionsOptions::default());
        let described = match timeout(limit, channel.describe()).await {
            Ok(described) => described,
            Err(_) => {
                let address = connector.address().clone();
                return Err(LaunchError::Connect(ConnectError::TimedOut { address }));
            }
        };
        match described {
            Ok(found) if (self.matches)(&found) => Ok(Found::Right),
            Ok(found) => Ok(Found::Other(found)),
            Err(status) if status.code() == Code::Unavailable => Ok(Found::Gone),
            // As every server of gRPC answers that does not have the service.
            Err(status) if status.code() == Code::Unimplemented => {
                Err(LaunchError::NotAnnounced { required: self.required.clone(), status })
            }
            Err(status) => Err(LaunchError::NotTold { required: self.required.clone(), status }),
        }
    }

    /// Asks a server to leave.
    pub(super) async fn ask_to_leave(
        &self,
        connector: &BoxConnector,
        found: &Description,
        limit: Duration,
    ) -> Result<(), LaunchError> {
        let channel = Channel::new(connector.clone(), ConnectionsOptions::default());
        let asked = match timeout(limit, channel.ask_to_leave(Some(found.pid))).await {
            Ok(asked) => asked,
            Err(_) => Err(Status::deadline_exceeded("no answer")),
        };
        match asked {
            Ok(()) => Ok(()),
            // The server has ended, or another one has replaced it.
            Err(status) if matches!(status.code(), Code::Unavailable | Code::FailedPrecondition) => Ok(()),
            Err(status) => Err(self.does_not_leave(found.clone(), Some(status))),
        }
    }

    pub(super) fn does_not_leave(&self, found: Description, status: Option<Status>) -> LaunchError {
        LaunchError::DoesNotLeave { required: self.required.clone(), found, status }
    }

    pub(super) fn mismatch(&self, found: Description) -> LaunchError {
        LaunchError::Version { required: self.required.clone(), found }
    }
}
