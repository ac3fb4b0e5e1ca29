//! `bridge`.

use std::io::Read as _;
use std::process::Stdio;

use crate::server::{Reflection, serve};
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
