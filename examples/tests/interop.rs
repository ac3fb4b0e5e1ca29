//! The peers of other languages: each greets our server, and ours greets each. `cargo xtask setup` installs them below
//! `target/peers`; without it these tests are skipped.
#![cfg(unix)]

mod util;

use std::path::{Path, PathBuf};
use std::process::Command;

use grpc_ipc_conformance::skip;
use tempfile::TempDir;
use util::{Server, fail, greeter, succeed, watch};

fn workspace() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap()
}

/// A program of `target/peers`; `None`, and a word about it, if it is not installed.
fn installed(test: &str, program: &str) -> Option<PathBuf> {
    let path = workspace().join("target/peers").join(program);
    if !path.exists() {
        skip(test, &format!("target/peers/{program} is missing; run `cargo xtask setup`"));
        return None;
    }
    Some(path)
}

fn python(test: &str) -> Option<impl Fn(&[&str]) -> Command> {
    let python = installed(test, "python/bin/python")?;
    Some(move |arguments: &[&str]| {
        let mut command = Command::new(&python);
        command.arg(workspace().join("examples/peers/greet.py")).args(arguments);
        command
    })
}

fn node(test: &str) -> Option<impl Fn(&[&str]) -> Command> {
    let modules = installed(test, "node/node_modules")?;
    Some(move |arguments: &[&str]| {
        let mut command = Command::new("node");
        command.arg(workspace().join("examples/peers/greet.js")).args(arguments).env("NODE_PATH", &modules);
        command
    })
}

/// Our server greets the peer, and the peer's greets us.
fn greet_both_ways(peer: impl Fn(&[&str]) -> Command) {
    let directory = TempDir::new().unwrap();
    let address = |name: &str| format!("unix:{}", directory.path().join(name).display());

    let ours = address("ours");
    let _server = Server::start(&mut greeter(&["serve", &ours]));
    assert_eq!(succeed(&mut peer(&["greet", &ours, "Ada"])).trim_end(), "Hello Ada");

    let theirs = address("theirs");
    let _server = Server::start(&mut peer(&["serve", &theirs]));
    assert!(succeed(&mut greeter(&["call", &theirs, "Ada"])).starts_with("Hello Ada\n"));
}

#[test]
fn python_greets_and_is_greeted() {
    let _watchdog = watch("python_greets_and_is_greeted");
    let Some(python) = python("python_greets_and_is_greeted") else { return };
    greet_both_ways(&python);
}

#[test]
fn grpc_js_greets_and_is_greeted() {
    let _watchdog = watch("grpc_js_greets_and_is_greeted");
    let Some(node) = node("grpc_js_greets_and_is_greeted") else { return };
    greet_both_ways(node);
}

/// A limit of tonic's transport, which this pins so that its end is noticed: `h2` does not take the percent-encoded
/// path that C-core sends as `:authority` unless told otherwise.
#[test]
fn pythons_own_authority_is_not_taken_yet() {
    let _watchdog = watch("pythons_own_authority_is_not_taken_yet");
    let Some(python) = python("pythons_own_authority_is_not_taken_yet") else { return };
    let directory = TempDir::new().unwrap();
    let address = format!("unix:{}", directory.path().join("ours").display());
    let _server = Server::start(&mut greeter(&["serve", &address]));
    let said = fail(&mut python(&["greet", &address, "Ada", "--default-authority"]));
    assert!(said.contains("RST_STREAM with error code 1"), "PROTOCOL_ERROR: {said}");
}

/// gRPC's own cases between two peers.
fn pass_all_cases(client: &mut Command) {
    let printed = succeed(client);
    assert_eq!(printed.lines().filter(|line| line.ends_with(": passed")).count(), 18, "{printed}");
}

fn peer(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_peer"));
    command.args(arguments);
    command
}

#[test]
fn our_peer_passes_all_cases_against_itself() {
    let _watchdog = watch("our_peer_passes_all_cases_against_itself");
    let directory = TempDir::new().unwrap();
    for stack in ["grpc-ipc", "tonic"] {
        let address = format!("unix:{}", directory.path().join(stack).display());
        let server = Server::start(&mut peer(&["serve", &address, "--stack", stack]));
        pass_all_cases(&mut peer(&["call", &address]));
        assert!(server.terminate().success());
    }
}

#[test]
fn an_unknown_case_is_an_error() {
    let _watchdog = watch("an_unknown_case_is_an_error");
    let said = fail(&mut peer(&["call", "unix:/x", "no_such_case"]));
    assert!(
        said.contains("there is no case \"no_such_case\"; the cases are: empty_unary, large_unary"),
        "{said}"
    );
}

/// ASP.NET Core: `GRPC_IPC_DOTNET_PEER` names a program with the command line of our peer.
#[test]
fn kestrel_and_sockets_http_handler_pass_all_cases() {
    let test = "kestrel_and_sockets_http_handler_pass_all_cases";
    let _watchdog = watch(test);
    let Some(dotnet) = std::env::var_os("GRPC_IPC_DOTNET_PEER") else {
        skip(test, "GRPC_IPC_DOTNET_PEER names no .NET peer");
        return;
    };
    let directory = TempDir::new().unwrap();
    let address = |name: &str| format!("unix:{}", directory.path().join(name).display());

    let ours = address("ours");
    let _server = Server::start(&mut peer(&["serve", &ours]));
    pass_all_cases(Command::new(&dotnet).args(["call", &ours]));

    let theirs = address("theirs");
    let _server = Server::start(Command::new(&dotnet).args(["serve", &theirs]));
    pass_all_cases(&mut peer(&["call", &theirs]));
}
