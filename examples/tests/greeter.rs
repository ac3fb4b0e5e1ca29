//! The `greeter` as a user runs it, on Unix.
#![cfg(unix)]

mod util;

use std::fs;

use grpc_ipc_conformance::unique_name;
use tempfile::TempDir;
use util::{Server, fail, greeter, succeed, watch};

fn socket(directory: &TempDir) -> String {
    format!("unix:{}", directory.path().join("g.sock").display())
}

#[test]
fn without_arguments_it_serves_and_calls() {
    let _watchdog = watch("without_arguments_it_serves_and_calls");
    let printed = succeed(&mut greeter(&[]));
    let lines: Vec<_> = printed.lines().collect();
    let [listening, called, hello, answered] = lines[..] else { panic!("{printed}") };
    assert!(listening.starts_with("listening on local:greeter-"), "{printed}");
    assert_eq!(hello, "Hello world");
    let peer = called.strip_prefix("called by unix:uid=").expect(&printed);
    assert_eq!(answered.strip_prefix("answered by unix:uid="), Some(peer), "{printed}");
}

#[test]
fn a_server_and_a_client_in_two_processes() {
    let _watchdog = watch("a_server_and_a_client_in_two_processes");
    let directory = TempDir::new().unwrap();
    let mut addresses = vec![socket(&directory), format!("local:{}", unique_name("g"))];
    if cfg!(target_os = "linux") {
        addresses.push(format!("unix-abstract:{}", unique_name("g")));
    }
    addresses.push("http://127.0.0.1:0".to_owned());
    for address in addresses {
        let mut server = Server::start(&mut greeter(&["serve", &address]));
        assert!(server.ready.starts_with(&format!("listening on {address}")), "{}", server.ready);
        let reached = match address.as_str() {
            "http://127.0.0.1:0" => server.ready.split(['(', ')']).nth(1).unwrap().to_owned(),
            _ => address.clone(),
        };
        let printed = succeed(&mut greeter(&["call", &reached, "Ada"]));
        let (hello, answered) = printed.trim_end().split_once('\n').unwrap();
        assert_eq!(hello, "Hello Ada");
        let called = server.line();
        if !address.starts_with("http:") {
            assert!(called.starts_with("called by unix:uid="), "{called}");
            assert!(answered.ends_with(&format!(",pid={}", server.pid())), "{answered}");
        }
        assert!(server.terminate().success(), "it drains and ends well");
    }
    assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 0, "nothing is left");
}

#[test]
fn every_wrong_address_says_what_is_wrong() {
    let _watchdog = watch("every_wrong_address_says_what_is_wrong");
    let directory = TempDir::new().unwrap();
    let path = |name: &str| format!("{}/{name}", directory.path().display());
    fs::create_dir(path("directory")).unwrap();
    fs::write(path("file"), "precious").unwrap();
    let (too_long, missing) = (path(&"x".repeat(120)), path("missing/g.sock"));
    let (of_directory, of_file) = (format!("unix:{}", path("directory")), format!("unix:{}", path("file")));
    let both = [
        ("", "the address is empty: expected unix:PATH"),
        ("greeter", "has no known scheme: expected unix:PATH"),
        (&path("g.sock"), "did you mean unix:/"),
        ("unix:", "has no path: expected for example unix:/run/greeter.sock"),
        ("unix://host/p", "names a host, but a Unix domain socket is on this machine: write unix:/p"),
        ("npipe:greeter", "named pipes are on Windows only; use unix:PATH or local:NAME"),
        ("local:a/b", "has no portable name"),
        (&format!("unix:{too_long}"), "bytes long, at most 10"),
    ];
    for (address, message) in both {
        for command in ["serve", "call"] {
            let said = fail(&mut greeter(&[command, address]));
            assert!(said.contains(message), "{command} {address:?}: {said}");
        }
    }
    let serve = [
        (&of_directory, "a directory is at this path; choose another"),
        (&of_file, "a regular file is at this path; choose another"),
        (&format!("unix:{missing}"), "missing is no directory; create it first"),
    ];
    for (address, message) in serve {
        let said = fail(&mut greeter(&["serve", address]));
        assert!(said.contains(message), "serve {address:?}: {said}");
    }
    let call = [
        (&of_directory, "there is no socket at this path"),
        (&of_file, "there is no socket at this path"),
        (&format!("unix:{missing}"), "nothing is there; is the server running?"),
    ];
    for (address, message) in call {
        let said = fail(&mut greeter(&["call", address]));
        assert!(said.contains(message), "call {address:?}: {said}");
    }
    assert!(fs::metadata(path("directory")).unwrap().is_dir());
    assert_eq!(fs::read_to_string(path("file")).unwrap(), "precious");
    assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 2, "nothing was left or deleted");
}

#[test]
fn a_second_server_is_refused_and_a_dead_one_replaced() {
    let _watchdog = watch("a_second_server_is_refused_and_a_dead_one_replaced");
    let directory = TempDir::new().unwrap();
    let mut addresses = vec![socket(&directory)];
    if cfg!(target_os = "linux") {
        addresses.push(format!("unix-abstract:{}", unique_name("g")));
    }
    for address in addresses {
        let first = Server::start(&mut greeter(&["serve", &address]));
        let said = fail(&mut greeter(&["serve", &address]));
        assert!(said.contains(&format!("is already in use by pid {}", first.pid())), "{said}");
        assert!(succeed(&mut greeter(&["call", &address])).starts_with("Hello world"));

        first.kill();
        let said = fail(&mut greeter(&["call", &address]));
        assert!(said.contains("no server is listening"), "{said}");
        let _second = Server::start(&mut greeter(&["serve", &address]));
        assert!(succeed(&mut greeter(&["call", &address])).starts_with("Hello world"));
    }
}
