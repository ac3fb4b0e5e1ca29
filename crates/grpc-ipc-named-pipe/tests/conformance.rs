//! Named pipes pass the suite that every transport passes.
#![cfg(windows)]

use grpc_ipc_conformance::{Transport, unique_name};
use grpc_ipc_core::{AccessPolicy, Address, BindError};
use grpc_ipc_named_pipe::{ConnectOptions, ListenOptions, LocalConnector, LocalListener};
use tokio::net::windows::named_pipe::ServerOptions;

struct Pipe(Address);

impl Transport for Pipe {
    type Listener = LocalListener;
    type Connector = LocalConnector;

    async fn listen(&self, access: AccessPolicy) -> Result<LocalListener, BindError> {
        ListenOptions::new().backlog(2).access(access).listen(&self.0).await
    }

    fn connector(&self, access: AccessPolicy) -> LocalConnector {
        ConnectOptions::new().access(access).connector(&self.0)
    }

    fn cannot_run(&self, test: &str) -> Option<String> {
        if test != "an_address_in_use_is_refused" {
            return None;
        }
        let name = format!(r"\\.\pipe\{}", unique_name("probe"));
        let create = || ServerOptions::new().first_pipe_instance(true).create(&name);
        let _first = create().expect("a pipe");
        create().is_ok().then(|| "this system does not enforce FILE_FLAG_FIRST_PIPE_INSTANCE".to_owned())
    }
}

mod pipe {
    use super::*;

    grpc_ipc_conformance::conformance_tests!(Pipe(Address::named_pipe(unique_name("conformance")).unwrap()));
}
