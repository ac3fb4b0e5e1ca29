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
    assert!(waited.contains("nothing is there"), "{waited}");
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
    assert!(said(&["call", address, GREET, "-H", "a-bin: *"]).contains("base64"));
    assert!(said(&["call", address, GREET, "--deadline", "soon"]).contains("500ms, 5s, 2m or 1h"));
    assert!(said(&["peer", address, "--access", "me"]).contains("expected one of same-user-or-system"));
    assert!(said(&["peer", address, "--authority", "a b"]).contains("--authority \"a b\""));
    assert!(said(&["bridge", "http://0.0.0.0:0", address]).contains("--dangerous-allow-remote"));
}

#[test]
fn a_server_without_reflection_is_told() {
    let _watchdog = watch("a_server_without_reflection_is_told");
    let server = serve(Reflection::None);
    let said = fail(&["call", server.address(), GREET], 64 + 12);
    assert!(
        said.starts_with("error: the server does not tell its schema (reflection)\nName a file"),
        "{said}"
    );
}
