//! The first call starts the service.

#![cfg(target_os = "linux")]

use std::path::Path;
use std::process::{Child, Command};
use std::time::Duration;

use clock::UptimeRequest;
use clock::clock_client::ClockClient;
use grpc_ipc::{Channel, ConnectOptions};
use grpc_ipc_conformance::skip;

mod clock {
    grpc_ipc::include_proto!("clock");
}

/// The process ends with the test.
struct Activated(Child);

impl Drop for Activated {
    fn drop(&mut self) {
        _ = self.0.kill();
        _ = self.0.wait();
    }
}

fn activate(socket: &Path) -> Option<Activated> {
    let mut command = Command::new("systemd-socket-activate");
    command.arg("--listen").arg(socket).arg(env!("CARGO_BIN_EXE_socket-activated"));
    // Without the program, the test is skipped.
    command.spawn().ok().map(Activated)
}

#[tokio::test]
async fn the_first_call_starts_the_service() {
    let directory = tempfile::tempdir().unwrap();
    let socket = directory.path().join("clock.sock");
    let Some(service) = activate(&socket) else {
        let reason = "systemd-socket-activate is not there; cargo xtask setup installs it";
        return skip("the_first_call_starts_the_service", reason);
    };
    let options = ConnectOptions::new(format!("unix:{}", socket.display())).wait(Duration::from_secs(30));
    let mut clock = ClockClient::new(Channel::connect(options).await.unwrap());
    let first = clock.uptime(UptimeRequest {}).await.unwrap().into_inner();
    // systemd's program has become this process.
    assert_eq!(first.pid, service.0.id());
    let second = clock.uptime(UptimeRequest {}).await.unwrap().into_inner();
    assert!(second.milliseconds >= first.milliseconds);
}
