//! TLS keeps the promises of its transport, with two exceptions: connecting to a server that does not accept waits for
//! the handshake, and so does the error of a refused client.

use grpc_ipc::memory::{MemoryConnector, MemoryListener, Network};
use grpc_ipc::tls::{ClientTls, ServerTls, TlsConnector, TlsListener};
use grpc_ipc::{AccessPolicy, BindError};
use grpc_ipc_conformance::{Transport, run, suite};

use crate::certificates::Authority;

/// TLS over another transport.
struct Tls<T> {
    below: T,
    server: ServerTls,
    client: ClientTls,
}

impl<T: Transport> Tls<T> {
    fn over(below: T) -> Self {
        let authority = Authority::new();
        let server = authority.server().require_client(authority.trust());
        Self { below, server, client: authority.client().identity(authority.identify("client")) }
    }
}

impl<T: Transport> Transport for Tls<T> {
    type Listener = TlsListener<T::Listener>;
    type Connector = TlsConnector<T::Connector>;

    async fn listen(&self, access: AccessPolicy) -> Result<Self::Listener, BindError> {
        Ok(self.server.listener(self.below.listen(access).await?))
    }

    fn connector(&self, access: AccessPolicy) -> Self::Connector {
        self.client.connector(self.below.connector(access))
    }
}

struct Memory(Network);

impl Transport for Memory {
    type Listener = MemoryListener;
    type Connector = MemoryConnector;

    async fn listen(&self, access: AccessPolicy) -> Result<MemoryListener, BindError> {
        self.0.listen("tls", access)
    }

    fn connector(&self, access: AccessPolicy) -> MemoryConnector {
        self.0.connector("tls", access)
    }
}

macro_rules! promises {
    ($below:expr; $($test:ident)*) => {$(
        #[test]
        fn $test() {
            let name = concat!(module_path!(), "::", stringify!($test));
            run(name, || async {
                let below = $below;
                match below.cannot_run(stringify!($test)) {
                    Some(reason) => grpc_ipc_conformance::skip(name, &reason),
                    None => suite::$test(Tls::over(below)).await,
                }
            });
        }
    )*};
    ($below:expr) => {
        promises! { $below;
            bytes_arrive_in_order
            the_end_comes_after_the_bytes
            a_pending_read_ends_after_shutdown
            a_dropped_connection_loses_nothing
            a_writer_waits_for_its_reader
            accept_can_be_cancelled
            accept_survives_clients_that_leave
            a_dropped_listener_closes_its_address
            connections_outlive_their_listener
            an_address_in_use_is_refused
            many_clients_connect_at_once
            no_server_is_told_at_once
            an_untrusted_server_is_sent_nothing
            each_end_knows_the_other
        }
    };
}

mod memory {
    use super::*;

    promises!(Memory(Network::new()));
}

#[cfg(unix)]
mod unix {
    use grpc_ipc::Address;
    use grpc_ipc_uds::{ConnectOptions, ListenOptions, LocalConnector, LocalListener};
    use tempfile::TempDir;

    use super::*;

    struct Uds(TempDir);

    impl Uds {
        fn address(&self) -> Address {
            Address::unix(self.0.path().join("s")).unwrap()
        }
    }

    impl Transport for Uds {
        type Listener = LocalListener;
        type Connector = LocalConnector;

        async fn listen(&self, access: AccessPolicy) -> Result<LocalListener, BindError> {
            ListenOptions::new().access(access).listen(&self.address()).await
        }

        fn connector(&self, access: AccessPolicy) -> LocalConnector {
            ConnectOptions::new().access(access).connector(&self.address())
        }
    }

    promises!(Uds(TempDir::new().unwrap()));
}

#[cfg(windows)]
mod named_pipe {
    use grpc_ipc::Address;
    use grpc_ipc_conformance::unique_name;
    use grpc_ipc_named_pipe::{ConnectOptions, ListenOptions, LocalConnector, LocalListener};

    use super::*;

    struct Pipe(Address);

    impl Transport for Pipe {
        type Listener = LocalListener;
        type Connector = LocalConnector;

        async fn listen(&self, access: AccessPolicy) -> Result<LocalListener, BindError> {
            ListenOptions::new().access(access).listen(&self.0).await
        }

        fn connector(&self, access: AccessPolicy) -> LocalConnector {
            ConnectOptions::new().access(access).connector(&self.0)
        }

        fn cannot_run(&self, test: &str) -> Option<String> {
            (test == "an_address_in_use_is_refused").then(|| {
                "whether the system enforces this is the transport's own tests' to find out".to_owned()
            })
        }
    }

    promises!(Pipe(Address::named_pipe(unique_name("tls")).unwrap()));
}
