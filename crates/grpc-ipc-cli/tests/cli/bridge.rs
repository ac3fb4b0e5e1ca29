//! `bridge`.

use std::io::Read as _;
use std::process::Stdio;

use crate::server::{Reflection, serve};
#[cfg(unix)]
use crate::util::fail;
use crate::util::{Running, cli, place, succeed, watch};

#[test]
fn calls_pass_a_bridge_from_tcp_and_from_another_address() {
    let _watchdog = watch("calls_pass_a_bridge_from_tcp_and_from_another_address");
    let server = serve(Reflection::V1);
    let place = place();
    for (listen, warning) in [
        ("http://127.0.0.1:0", "warning: any user of this machine can connect to http://127.0.0.1:"),
        (place.address.as_str(), "sees every client of this bridge as you"),
    ] {
        let mut command = cli(&["bridge", listen, server.address()]);
        let mut bridge = Running::start(command.stderr(Stdio::piped()));
        let ready = bridge.line();
        let address = ready.strip_prefix("listening on ").unwrap().split(", for ").next().unwrap();
        let call = ["call", address, "greet.Greeter/SayHello", "-d", r#"{"name": "Ada"}"#];
        assert_eq!(succeed(&call), "{\"message\":\"Hello Ada\"}\n");
        bridge.child.kill().unwrap();
        let mut said = String::new();
        bridge.child.stderr.take().unwrap().read_to_string(&mut said).unwrap();
        assert!(said.contains(warning), "{said}");
    }
}

#[test]
#[cfg(unix)]
fn a_server_that_is_not_there_is_reported_once() {
    let _watchdog = watch("a_server_that_is_not_there_is_reported_once");
    let (place, nobody) = (place(), crate::util::place());
    let mut command = cli(&["bridge", &place.address, &nobody.address]);
    let mut bridge = Running::start(command.stderr(Stdio::piped()));
    bridge.line();
    for _ in 0..2 {
        fail(&["list", &place.address], 64 + 14);
    }
    bridge.child.kill().unwrap();
    let mut said = String::new();
    bridge.child.stderr.take().unwrap().read_to_string(&mut said).unwrap();
    assert_eq!(said.matches("nothing is there").count(), 1, "{said}");
}

/// Under Wine, a pipe can have several servers.
#[test]
#[cfg(unix)]
fn a_bridge_that_cannot_listen_warns_of_nothing() {
    let _watchdog = watch("a_bridge_that_cannot_listen_warns_of_nothing");
    let server = serve(Reflection::None);
    let said = fail(&["bridge", server.address(), "local:nobody"], 1);
    assert!(said.contains(" is already in use") && !said.contains("warning"), "{said}");
}
