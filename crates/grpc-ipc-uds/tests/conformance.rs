//! Unix domain sockets pass the suite that every transport passes: with a path, and with an abstract name.
#![cfg(any(unix, windows))]

use grpc_ipc_conformance::Transport;
use grpc_ipc_core::{AccessPolicy, Address, BindError};
use grpc_ipc_uds::{ConnectOptions, ListenOptions, LocalConnector, LocalListener};
use tempfile::TempDir;

struct Uds {
    address: Address,
    _directory: Option<TempDir>,
}

impl Transport for Uds {
    type Listener = LocalListener;
    type Connector = LocalConnector;

    async fn listen(&self, access: AccessPolicy) -> Result<LocalListener, BindError> {
        ListenOptions::new().backlog(4).access(access).listen(&self.address).await
    }

    fn connector(&self, access: AccessPolicy) -> LocalConnector {
        ConnectOptions::new().access(access).connector(&self.address)
    }

    #[cfg(windows)]
    fn cannot_run(&self, _: &str) -> Option<String> {
        let socket = socket2::Socket::new(socket2::Domain::UNIX, socket2::Type::STREAM, None);
        socket.is_err().then(|| "AF_UNIX is not available on this system".to_owned())
    }

    #[cfg(all(unix, not(target_os = "linux")))]
    fn cannot_run(&self, test: &str) -> Option<String> {
        (test == "a_busy_server_is_waited_for_until_the_deadline")
            .then(|| "a full backlog cannot be told from no server on this system".to_owned())
    }
}

mod path {
    use super::*;

    fn fixture() -> Uds {
        let directory = TempDir::new().unwrap();
        let address = Address::unix(directory.path().join("s")).unwrap();
        Uds { address, _directory: Some(directory) }
    }

    grpc_ipc_conformance::conformance_tests!(fixture());
}

#[cfg(target_os = "linux")]
mod abstract_name {
    use super::*;

    fn fixture() -> Uds {
        let address = Address::unix_abstract(grpc_ipc_conformance::unique_name("grpc-ipc")).unwrap();
        Uds { address, _directory: None }
    }

    grpc_ipc_conformance::conformance_tests!(fixture());
}
