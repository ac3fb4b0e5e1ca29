//! The plug-in and the host, with each other and with those in Go. `cargo xtask setup` installs go-plugin; without it,
//! these are skipped.

#![cfg(target_os = "linux")]

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::Duration;

use go_plugin::greeting::GreetRequest;
use go_plugin::greeting::greeter_client::GreeterClient;
use go_plugin::host::Plugin;
use go_plugin::tls::install_provider;
use grpc_ipc_conformance::{Watchdog, run, skip};
use tempfile::TempDir;

/// Debian's path.
const GOPATH: &str = "/usr/share/gocode";
const HOST: &str = env!("CARGO_BIN_EXE_greeting-host");
const PLUGIN: &str = env!("CARGO_BIN_EXE_greeting-plugin");

/// The program in Go, which is a host and a plug-in.
fn build(test: &str, directory: &TempDir) -> Option<PathBuf> {
    if !Path::new(GOPATH).join("src/github.com/hashicorp/go-plugin").is_dir() {
        skip(test, "go-plugin is missing; run `cargo xtask setup`");
        return None;
    }
    let program = directory.path().join("greeting");
    let source = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/greeting.go");
    let built = Command::new("go")
        .args(["build", "-o"])
        .args([program.as_os_str(), source.as_ref()])
        .envs([("GO111MODULE", "off"), ("GOPATH", GOPATH), ("GOFLAGS", "")])
        .env("GOCACHE", concat!(env!("CARGO_TARGET_TMPDIR"), "/go"))
        .status();
    assert!(built.unwrap().success());
    Some(program)
}

/// Runs a host, which must succeed, and returns what it prints.
fn host<S: AsRef<OsStr>>(host: impl AsRef<OsStr>, arguments: &[S], directory: &TempDir) -> String {
    let sockets = directory.path().join("sockets");
    std::fs::create_dir_all(&sockets).unwrap();
    let output = Command::new(host).args(arguments).env("TMPDIR", &sockets).output().unwrap();
    let Output { status, stdout, stderr } = output;
    let stdout = String::from_utf8(stdout).unwrap();
    assert!(status.success(), "{status}: {stdout}{}", String::from_utf8_lossy(&stderr));
    let left: Vec<_> = std::fs::read_dir(sockets).unwrap().collect();
    assert!(left.is_empty(), "{left:?}");
    stdout
}

fn watch(test: &str) -> Watchdog {
    // The first test builds the program in Go.
    Watchdog::start(test, Duration::from_secs(180))
}

#[test]
fn host_and_plugin_in_rust() {
    let _watchdog = watch("host_and_plugin_in_rust");
    let directory = TempDir::new().unwrap();
    let expected = "the plug-in prints: asked to greet Ada\nbonjour Ada\n";
    assert_eq!(host(HOST, &[PLUGIN], &directory), expected);
    assert_eq!(host(HOST, &["--plain", PLUGIN], &directory), expected);
}

#[test]
fn a_host_in_go_and_a_plugin_in_rust() {
    let _watchdog = watch("a_host_in_go_and_a_plugin_in_rust");
    let directory = TempDir::new().unwrap();
    let Some(go) = build("a_host_in_go_and_a_plugin_in_rust", &directory) else { return };
    for security in ["plain", "tls"] {
        assert_eq!(host(&go, &[security, PLUGIN], &directory), "bonjour Ada\nbonjour Grace\n", "{security}");
    }
}

#[test]
fn a_host_in_rust_and_a_plugin_in_go() {
    let _watchdog = watch("a_host_in_rust_and_a_plugin_in_go");
    let directory = TempDir::new().unwrap();
    let Some(go) = build("a_host_in_rust_and_a_plugin_in_go", &directory) else { return };
    assert_eq!(host(HOST, &[OsStr::new("--plain"), go.as_os_str()], &directory), "bonjour Ada\n");
}

/// Without a dictionary: the broker of Debian's go-plugin expects a host with the name `unused` in its certificate
/// (hashicorp/go-plugin#109).
#[test]
fn a_host_in_rust_and_a_plugin_in_go_with_tls() {
    let directory = TempDir::new().unwrap();
    let Some(go) = build("a_host_in_rust_and_a_plugin_in_go_with_tls", &directory) else { return };
    run("a_host_in_rust_and_a_plugin_in_go_with_tls", || async {
        install_provider();
        let plugin = Plugin::start(tokio::process::Command::new(go), true, |_| ()).await.unwrap();
        let request = GreetRequest { name: "Ada".to_owned(), dictionary: 0 };
        let mut greeter = GreeterClient::new(plugin.channel.clone());
        assert_eq!(greeter.greet(request).await.unwrap().into_inner().text, "hello Ada");
        plugin.stop().await.unwrap();
    });
}

#[test]
fn a_plugin_says_what_it_is() {
    let _watchdog = watch("a_plugin_says_what_it_is");
    let output = Command::new(PLUGIN).output().unwrap();
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success() && error.contains("this is a plug-in"), "{error}");
}
