//! A path with escapes names the same file for gRPC C-core, for grpc-go, and for us. `cargo xtask setup` installs the
//! two; without them, these tests are skipped.
#![cfg(unix)]

mod util;

use std::path::{Path, PathBuf};
use std::process::Command;

use grpc_ipc_conformance::skip;
use tempfile::TempDir;
use util::{Server, greeter, succeed, watch};

fn workspace() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap()
}

/// Addresses as a user may write them, each with the name of the file that it stands for in `directory`.
fn addresses(directory: &TempDir) -> [(String, PathBuf); 3] {
    let place = |address: &str, file: &str| {
        (address.replace("DIR", directory.path().to_str().unwrap()), directory.path().join(file))
    };
    [
        place("unix:DIR/p%20q.sock", "p q.sock"),
        place("unix://DIR/100%25%3F.sock", "100%?.sock"),
        place("unix:DIR/gr%c3%bc%C3%9Fe.sock", "grüße.sock"),
    ]
}

/// Our server, with an address as given and as it is shown, is reached by the client of another.
fn greet(client: impl Fn(&[&str]) -> Command) {
    let directory = TempDir::new().unwrap();
    for (address, file) in addresses(&directory) {
        let server = Server::start(&mut greeter(&["serve", &address]));
        assert!(file.exists(), "{address}: {file:?}");
        let shown = grpc_ipc::Address::parse(&address).unwrap().to_string();
        for address in [address, shown] {
            assert_eq!(
                succeed(&mut client(&["greet", &address, "Ada"])).trim_end(),
                "Hello Ada",
                "{address}"
            );
        }
        server.stop();
    }
}

#[test]
fn an_escaped_path_is_the_same_to_c_core() {
    let test = "an_escaped_path_is_the_same_to_c_core";
    let _watchdog = watch(test);
    let program = workspace().join("target/peers/python/bin/python");
    if !program.exists() {
        return skip(test, "target/peers/python/bin/python is missing; run `cargo xtask setup`");
    }
    let python = |arguments: &[&str]| {
        let mut command = Command::new(&program);
        command.arg(workspace().join("examples/peers/peer.py")).args(arguments);
        command
    };
    greet(python);

    let directory = TempDir::new().unwrap();
    for (address, file) in addresses(&directory) {
        let server = Server::start(&mut python(&["serve", &address]));
        assert!(file.exists(), "{address}: {file:?}");
        assert!(succeed(&mut greeter(&["call", &address, "Ada"])).starts_with("Hello Ada"));
        server.stop();
    }
}

/// Debian's grpc-go. It takes an absolute path for that of a URI, as it is here, and leaves a relative one as it is.
#[test]
fn an_escaped_path_is_the_same_to_go() {
    let test = "an_escaped_path_is_the_same_to_go";
    let _watchdog = watch(test);
    let program = workspace().join("target/peers/go/peer");
    if !program.exists() {
        return skip(test, "target/peers/go/peer is missing; run `cargo xtask setup`");
    }
    greet(|arguments| {
        let mut command = Command::new(&program);
        command.args(arguments);
        command
    });
}
