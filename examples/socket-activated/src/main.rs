//! A service that systemd starts for its first client, and that ends when it is idle.
//!
//! `clock.socket` and `clock.service` are its units. To run it without them:
//!
//! ```text
//! $ cargo build && systemd-socket-activate --listen=/tmp/clock.sock target/debug/socket-activated
//! ```
//!
//! Or on an address of its own, without systemd: `cargo run -- unix:/tmp/clock.sock`.

use std::time::{Duration, Instant};

use clock::clock_server::{Clock, ClockServer};
use clock::{UptimeReply, UptimeRequest};
use grpc_ipc::Server;
use grpc_ipc::tonic::{Request, Response, Status, async_trait};

mod clock {
    grpc_ipc::include_proto!("clock");
}

struct MyClock {
    started: Instant,
}

#[async_trait]
impl Clock for MyClock {
    async fn uptime(&self, _: Request<UptimeRequest>) -> Result<Response<UptimeReply>, Status> {
        let milliseconds = self.started.elapsed().as_millis() as u64;
        Ok(Response::new(UptimeReply { pid: std::process::id(), milliseconds }))
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    // The socket that systemd passes. The unit has its path.
    let address = std::env::args().nth(1).unwrap_or_else(|| "systemd:".to_owned());
    Server::builder()
        .add_service(ClockServer::new(MyClock { started: Instant::now() }))
        .listen(address.as_str())
        // Notifies systemd when the service is ready, and when it is about to stop. Without systemd, it does nothing.
        .notify_systemd()
        // systemd keeps the socket, and starts the service again for the next client.
        .exit_when_idle(Duration::from_secs(30))
        .serve_with_shutdown(grpc_ipc::shutdown_signal()?, Duration::from_secs(5))
        .await?;
    Ok(())
}
