//! The `greeter`'s errors for wrong addresses.

mod util;

use util::{fail, greeter, watch};

#[test]
#[cfg(unix)]
fn every_wrong_address_says_what_is_wrong() {
    use std::fs;

    use tempfile::TempDir;

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
        ("localhost:5000", "did you mean http://localhost:5000?"),
        ("unix:/a%", "write %25"),
        ("npipe:greeter", "named pipes are on Windows only; use unix:PATH or local:NAME"),
        (r"unix:\\.\pipe\greeter", "named pipes are on Windows only; use unix:PATH or local:NAME"),
        ("local:a/b", "is not a valid local name"),
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
        (
            &format!("unix:{missing}"),
            "missing is not an existing directory; create it, or have the server create it",
        ),
    ];
    for (address, message) in serve {
        let said = fail(&mut greeter(&["serve", address]));
        assert!(said.contains(message), "serve {address:?}: {said}");
    }
    let call = [
        (&of_directory, "a directory is at this path, not a socket"),
        (&of_file, "a regular file is at this path, not a socket"),
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
#[cfg(windows)]
fn every_wrong_address_says_what_is_wrong() {
    let _watchdog = watch("every_wrong_address_says_what_is_wrong");
    let too_long = format!("npipe:{}", "x".repeat(248));
    let wrong = [
        ("", "the address is empty: expected unix:PATH"),
        ("greeter", "has no known scheme: expected unix:PATH"),
        ("npipe:", "has no name: expected for example npipe:greeter"),
        (&too_long, "has a pipe name of 248 UTF-16 units: at most 247 are allowed"),
        (r"npipe:..\C:\file", "has a pipe name that Windows would change"),
        (r"npipe:..\UNC\127.0.0.1\pipe\greeter", "has a pipe name that Windows would change"),
        (r"unix:\\server\share\g.sock", "the path must be on this machine"),
        (r"\\server\pipe\greeter", "is not a pipe of this machine: expected npipe:NAME"),
        ("npipe://server/pipe/greeter", "is not a pipe of this machine: expected npipe:NAME"),
        ("local:a/b", "is not a valid local name"),
    ];
    for (address, message) in wrong {
        for command in ["serve", "call"] {
            let said = fail(&mut greeter(&[command, address]));
            assert!(said.contains(message), "{command} {address:?}: {said}");
        }
    }
    let said = fail(&mut greeter(&["call", "npipe:nobody-listens-here"]));
    assert!(said.contains("nothing is there; is the server running?"), "{said}");
}
