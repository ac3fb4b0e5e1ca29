use grpc_ipc_core::{AccessPolicy, Address};

use crate::platform::LocalConnector;

/// How to connect to a Unix domain socket.
#[derive(Clone, Debug)]
#[must_use = "options do nothing until they are used to connect"]
pub struct ConnectOptions {
    access: AccessPolicy,
}

impl ConnectOptions {
    /// The defaults.
    pub fn new() -> Self {
        Self { access: AccessPolicy::default() }
    }

    /// Who the server must be: the user that called listen(2), or on Windows the user of the process that has its id
    /// now. Default: [`AccessPolicy::same_user_or_system`].
    pub fn access(self, access: AccessPolicy) -> Self {
        Self { access }
    }

    /// A connector to `address`. Whether there is such an endpoint is found out when it connects.
    pub fn connector(self, address: &Address) -> LocalConnector {
        LocalConnector::new(address.clone(), self.access)
    }
}

impl Default for ConnectOptions {
    fn default() -> Self {
        Self::new()
    }
}
