//! TLS over local transports: accepted and refused peers, and the errors at both ends.

mod certificates;
mod configuration;
mod conformance;
mod events;
mod handshake;
mod protocol;
mod refusals;
#[path = "../util/mod.rs"]
mod util;
mod writes;

use grpc_ipc::memory::Network;
use grpc_ipc::tls::{ClientTls, ServerTls};
use grpc_ipc::{AccessPolicy, Channel, ConnectError, Connector as _, Server};
use grpc_ipc_conformance::unique_name;
use tokio::time::{Duration, Instant};
use util::{DRAIN, MyGreeter, Running};

/// A server in memory, with a name that no other test uses.
struct Scene {
    network: Network,
    name: String,
    _running: Running,
}

impl Scene {
    async fn serve(tls: &ServerTls) -> Self {
        events::record();
        let (network, name) = (Network::new(), unique_name("tls"));
        let listener = tls.listener(network.listen(&name, AccessPolicy::default()).unwrap());
        let server = Server::builder().add_service(MyGreeter::default().service()).listener(listener);
        let running = Running::start(server.bind().await.unwrap(), DRAIN);
        Self { network, name, _running: running }
    }

    fn plain_connector(&self) -> grpc_ipc::memory::MemoryConnector {
        self.network.connector(&self.name, AccessPolicy::default())
    }

    fn channel(&self, tls: &ClientTls) -> Channel {
        Channel::from_connector(tls.connector(self.plain_connector()))
    }

    /// The error of a client whose handshake fails.
    async fn refuse(&self, tls: &ClientTls) -> ConnectError {
        match tls.connector(self.plain_connector()).connect(soon()).await {
            Ok(_) => panic!("connected"),
            Err(error) => error,
        }
    }
}

/// Longer than any step here, shorter than the watchdog.
fn soon() -> Instant {
    Instant::now() + Duration::from_secs(30)
}

/// The text of an error with all of its causes.
fn text(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        text = format!("{text}: {error}");
        source = error.source();
    }
    text
}
