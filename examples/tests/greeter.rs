//! Runs the `greeter` as a user does.

mod util;

use std::fs;
#[cfg(unix)]
use std::process::Command;

use grpc_ipc_conformance::skip;
use tempfile::TempDir;
#[cfg(unix)]
use util::GREETER;
use util::{Server, addresses, fail, greeter, succeed, watch};

#[test]
fn without_arguments_it_serves_and_calls() {
    let _watchdog = watch("without_arguments_it_serves_and_calls");
    let printed = succeed(&mut greeter(&[]));
    let lines: Vec<_> = printed.lines().collect();
    let [listening, called, hello, answered] = lines[..] else { panic!("{printed}") };
    assert!(listening.starts_with("listening on local:greeter-"), "{printed}");
    assert_eq!(hello, "Hello world");
    let peer = called.strip_prefix("called by ").expect(&printed);
    assert!(peer.contains("id=") && peer.contains(",pid=") && !peer.contains('?'), "{printed}");
    assert_eq!(answered.strip_prefix("answered by "), Some(peer), "{printed}");
}

#[test]
fn a_server_and_a_client_in_two_processes() {
    let _watchdog = watch("a_server_and_a_client_in_two_processes");
    let directory = TempDir::new().unwrap();
    for address in addresses(&directory) {
        let mut server = Server::start(&mut greeter(&["serve", &address]));
        assert!(server.ready.starts_with(&format!("listening on {address}")), "{}", server.ready);
        let printed = succeed(&mut greeter(&["call", &address, "Ada"]));
        let lines: Vec<_> = printed.lines().collect();
        let [hello, answered] = lines[..] else { panic!("{printed}") };
        assert_eq!(hello, "Hello Ada");
        let called = server.line();
        let user = |line: &str, what: &str| {
            let peer = line.strip_prefix(what).unwrap().to_owned();
            peer.split_once(",pid=").map(|(user, pid)| (user.to_owned(), pid.to_owned())).unwrap()
        };
        let (client_user, client_pid) = user(&called, "called by ");
        let (server_user, server_pid) = user(answered, "answered by ");
        assert_eq!(client_user, server_user);
        assert_ne!(client_pid, server_pid);
        // Under Wine, the started process is not the Windows program.
        if cfg!(unix) {
            assert_eq!(server_pid, server.pid().to_string());
        }
        server.stop();
    }
    assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 0, "nothing is left");
}

#[test]
fn tcp_by_the_same_commands() {
    let _watchdog = watch("tcp_by_the_same_commands");
    let server = Server::start(&mut greeter(&["serve", "http://127.0.0.1:0"]));
    let reached = server.ready.split(['(', ')']).nth(1).unwrap().to_owned();
    let printed = succeed(&mut greeter(&["call", &reached, "Ada"]));
    assert!(printed.starts_with("Hello Ada\nanswered by tcp:127.0.0.1:"), "{printed}");
    server.stop();
}

#[test]
fn a_second_server_is_refused() {
    let _watchdog = watch("a_second_server_is_refused");
    let directory = TempDir::new().unwrap();
    for address in addresses(&directory) {
        let first = Server::start(&mut greeter(&["serve", &address]));
        if cfg!(windows) && second_server_starts(&address) {
            skip("a_second_server_is_refused", "this system does not enforce FILE_FLAG_FIRST_PIPE_INSTANCE");
            return;
        }
        let said = fail(&mut greeter(&["serve", &address]));
        assert!(said.contains("is already in use by "), "{said}");
        assert!(
            said.trim_end().ends_with(&format!(",pid={}", first.pid())),
            "this user, and which process: {said}"
        );
        assert!(succeed(&mut greeter(&["call", &address])).starts_with("Hello world"));
    }
}

/// Whether the system allows two programs to serve one pipe.
#[cfg(windows)]
fn second_server_starts(address: &str) -> bool {
    use std::io::{BufRead as _, BufReader};
    use std::process::Stdio;

    let mut second = greeter(&["serve", address]).stdout(Stdio::piped()).spawn().unwrap();
    let mut line = String::new();
    BufReader::new(second.stdout.take().unwrap()).read_line(&mut line).unwrap();
    _ = second.kill();
    second.wait().unwrap();
    line.starts_with("listening on")
}

#[cfg(unix)]
fn second_server_starts(_: &str) -> bool {
    false
}

/// Once it prints that it listens, it can be asked to stop, because the signal handler is installed.
#[cfg(unix)]
#[test]
fn a_server_can_be_stopped_as_soon_as_it_listens() {
    let _watchdog = watch("a_server_can_be_stopped_as_soon_as_it_listens");
    let directory = TempDir::new().unwrap();
    let address = format!("unix:{}", directory.path().join("s").display());
    for _ in 0..60 {
        let peer = env!("CARGO_BIN_EXE_peer");
        for (program, options) in [(GREETER, &[][..]), (peer, &[]), (peer, &["--stack", "tonic"])] {
            Server::start(Command::new(program).args(options).args(["serve", &address])).stop();
            assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 0, "nothing is left");
        }
    }
}

#[test]
fn a_server_that_was_killed_is_followed_at_once() {
    let _watchdog = watch("a_server_that_was_killed_is_followed_at_once");
    let directory = TempDir::new().unwrap();
    for address in addresses(&directory) {
        Server::start(&mut greeter(&["serve", &address])).kill();
        let said = fail(&mut greeter(&["call", &address]));
        assert!(said.contains("no server is listening") || said.contains("nothing is there"), "{said}");
        let _second = Server::start(&mut greeter(&["serve", &address]));
        assert!(succeed(&mut greeter(&["call", &address])).starts_with("Hello world"));
    }
}
