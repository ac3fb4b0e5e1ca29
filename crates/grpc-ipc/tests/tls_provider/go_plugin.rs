//! HashiCorp's go-plugin with its automatic mutual TLS (`AutoMTLS`), both ways. A host passes its certificate to the
//! plug-in in `PLUGIN_CLIENT_CERT`. The plug-in prints its own in the last field of the line with its address. Each end
//! trusts exactly the other's certificate. `cargo xtask setup` installs go-plugin; without it, these tests are skipped.

use std::io::{BufRead as _, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use grpc_ipc::tls::{ClientTls, ServerTls, Trust};
use grpc_ipc::{Channel, ConnectOptions, ListenOptions, Server};
use grpc_ipc_conformance::{Watchdog, run, skip, unique_name};
use tempfile::TempDir;
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;

use crate::{PLUGIN, plugin};

/// go-plugin's name for its health service.
const SERVICE: &str = "plugin";
/// Debian's path.
const GOPATH: &str = "/usr/share/gocode";

/// The Go program, both host and plug-in.
fn build(test: &str, directory: &TempDir) -> Option<PathBuf> {
    let installed = format!("{GOPATH}/src/github.com/hashicorp/go-plugin");
    if !PathBuf::from(installed).is_dir() {
        skip(test, "go-plugin is missing; run `cargo xtask setup`");
        return None;
    }
    let program = directory.path().join("go-plugin");
    let source = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/tls_provider/go_plugin.go");
    let built = Command::new("go")
        .args(["build", "-o"])
        .args([program.as_os_str(), source.as_ref()])
        .envs([("GO111MODULE", "off"), ("GOPATH", GOPATH), ("GOFLAGS", "")])
        .env("GOCACHE", concat!(env!("CARGO_TARGET_TMPDIR"), "/go"))
        .status();
    assert!(built.unwrap().success());
    Some(program)
}

struct Killed(Child);

impl Drop for Killed {
    fn drop(&mut self) {
        _ = self.0.kill();
        _ = self.0.wait();
    }
}

#[test]
fn a_plugin_in_go() {
    run("a_plugin_in_go", || async {
        let directory = TempDir::new().unwrap();
        let Some(program) = build("a_plugin_in_go", &directory) else { return };
        let started = Command::new(program)
            .arg("plugin")
            .envs([("GRPC_IPC", "test"), ("PLUGIN_CLIENT_CERT", PLUGIN), ("PLUGIN_PROTOCOL_VERSIONS", "1")])
            .env("TMPDIR", directory.path())
            .stdout(Stdio::piped())
            .spawn();
        let mut started = Killed(started.unwrap());
        let mut line = String::new();
        BufReader::new(started.0.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
        let ["1", "1", "unix", path, "grpc", certificate] = line.trim().split('|').collect::<Vec<_>>()[..]
        else {
            panic!("{line}");
        };
        // In base64 without padding, which PEM requires.
        let padding = "=".repeat((4 - certificate.len() % 4) % 4);
        let pem = format!("-----BEGIN CERTIFICATE-----\n{certificate}{padding}\n-----END CERTIFICATE-----\n");
        let tls = ClientTls::new(Trust::certificates(pem).unwrap()).identity(plugin());
        let options = ConnectOptions::new(format!("unix:{path}")).tls(tls);
        let channel = Channel::connect(options).await.unwrap();
        let request = HealthCheckRequest { service: SERVICE.to_owned() };
        let answer = HealthClient::new(channel).check(request).await.unwrap().into_inner();
        assert_eq!(answer.status(), ServingStatus::Serving);
    });
}

#[test]
fn a_host_in_go() {
    let _watchdog = Watchdog::start("a_host_in_go", Duration::from_secs(120));
    let directory = TempDir::new().unwrap();
    let Some(program) = build("a_host_in_go", &directory) else { return };
    // The host reads the plug-in's standard output, where this program prints the names of its tests.
    let plugin = r#"exec "$0" --exact go_plugin::this_as_a_plugin --nocapture 3>&1 >/dev/null"#;
    let host = Command::new(program)
        .args(["host", "sh", "-c", plugin])
        .arg(std::env::current_exe().unwrap())
        .env("GRPC_IPC_SOCKET", directory.path().join(unique_name("s")))
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&host.stdout);
    assert_eq!(said, "pong\n", "{}", String::from_utf8_lossy(&host.stderr));
}

/// The host in Go starts and ends this. Otherwise it does nothing.
#[test]
fn this_as_a_plugin() {
    let Ok(client) = std::env::var("PLUGIN_CLIENT_CERT") else { return };
    run("this_as_a_plugin", || async {
        let path = std::env::var("GRPC_IPC_SOCKET").unwrap();
        let tls = ServerTls::new(plugin()).require_client(Trust::certificates(client).unwrap());
        let (reporter, health) = tonic_health::server::health_reporter();
        reporter.set_service_status(SERVICE, tonic_health::ServingStatus::Serving).await;
        let options = ListenOptions::new(format!("unix:{path}")).tls(tls);
        let server = Server::builder().add_service(health).listen(options).bind().await.unwrap();
        let certificate: String = PLUGIN.lines().filter(|line| !line.starts_with("-----")).collect();
        let line = format!("1|1|unix|{path}|grpc|{}\n", certificate.trim_end_matches('='));
        std::fs::write("/dev/fd/3", line).unwrap();
        server.serve_with_shutdown(std::future::pending(), Duration::ZERO).await.unwrap();
    });
}
