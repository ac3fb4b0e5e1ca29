//! `Address`: every form, its canonical string, and what is said of a wrong one.

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
    let forms = [
        ("unix:/run/greeter.sock", unix("/run/greeter.sock")),
        ("unix:greeter.sock", unix("greeter.sock")),
        ("unix:./a dir/%2F?x#y", unix("./a dir/%2F?x#y")),
        ("unix:///run/greeter.sock", unix("/run/greeter.sock")),
        ("unix:////run/greeter.sock", unix("//run/greeter.sock")),
        (r"unix:C:\dir\greeter.sock", unix(r"C:\dir\greeter.sock")),
        ("unix-abstract:greeter", Address::unix_abstract("greeter").unwrap()),
        ("unix-abstract:/a/b", Address::unix_abstract("/a/b").unwrap()),
        ("npipe:greeter", pipe("greeter")),
        ("npipe:////./pipe/greeter", pipe("greeter")),
        ("npipe://./pipe/greeter", pipe("greeter")),
        (r"npipe:\\.\pipe\greeter", pipe("greeter")),
        (r"\\.\pipe\greeter", pipe("greeter")),
        (r"\\.\PIPE\greeter", pipe("greeter")),
        (r"npipe:LOCAL\greeter", pipe(r"LOCAL\greeter")),
        (&format!("npipe:{long_pipe}"), pipe(&long_pipe)),
        ("local:greeter", Address::local("greeter").unwrap()),
        ("local:My_app-2.1", Address::local("My_app-2.1").unwrap()),
        ("http://unix:/run/greeter.sock", unix("/run/greeter.sock")),
        ("http://unix:/run/greeter.sock:/", unix("/run/greeter.sock")),
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
    assert_eq!(Address::custom("stdio", "plugin").to_string(), "stdio:plugin");
}

#[test]
fn a_wrong_address_says_what_would_be_right() {
    let long_pipe = format!("npipe:{}", "x".repeat(248));
    let long_local = format!("local:{}", "x".repeat(65));
    let wrong = [
        ("", "is empty: expected unix:PATH, unix-abstract:NAME, npipe:NAME, local:NAME or http://HOST:PORT"),
        ("greeter", "no known scheme: expected unix:PATH"),
        ("/run/greeter.sock", "did you mean unix:/run/greeter.sock?"),
        ("ftp://x", "no known scheme"),
        ("https://localhost:1", "no known scheme"),
        ("UNIX:/run/a", "no known scheme"),
        ("unix:", "has no path: expected for example unix:/run/greeter.sock"),
        ("unix://", "has no path"),
        ("unix://host/p", "names a host, but a Unix domain socket is on this machine: write unix:/p"),
        ("unix://host", "write unix:host"),
        (
            "unix:/run/greeter.sock/",
            "names a directory, because of how it ends: write the path of the socket itself",
        ),
        ("unix:///", "names a directory"),
        ("unix:.", "names a directory"),
        ("unix:/run/..", "names a directory"),
        ("http://unix:/run/./:/", "names a directory"),
        ("unix:/a\0b", r#"address "unix:/a\0b" has a NUL inside"#),
        ("unix-abstract:", "has no name: expected for example unix-abstract:greeter"),
        ("unix-abstract://host/n", "write unix-abstract:host/n"),
        ("unix-abstract:a\0", "has a NUL inside"),
        ("npipe:", "has no name: expected for example npipe:greeter"),
        (r"\\.\pipe\", "has no name"),
        (r"\\server\pipe\greeter", "is no pipe of this machine: expected npipe:NAME"),
        ("npipe://server/pipe/greeter", "is no pipe of this machine"),
        ("npipe:a\0", "has a NUL inside"),
        (&long_pipe, "248 UTF-16 units: at most 247 are allowed"),
        ("local:", "has no name: expected for example local:greeter"),
        ("local:a/b", "has no portable name: expected local:NAME of at most 64 ASCII letters"),
        ("local:..", "has no portable name"),
        ("local:grüße", "has no portable name"),
        (&long_local, "has no portable name"),
        ("http://", "has no host and port: expected for example http://127.0.0.1:50051"),
        ("http://localhost", "has no host and port"),
        ("http://localhost:", "has no host and port"),
        ("http://localhost:+80", "has no host and port"),
        ("http://localhost:99999", "has no host and port"),
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

#[test]
fn an_address_error_is_invalid_input() {
    assert_eq!(std::io::Error::from(AddressError::Empty).kind(), std::io::ErrorKind::InvalidInput);
}

#[test]
fn a_suggested_address_parses() {
    for text in ["unix://host/p", "unix://host", "unix-abstract://host/n"] {
        let Err(AddressError::Authority { right, .. }) = text.parse::<Address>() else { panic!("{text}") };
        assert!(right.parse::<Address>().is_ok(), "{text}: {right}");
    }
}

#[test]
#[cfg(unix)]
fn a_path_that_is_not_unicode_is_kept() {
    use std::ffi::{OsStr, OsString};
    use std::os::unix::ffi::OsStrExt as _;

    let path = OsStr::from_bytes(b"/run/\xff.sock");
    let mut text = OsString::from("unix:");
    text.push(path);
    let address = Address::parse(&text).unwrap();
    assert_eq!(address, Address::unix(path).unwrap());
    assert_eq!(address.to_os_string(), text);
    assert_eq!(address.to_string(), "unix:/run/\u{fffd}.sock");

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
    assert!(error.contains("is not one to be parsed"), "{error}");
}

#[test]
#[cfg(all(feature = "serde", unix))]
fn serde_refuses_what_no_string_holds() {
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt as _;

    let address = Address::unix(OsStr::from_bytes(b"/\xff")).unwrap();
    assert!(serde_json::to_string(&address).unwrap_err().to_string().contains("not Unicode"));
}
