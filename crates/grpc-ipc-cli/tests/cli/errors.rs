//! What a wrong input says, and with which exit code the command ends.

use crate::server::{Reflection, serve};
use crate::util::{fail, place, run, run_with_input, watch};

const GREET: &str = "greet.Greeter/SayHello";

#[test]
fn misspelled_names_get_a_suggestion() {
    let _watchdog = watch("misspelled_names_get_a_suggestion");
    let server = serve(Reflection::V1);
    let said = |method| fail(&["call", server.address(), method], 2);
    assert_eq!(
        said("greet.Greeter/SayHelo"),
        "error: the service greet.Greeter has no method \"SayHelo\"\nDid you mean `greet.Greeter/SayHello`?\n"
    );
    assert_eq!(
        said("greet.Greter/SayHello"),
        "error: the server's schema has no \"greet.Greter/SayHello\"\nDid you mean `greet.Greeter/SayHello`?\n"
    );
    assert!(said("SayHello").ends_with("Did you mean `greet.Greeter/SayHello`?\n"));
    assert!(said("Greeter").ends_with("Did you mean `greet.Greeter`?\n"));
    assert!(said("shop.Orders/Buy").contains("The services are: "));
    assert_eq!(
        said("greet.Greeter"),
        "error: greet.Greeter is a service; a method can be called\nIts methods are: greet.Greeter/SayHello\n"
    );
    let said = fail(&["describe", server.address(), "greet.HelloReqest"], 2);
    assert!(said.ends_with("Did you mean `greet.HelloRequest`?\n"), "{said}");
}

#[test]
fn wrong_json_is_told_with_its_place() {
    let _watchdog = watch("wrong_json_is_told_with_its_place");
    let server = serve(Reflection::V1);
    let said = |data| fail(&["call", server.address(), GREET, "-d", data], 2);
    assert_eq!(
        said(r#"{"nmae": "Ada"}"#),
        "error: the JSON of -d is wrong at line 1, column 8: unrecognized field name 'nmae'\n  \
         {\"nmae\":\n         ^\nDid you mean `name`?\n"
    );
    assert!(said(r#"{"surname": "A"}"#).ends_with("The fields of greet.HelloRequest are: name\n"));
    let broken = said("{\n  \"name\": Ada\n}");
    assert!(broken.contains("wrong at line 2, column 11: expected value\n    \"name\": A\n"), "{broken}");
    assert!(said("{\"name\": 5}").contains("invalid type: integer `5`, expected a string"));
    assert_eq!(said("{} {}"), "error: greet.Greeter.SayHello takes one message, and the request has 2\n");
    assert!(said(" ").starts_with("error: there is no JSON in the request\n"));

    // Both are fields, but of other messages.
    let said = |data| fail(&["call", server.address(), "grpc.testing.TestService/UnaryCall", "-d", data], 2);
    let known = said(r#"{"code": 1}"#);
    assert!(known.contains("\nThe fields of grpc.testing.SimpleRequest are: "), "{known}");
    let known = said(r#"{"responseStatus": {"responseSise": "a\"{", "mesage": "b"}}"#);
    assert!(known.ends_with("\nThe fields of grpc.testing.EchoStatus are: code, message\n"), "{known}");

    let ended =
        run(&["call", server.address(), GREET, "-d", r#"{"surname": "A"}"#, "--allow-unknown-fields"]);
    assert_eq!((ended.code, ended.out.as_str()), (0, "{\"message\":\"Hello \"}\n"));

    let method = "grpc.testing.TestService/FullDuplexCall";
    let request = r#"{"responseParameters": [{"size": 1}]}"#;
    let ended = run_with_input(&["call", server.address(), method], &format!("{request}\n{{\"x\": 1}}\n"));
    assert_eq!(ended.code, 2);
    assert!(ended.err.contains("the JSON of standard input is wrong at line 2, column 5"), "{}", ended.err);
    let said = fail(&["call", server.address(), GREET, "-d", "@/no/such/file"], 1);
    assert!(said.starts_with("error: cannot read /no/such/file: "), "{said}");
}

#[test]
fn the_status_of_a_call_is_the_exit_code() {
    let _watchdog = watch("the_status_of_a_call_is_the_exit_code");
    let server = serve(Reflection::V1);
    let method = "grpc.testing.TestService/UnaryCall";
    for code in 1..=16 {
        let data = format!(r#"{{"responseStatus": {{"code": {code}, "message": "because"}}}}"#);
        let said = fail(&["call", server.address(), method, "-d", &data], 64 + code);
        assert!(said.contains(&format!("({code}): because")), "{said}");
        assert!(said.contains(r#""message":"more""#), "{said}");
    }
    let data = r#"{"responseStatus": {"code": 5, "message": "no such user"}}"#;
    let said = fail(&["call", server.address(), method, "-d", data, "--format-error"], 69);
    for part in
        [r#""code": 5"#, r#""status": "NOT_FOUND""#, r#""message": "no such user""#, r#""message": "more""#]
    {
        assert!(said.contains(part), "{said}");
    }
    assert!(said.starts_with('{') && said.ends_with("}\n"), "{said}");
}

#[test]
fn a_server_that_cannot_be_reached_is_told() {
    let _watchdog = watch("a_server_that_cannot_be_reached_is_told");
    let place = place();
    let said = fail(&["call", &place.address, GREET], 64 + 14);
    assert!(said.contains("nothing is there; is the server running?\nStart the server"), "{said}");
    let said = fail(&["list", "http://127.0.0.1:1"], 64 + 14);
    assert!(said.contains("no server is listening"), "{said}");
    let waited = fail(&["wait", &place.address, "--timeout", "100ms"], 64 + 14);
    let expected = format!("error: nothing came up at {} within 100ms\n", place.address);
    assert_eq!(waited, expected);
    let waited = fail(&["wait", &place.address, "--timeout", "100ms", "--healthy"], 64 + 14);
    assert_eq!(waited, expected);
}

#[test]
#[cfg(unix)]
fn a_deadline_covers_connecting_and_the_schema() {
    use std::io::Write as _;
    use std::os::unix::net::UnixListener;

    let _watchdog = watch("a_deadline_covers_connecting_and_the_schema");
    let place = place();
    let listener = UnixListener::bind(place.address.strip_prefix("unix:").unwrap()).unwrap();
    // It does not accept yet.
    let waited = fail(&["wait", &place.address, "--timeout", "100ms"], 64 + 14);
    assert!(waited.contains("nothing came up at"), "{waited}");
    let greet = crate::util::protos().join("greet.proto");
    for command in [
        &["health", &place.address][..],
        &["call", &place.address, GREET, "--proto", greet.to_str().unwrap()],
    ] {
        let said = fail(&[command, &["--deadline", "100ms"]].concat(), 64 + 4);
        assert!(said.contains("cannot connect to unix:"), "{said}");
    }
    std::thread::spawn(move || {
        let mut connections = Vec::new();
        for connection in listener.incoming() {
            let mut connection = connection.unwrap();
            // SETTINGS, and nothing else. The clients from before have gone.
            _ = connection.write_all(&[0, 0, 0, 4, 0, 0, 0, 0, 0]);
            connections.push(connection);
        }
    });
    for command in
        [&["list", &place.address][..], &["describe", &place.address], &["call", &place.address, GREET]]
    {
        let said = fail(&[command, &["--deadline", "300ms"]].concat(), 64 + 4);
        assert!(said.starts_with("error: DEADLINE_EXCEEDED (4): "), "{said}");
    }
}

#[test]
fn what_a_server_says_cannot_command_the_terminal() {
    let _watchdog = watch("what_a_server_says_cannot_command_the_terminal");
    let server = serve(Reflection::V1);
    let method = "grpc.testing.TestService/UnaryCall";
    let data = r#"{"responseStatus": {"code": 5, "message": "a\u001b[2K\nerror: b\u009b"}}"#;
    let said = fail(&["call", server.address(), method, "-d", data], 69);
    assert!(said.starts_with("error: NOT_FOUND (5): a\\u{1b}[2K\n  error: b\\u{9b}\n"), "{said:?}");
}

#[test]
fn wrong_arguments_are_told_before_anything_is_sent() {
    let _watchdog = watch("wrong_arguments_are_told_before_anything_is_sent");
    let said = |arguments: &[&str]| fail(arguments, 2);
    assert!(said(&["call", "greeter", GREET]).contains("has no known scheme"));
    assert!(said(&["list", "greeter"]).contains("has no known scheme"));
    assert!(said(&["list"]).contains("Name the server's address"));
    let address = "local:nobody";
    assert!(said(&["call", address, GREET, "-H", "token"]).contains("there is no colon"));
    assert!(said(&["call", address, GREET, "-H", "grpc-timeout: 1S"]).contains("gRPC's own"));
    for header in ["te: x", "Content-Type: x", "connection: close"] {
        assert!(said(&["call", address, GREET, "-H", header]).contains("HTTP/2's own"), "{header}");
    }
    assert!(said(&["call", address, GREET, "--deadline", "99999999999h"]).contains("99999999h"));
    assert!(said(&["call", address, GREET, "-H", "a-bin: *"]).contains("base64"));
    assert!(said(&["call", address, GREET, "--deadline", "soon"]).contains("500ms, 5s, 2m or 1h"));
    assert!(said(&["peer", address, "--access", "me"]).contains("expected one of same-user-or-system"));
    assert!(said(&["peer", address, "--authority", "a b"]).contains("--authority \"a b\""));
    assert!(said(&["bridge", "http://0.0.0.0:0", address]).contains("--dangerous-allow-remote"));
    for command in ["list", "peer"] {
        let https = said(&[command, "https://localhost:50051"]);
        assert!(https.contains("did you mean http://localhost:50051? TLS is an option"), "{https}");
        assert!(https.contains("\nFor a server that speaks TLS: --cacert FILE\n"), "{https}");
        let port = said(&[command, "http://localhost:70000"]);
        assert!(port.contains("no valid port: expected a number from 0 to 65535"), "{port}");
    }
}

#[test]
#[cfg(unix)]
fn a_user_that_does_not_exist_is_a_wrong_argument() {
    let _watchdog = watch("a_user_that_does_not_exist_is_a_wrong_argument");
    let place = place();
    let said = fail(&["list", &place.address, "--access", "user:no-such-user"], 2);
    assert!(
        said.starts_with("error: the user \"no-such-user\" in the access policy is not valid: "),
        "{said}"
    );
    let said = fail(&["bridge", &place.address, "local:nobody", "--allow", "group:no-such-group"], 2);
    assert!(
        said.starts_with("error: the group \"no-such-group\" in the access policy is not valid"),
        "{said}"
    );
}

#[test]
fn a_path_that_the_shell_has_not_expanded_is_told() {
    let _watchdog = watch("a_path_that_the_shell_has_not_expanded_is_told");
    let hint = "\nThe shell does not expand ~ inside of an address. Write unix:$HOME/…\n";
    let said = fail(&["list", "unix:~/no-such-socket"], 64 + 14);
    assert!(said.ends_with(hint), "{said}");
    let said = fail(&["bridge", "unix:~/no-such-socket", "local:nobody"], 1);
    assert!(said.ends_with(hint), "{said}");
}

#[test]
fn a_method_that_only_the_files_have_is_told() {
    let _watchdog = watch("a_method_that_only_the_files_have_is_told");
    let server = serve(Reflection::None);
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/cli/shapes.proto");
    let said = fail(&["call", server.address(), "shapes.Shapes/Draw", "--proto", file], 64 + 12);
    assert!(said.starts_with("error: UNIMPLEMENTED (12): "), "{said}");
    assert!(said.contains("\nThe files have shapes.Shapes.Draw, but the server may not. "), "{said}");
}

#[test]
fn a_server_without_reflection_is_told() {
    let _watchdog = watch("a_server_without_reflection_is_told");
    let server = serve(Reflection::None);
    let said = fail(&["call", server.address(), GREET], 64 + 12);
    assert!(
        said.starts_with(
            "error: the server has no reflection service, so its methods are unknown\nName a file"
        ),
        "{said}"
    );
}
