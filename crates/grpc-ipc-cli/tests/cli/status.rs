//! `health`, `peer` and `wait`.

use std::process::Stdio;

use grpc_ipc::{AccessPolicy, ListenOptions, Server};
use grpc_ipc_conformance::skip;

use crate::server::{Reflection, serve, serve_with};
use crate::util::{Running, cli, fail, place, run, succeed, watch};

#[test]
fn health_is_told_by_words_and_exit_codes() {
    let _watchdog = watch("health_is_told_by_words_and_exit_codes");
    let server = serve(Reflection::None);
    assert_eq!(succeed(&["health", server.address()]), "SERVING\n");
    assert_eq!(succeed(&["health", server.address(), "greet.Greeter"]), "SERVING\n");
    let sick = run(&["health", server.address(), "sick"]);
    assert_eq!((sick.code, sick.out.as_str(), sick.err.as_str()), (3, "NOT_SERVING\n", ""));
    let said = fail(&["health", server.address(), "unknown"], 64 + 5);
    assert!(said.starts_with("error: the server knows nothing of the health of \"unknown\"\n"), "{said}");

    let mut watching = Running::start(&mut cli(&["health", server.address(), "sick", "--watch"]));
    assert_eq!(watching.line(), "NOT_SERVING");

    let place = place();
    let _server = Server::builder().listen(place.address.as_str()).spawn().unwrap();
    let said = fail(&["health", &place.address], 64 + 12);
    assert!(said.starts_with("error: the server has no health service"), "{said}");
}

#[test]
fn a_peer_is_shown() {
    let _watchdog = watch("a_peer_is_shown");
    let server = serve_with(Reflection::None, |server| {
        server.announce(grpc_ipc::Announcement::new("greeterd", "1.2"))
    });
    let shown = succeed(&["peer", server.address()]);
    for line in [
        format!("address   {}\n", server.address()),
        format!("process   {}", std::process::id()),
        "server    greeterd 1.2\n".to_owned(),
        "let in    yes\n".to_owned(),
    ] {
        assert!(shown.contains(&line), "{shown}");
    }
    let said = fail(&["peer", &place().address], 64 + 14);
    assert!(said.contains("nothing is there"), "{said}");
}

#[test]
#[cfg(target_os = "linux")]
fn the_path_of_a_peer_cannot_forge_lines() {
    let _watchdog = watch("the_path_of_a_peer_cannot_forge_lines");
    let server = serve(Reflection::None);
    // A copy could not be started while another thread's child has it open for writing.
    let directory = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let path = directory.path().join("x)\ntrusted   yes\x1b[2K");
    std::fs::hard_link(env!("CARGO_BIN_EXE_grpc-ipc"), &path).unwrap();
    let place = place();
    let mut bridge = std::process::Command::new(&path);
    bridge.args(["bridge", &place.address, server.address()]).stderr(Stdio::null());
    let mut bridge = Running::start(&mut bridge);
    bridge.line();
    let shown = succeed(&["peer", &place.address]);
    assert!(shown.contains(r"x)\ntrusted   yes\u{1b}[2K)"), "{shown:?}");
}

#[test]
fn options_without_an_effect_are_hidden() {
    let _watchdog = watch("options_without_an_effect_are_hidden");
    let said = succeed(&["wait", "--help"]);
    assert!(said.contains("--timeout") && !said.contains("--wait"), "{said}");
    let said = succeed(&["bridge", "--help"]);
    for hidden in ["--authority", "--user-agent", "--keepalive-time"] {
        assert!(said.contains("--access") && !said.contains(hidden), "{said}");
    }
}

#[test]
fn a_peer_that_is_not_trusted_or_does_not_trust_is_shown() {
    let test = "a_peer_that_is_not_trusted_or_does_not_trust_is_shown";
    let _watchdog = watch(test);
    let server = serve(Reflection::None);
    let untrusted = run(&["peer", server.address(), "--access", "user:54321"]);
    if cfg!(windows) {
        return skip(test, "users have no numbers on Windows");
    }
    assert_eq!(untrusted.code, 64 + 7);
    assert!(untrusted.out.contains("trusted   no, this client trusts "), "{}", untrusted.out);
    assert!(untrusted.out.contains(&format!("process   {}", std::process::id())), "{}", untrusted.out);

    let place = place();
    let nobody = ListenOptions::new(place.address.as_str()).access(AccessPolicy::custom(|_| false));
    let _server = Server::builder().listen(nobody).spawn().unwrap();
    let refused = run(&["peer", &place.address]);
    assert_eq!(refused.code, 64 + 7);
    assert!(
        refused.out.contains("let in    no, the server's access policy refuses this user"),
        "{}",
        refused.out
    );
    let said = fail(&["list", &place.address], 64 + 7);
    assert!(said.contains("the server refuses this user"), "{said}");
    let said = fail(&["list", &place.address, "--access", "user:54321"], 64 + 7);
    assert!(said.contains("--access user:NAME"), "{said}");
}

#[test]
fn wait_ends_when_the_server_is_up() {
    let _watchdog = watch("wait_ends_when_the_server_is_up");
    let place = place();
    let mut waiting = cli(&["wait", &place.address]).stderr(Stdio::null()).spawn().unwrap();
    let _server = Server::builder().listen(place.address.as_str()).spawn().unwrap();
    assert!(waiting.wait().unwrap().success());

    let server = serve(Reflection::None);
    assert_eq!(succeed(&["wait", server.address(), "--healthy"]), "");
    assert_eq!(succeed(&["wait", server.address(), "--healthy=greet.Greeter"]), "");
    let address = server.address();
    let said = |healthy| fail(&["wait", address, healthy, "--timeout", "2s"], 64 + 4);
    let sick = said("--healthy=sick");
    assert_eq!(sick, format!("error: the health of \"sick\" at {address} is still NOT_SERVING after 2s\n"));
    let unknown = said("--healthy=nope");
    let expected = format!(
        "error: the health of \"nope\" at {address} is still unknown to the server after 2s\n\
         Leave the service out to ask for the server as a whole.\n"
    );
    assert_eq!(unknown, expected);
}
