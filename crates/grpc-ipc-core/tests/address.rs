//! `Address`: every form, its canonical string, and the error for an invalid one.

use grpc_ipc_core::{Address, AddressError};

fn unix(path: &str) -> Address {
    Address::unix(path).unwrap()
}

fn pipe(name: &str) -> Address {
    Address::named_pipe(name).unwrap()
}

#[test]
fn every_form_parses() {
    let long_pipe = "x".repeat(247);
    let long_name = "x".repeat(255);
    let forms = [
        ("unix:/run/greeter.sock", unix("/run/greeter.sock")),
        ("unix:greeter.sock", unix("greeter.sock")),
        ("unix:./a dir/?x#y", unix("./a dir/?x#y")),
        ("unix:/tmp/p%20q.sock", unix("/tmp/p q.sock")),
        ("unix:p%20q.sock", unix("p q.sock")),
        ("unix:///tmp/p%20q.sock", unix("/tmp/p q.sock")),
        ("unix:/tmp/100%25.sock", unix("/tmp/100%.sock")),
        ("unix:/tmp/%2525", unix("/tmp/%25")),
        ("unix:%2ftmp%2Fx", unix("/tmp/x")),
        ("unix:/gr%C3%BC%C3%9Fe/%e2%82%ac", unix("/grüße/€")),
        ("unix:/q%3Fa%23b", unix("/q?a#b")),
        ("unix:///run/greeter.sock", unix("/run/greeter.sock")),
        ("unix:////run/greeter.sock", unix("//run/greeter.sock")),
        (r"unix:C:\dir\greeter.sock", unix(r"C:\dir\greeter.sock")),
        ("unix-abstract:greeter", Address::unix_abstract("greeter").unwrap()),
        ("unix-abstract:a%20b", Address::unix_abstract("a b").unwrap()),
        ("unix-abstract:/a/b", Address::unix_abstract("/a/b").unwrap()),
        ("npipe:greeter", pipe("greeter")),
        ("npipe:////./pipe/greeter", pipe("greeter")),
        ("npipe://./pipe/greeter", pipe("greeter")),
        (r"npipe:\\.\pipe\greeter", pipe("greeter")),
        (r"\\.\pipe\greeter", pipe("greeter")),
        (r"\\.\PIPE\greeter", pipe("greeter")),
        ("//./pipe/greeter", pipe("greeter")),
        ("//./PIPE/greeter", pipe("greeter")),
        (r"unix:\\.\pipe\greeter", pipe("greeter")),
        (r"unix:\\.\PIPE\a%20b", pipe("a%20b")),
        ("unix:////./pipe/greeter", pipe("greeter")),
        ("unix://./pipe/greeter", pipe("greeter")),
        ("http://unix://./pipe/greeter", pipe("greeter")),
        ("npipe:a...b", pipe("a...b")),
        ("npipe:.a/..b\\ c", pipe(r".a/..b\ c")),
        ("npipe:100%25", pipe("100%25")),
        (r"npipe:LOCAL\greeter", pipe(r"LOCAL\greeter")),
        (&format!("npipe:{long_pipe}"), pipe(&long_pipe)),
        ("local:greeter", Address::local("greeter").unwrap()),
        ("local:My_app-2.1", Address::local("My_app-2.1").unwrap()),
        ("systemd:", Address::systemd("").unwrap()),
        ("systemd:greeter.socket", Address::systemd("greeter.socket").unwrap()),
        ("systemd:a b%20~", Address::systemd("a b%20~").unwrap()),
        (&format!("systemd:{long_name}"), Address::systemd(long_name.as_str()).unwrap()),
        ("launchd:Listeners", Address::launchd("Listeners").unwrap()),
        ("launchd:a:b é", Address::launchd("a:b é").unwrap()),
        ("http://unix:/run/greeter.sock", unix("/run/greeter.sock")),
        ("http://unix:/run/greeter.sock:/", unix("/run/greeter.sock")),
        ("http://unix:/run/a%20b.sock", unix("/run/a%20b.sock")),
        ("http://pipe:/greeter", pipe("greeter")),
        ("http://pipe:80", Address::tcp("pipe", 80).unwrap()),
        ("http://unix:80", Address::tcp("unix", 80).unwrap()),
        ("http://[fe80::1%eth0]:80", Address::tcp("fe80::1%eth0", 80).unwrap()),
        ("http://localhost:50051", Address::tcp("localhost", 50051).unwrap()),
        ("http://127.0.0.1:0/", Address::tcp("127.0.0.1", 0).unwrap()),
        ("http://[::1]:80", Address::tcp("::1", 80).unwrap()),
    ];
    for (text, address) in forms {
        assert_eq!(text.parse(), Ok(address.clone()), "{text}");
        assert_eq!(address.to_string().parse(), Ok(address.clone()), "canonical form of {text}: {address}");
        assert_eq!(Address::parse(address.to_os_string()), Ok(address), "{text}");
    }
}

#[test]
fn the_canonical_form_is_the_shortest() {
    let canonical = |text: &str| text.parse::<Address>().unwrap().to_string();
    assert_eq!(canonical("unix:///run/a"), "unix:/run/a");
    assert_eq!(canonical("unix:////run/a"), "unix:////run/a");
    assert_eq!(canonical("http://unix:/run/a"), "unix:/run/a");
    assert_eq!(canonical(r"\\.\pipe\a"), "npipe:a");
    assert_eq!(canonical("http://pipe:/a"), "npipe:a");
    assert_eq!(canonical("http://[::1]:80/"), "http://[::1]:80");
    assert_eq!(canonical(r"unix:\\.\pipe\a"), "npipe:a");
    assert_eq!(canonical("unix:/a%20b?c#d%25"), "unix:/a b%3Fc%23d%25");
    assert_eq!(canonical("http://unix:/a%20b"), "unix:/a%2520b");
    assert_eq!(canonical("unix-abstract:a?b"), "unix-abstract:a%3Fb");
    assert_eq!(Address::custom("stdio", "plugin").to_string(), "stdio:plugin");
}

#[test]
fn a_wrong_address_says_what_would_be_right() {
    let long_pipe = format!("npipe:{}", "x".repeat(248));
    let long_local = format!("local:{}", "x".repeat(65));
    let wrong = [
        (
            "",
            "is empty: expected unix:PATH, unix-abstract:NAME, npipe:NAME, local:NAME, systemd:NAME, launchd:NAME or \
             http://HOST:PORT",
        ),
        ("greeter", "no known scheme: expected unix:PATH"),
        ("/run/greeter.sock", "did you mean unix:/run/greeter.sock?"),
        (r"C:\run\greeter.sock", r"did you mean unix:C:\run\greeter.sock?"),
        ("/run/50%.sock", "did you mean unix:/run/50%25.sock?"),
        ("tcp://localhost:5000", "did you mean http://localhost:5000?"),
        ("localhost:5000", "did you mean http://localhost:5000?"),
        ("127.0.0.1:5000", "did you mean http://127.0.0.1:5000?"),
        ("[::1]:5000", "did you mean http://[::1]:5000?"),
        ("ipv4:127.0.0.1:5000", "did you mean http://127.0.0.1:5000?"),
        ("ipv6:[::1]:5000", "did you mean http://[::1]:5000?"),
        ("dns:localhost:5000", "did you mean http://localhost:5000?"),
        ("dns:///localhost:5000", "did you mean http://localhost:5000?"),
        ("ftp://x", "no known scheme"),
        (
            "https://localhost:1",
            "did you mean http://localhost:1? TLS is an option of the connection, and not in the address",
        ),
        ("https://localhost", "no known scheme"),
        ("http://localhost:65536", "has no valid port: expected a number from 0 to 65535"),
        ("http://[::1]:99999999999", "has no valid port"),
        ("http://localhost:", "has no host and port"),
        ("UNIX:/run/a", "no known scheme"),
        ("unix:", "has no path: expected for example unix:/run/greeter.sock"),
        ("unix://", "has no path"),
        ("unix://host/p", "names a host, but a Unix domain socket is on this machine: write unix:/p"),
        ("unix://host", "write unix:host"),
        (
            "unix:/run/greeter.sock/",
            "names a directory, because it ends with '/', '/.' or '/..': write the path of the socket itself",
        ),
        ("unix:///", "names a directory"),
        ("unix:.", "names a directory"),
        ("unix:/run/..", "names a directory"),
        ("http://unix:/run/./:/", "names a directory"),
        ("unix:/a\0b", r#"address "unix:/a\0b" contains a NUL"#),
        ("unix:/a%00b", "contains a NUL"),
        ("unix:/a%", "has a '%' that is not followed by two hexadecimal digits: write %25"),
        ("unix:/a%4", "write %25"),
        ("unix:/a%+1", "write %25"),
        ("unix:/a%é", "write %25"),
        ("unix-abstract:%zz", "write %25"),
        ("unix:/a%FF", "is not Unicode"),
        ("unix:/a%C3/%A9", "is not Unicode"),
        ("unix-abstract:", "has no name: expected for example unix-abstract:greeter"),
        ("unix-abstract://host/n", "write unix-abstract:host/n"),
        ("unix-abstract:a\0", "contains a NUL"),
        ("npipe:", "has no name: expected for example npipe:greeter"),
        (r"\\.\pipe\", "has no name"),
        (r"\\server\pipe\greeter", "is not a pipe of this machine: expected npipe:NAME"),
        ("npipe://server/pipe/greeter", "is not a pipe of this machine"),
        ("//server/pipe/greeter", "is not a pipe of this machine"),
        (r"unix:\\.\pipe\", "has no name"),
        (r"unix:\\.\pipe\..\x", "has a pipe name that Windows would change"),
        ("npipe:a\0", "contains a NUL"),
        (&long_pipe, "248 UTF-16 units: at most 247 are allowed"),
        ("local:", "has no name: expected for example local:greeter"),
        ("local:a/b", "is not a valid local name: expected local:NAME of at most 64 ASCII letters"),
        ("local:..", "is not a valid local name"),
        ("local:.a", "is not a valid local name"),
        (
            "local:a.",
            "is not a valid local name: expected local:NAME of at most 64 ASCII letters, digits, '-', '_' and '.', not \
         beginning or ending with '.'",
        ),
        ("local:grüße", "is not a valid local name"),
        (&long_local, "is not a valid local name"),
        ("systemd:a:b", "has an invalid name for a systemd socket: expected systemd:NAME of at most 255"),
        ("systemd:é", "has an invalid name for a systemd socket"),
        ("systemd:a\0", "has an invalid name for a systemd socket"),
        ("systemd:a\n", "has an invalid name for a systemd socket"),
        (&format!("systemd:{}", "x".repeat(256)), "has an invalid name for a systemd socket"),
        ("launchd:", "has no name: expected for example launchd:Listeners"),
        ("launchd:a\0", "contains a NUL"),
        ("http://", "has no host and port: expected for example http://127.0.0.1:50051"),
        ("http://localhost", "has no host and port"),
        ("http://localhost:", "has no host and port"),
        ("http://localhost:+80", "has no host and port"),
        ("http://localhost:80/path", "has no host and port"),
        ("http://:80", "has no host and port"),
        ("http://::1:80", "has no host and port"),
        ("http://[::1:80", "has no host and port"),
        ("http://user@host:80", "has no host and port"),
        ("http://unix:run/a", "has no host and port"),
        ("http://[a:b]:80", "has no host and port"),
        ("http://pipe:/", "has no name"),
    ];
    for (text, message) in wrong {
        let error = text.parse::<Address>().expect_err(text).to_string();
        assert!(error.contains(message), "{text:?}: {error}");
    }
}

/// Windows also resolves `..` after `\\.\pipe\`, so such a name would open (and write to) a file or a pipe of another
/// machine. It also drops trailing dots and spaces, so the name would mean another pipe.
#[test]
fn no_pipe_has_a_name_that_windows_would_change() {
    let names = [
        ".",
        "..",
        "...",
        r"..\C:\file",
        "../C:/file",
        r"..\UNC\host\pipe\x",
        r"x\..\..\C:\file",
        r"x\.\y",
        "x/./y",
        r"x\..",
        r"x\.",
        r".\x",
        "x.",
        "x ",
        ".. ",
        r"..  \x",
        r". \x",
        r"a.\b",
        r"a \b",
        r"a\\b",
        "a//b",
        r"a\/b",
        r"a\",
        "a/",
    ];
    for name in names {
        let refused = |text: &str, address: Result<Address, AddressError>| {
            assert!(matches!(address, Err(AddressError::PipeName { .. })), "{text:?}: {address:?}");
        };
        refused(name, Address::named_pipe(name));
        let before =
            ["npipe:", r"npipe:\\.\pipe\", "npipe:////./pipe/", "npipe://./pipe/", r"\\.\pipe\", "//./pipe/"];
        for before in before.into_iter().chain(["http://pipe:/", r"unix:\\.\pipe\", "unix:////./pipe/"]) {
            let text = format!("{before}{name}");
            refused(&text, text.parse());
        }
        let path = format!(r"\\.\pipe\{name}");
        refused(&path, Address::unix(path.as_str()));
    }
}

#[test]
fn what_a_path_has_of_a_uri_is_written_so_that_it_is_read_back() {
    for text in ["%", "%20", "a%zz", "?", "#", "%3F", "//%", "a b", "ü%C3", r"C:\100%"] {
        for address in [unix(text), Address::unix_abstract(format!("x{text}")).unwrap()] {
            assert_eq!(address.to_string().parse(), Ok(address.clone()), "{address}");
            assert_eq!(Address::parse(address.to_os_string()), Ok(address.clone()), "{address}");
        }
    }
}

#[test]
fn an_address_error_is_invalid_input() {
    assert_eq!(std::io::Error::from(AddressError::Empty).kind(), std::io::ErrorKind::InvalidInput);
}

#[test]
fn a_suggested_address_parses() {
    for text in [
        "unix://host/p",
        "unix://host",
        "unix://host/50%25",
        "unix-abstract://host/n",
        "unix-abstract://host/50%25",
    ] {
        let Err(AddressError::Authority { right, .. }) = text.parse::<Address>() else { panic!("{text}") };
        assert!(right.parse::<Address>().is_ok(), "{text}: {right}");
    }
}

#[test]
#[cfg(unix)]
fn a_path_that_is_not_unicode_is_kept() {
    use std::ffi::{OsStr, OsString};
    use std::os::unix::ffi::OsStrExt as _;

    let path = OsStr::from_bytes(b"/run/\xff%.sock");
    let text = OsStr::from_bytes(b"unix:/run/\xff%25.sock");
    let address = Address::parse(text).unwrap();
    assert_eq!(address, Address::unix(path).unwrap());
    assert_eq!(address.to_os_string(), text);
    assert_eq!(address.to_string(), "unix:/run/\u{fffd}%25.sock");

    let mut pipe = OsString::from("npipe:");
    pipe.push(path);
    assert!(matches!(Address::parse(&pipe), Err(AddressError::NotUnicode { .. })));
}

#[test]
#[cfg(feature = "serde")]
fn serde_reads_and_writes_the_string() {
    let address: Address = serde_json::from_str(r#""unix:///run/a""#).unwrap();
    assert_eq!(serde_json::to_string(&address).unwrap(), r#""unix:/run/a""#);
    let error = serde_json::from_str::<Address>(r#""unix:""#).unwrap_err().to_string();
    assert!(error.contains("has no path"), "{error}");
    let error = serde_json::to_string(&Address::custom("unix", "x")).unwrap_err().to_string();
    assert!(error.contains("belongs to a custom transport"), "{error}");
}

#[test]
#[cfg(all(feature = "serde", unix))]
fn serde_refuses_what_no_string_holds() {
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt as _;

    let address = Address::unix(OsStr::from_bytes(b"/\xff")).unwrap();
    assert!(serde_json::to_string(&address).unwrap_err().to_string().contains("not Unicode"));
}
