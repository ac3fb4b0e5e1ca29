//! The in-memory transport passes the suite that every transport passes.

use grpc_ipc_conformance::Transport;
use grpc_ipc_core::memory::{MemoryConnector, MemoryListener, Network};
use grpc_ipc_core::{AccessPolicy, BindError};

struct Memory(Network);

impl Transport for Memory {
    type Listener = MemoryListener;
    type Connector = MemoryConnector;

    async fn listen(&self, access: AccessPolicy) -> Result<MemoryListener, BindError> {
        self.0.listen("conformance", access)
    }

    fn connector(&self, access: AccessPolicy) -> MemoryConnector {
        self.0.connector("conformance", access)
    }
}

grpc_ipc_conformance::conformance_tests!(Memory(Network::new()));
