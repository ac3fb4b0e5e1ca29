//! `call` of all four kinds.

use std::io::Write as _;
use std::process::Stdio;

use crate::server::{Reflection, serve};
use crate::util::{Running, cli, fail, run, run_with_input, succeed, watch};

const GREET: &str = "greet.Greeter/SayHello";
const INPUT: &str = "grpc.testing.TestService/StreamingInputCall";
const OUTPUT: &str = "grpc.testing.TestService/StreamingOutputCall";
const DUPLEX: &str = "grpc.testing.TestService/FullDuplexCall";

#[test]
fn one_message_is_sent_and_one_received() {
    let _watchdog = watch("one_message_is_sent_and_one_received");
    for reflection in [Reflection::V1, Reflection::V1Alpha] {
        let server = serve(reflection);
        let call = |method, data| succeed(&["call", server.address(), method, "-d", data]);
        assert_eq!(call(GREET, r#"{"name": "Ada"}"#), "{\"message\":\"Hello Ada\"}\n");
        for name in ["greet.Greeter.SayHello", "/greet.Greeter/SayHello"] {
            assert_eq!(call(name, "{}"), "{\"message\":\"Hello \"}\n");
        }
    }
    let server = serve(Reflection::V1);
    assert_eq!(succeed(&["call", server.address(), GREET]), "{\"message\":\"Hello \"}\n");
    let pretty = succeed(&["call", server.address(), GREET, "--pretty"]);
    assert_eq!(pretty, "{\n  \"message\": \"Hello \"\n}\n");
    let read = run_with_input(&["call", server.address(), GREET, "-d", "@"], "\n{\"name\":\n\"Ada\"}\n\n");
    assert_eq!((read.code, read.out.as_str()), (0, "{\"message\":\"Hello Ada\"}\n"), "{}", read.err);
}

#[test]
fn a_stream_of_responses_is_printed_a_line_each() {
    let _watchdog = watch("a_stream_of_responses_is_printed_a_line_each");
    let server = serve(Reflection::V1);
    let data = r#"{"responseParameters": [{"size": 1}, {"size": 3}]}"#;
    let printed = succeed(&["call", server.address(), OUTPUT, "-d", data]);
    assert_eq!(printed, "{\"payload\":{\"body\":\"AA==\"}}\n{\"payload\":{\"body\":\"AAAA\"}}\n");
}

#[test]
fn a_stream_of_requests_is_read_from_standard_input() {
    let _watchdog = watch("a_stream_of_requests_is_read_from_standard_input");
    let server = serve(Reflection::V1);
    let sum = |size| format!("{{\"aggregatedPayloadSize\":{size}}}\n");
    let requests = "{\"payload\": {\"body\": \"AAAA\"}} {\"payload\":\n{\"body\": \"AA==\"}}\n";
    let ended = run_with_input(&["call", server.address(), INPUT], requests);
    assert_eq!((ended.code, ended.out, ended.err.as_str()), (0, sum(4), ""));
    let empty = run_with_input(&["call", server.address(), INPUT], "");
    // Zero is the default.
    assert_eq!((empty.code, empty.out.as_str()), (0, "{}\n"));
    let one = r#"{"payload": {"body": "AAAA"}}"#;
    assert_eq!(succeed(&["call", server.address(), INPUT, "-d", one, "-d", one]), sum(6));
}

#[test]
fn responses_are_printed_while_requests_are_read() {
    let _watchdog = watch("responses_are_printed_while_requests_are_read");
    let server = serve(Reflection::V1);
    let mut command = cli(&["call", server.address(), DUPLEX]);
    let mut call = Running::start(command.stdin(Stdio::piped()));
    let mut input = call.child.stdin.take().unwrap();
    for _ in 0..3 {
        writeln!(input, r#"{{"responseParameters": [{{"size": 1}}]}}"#).unwrap();
        assert_eq!(call.line(), r#"{"payload":{"body":"AA=="}}"#);
    }
    drop(input);
    assert!(call.lines.next().is_none());
    assert!(call.child.wait().unwrap().success());
}

#[test]
#[cfg(unix)]
fn ctrl_c_and_sigterm_cancel_a_call() {
    use rustix::process::{Pid, Signal, kill_process};

    let _watchdog = watch("ctrl_c_and_sigterm_cancel_a_call");
    let server = serve(Reflection::V1);
    for (signal, code) in [(Signal::INT, 130), (Signal::TERM, 143)] {
        let mut command = cli(&["call", server.address(), DUPLEX]);
        let mut call = Running::start(command.stdin(Stdio::piped()));
        let mut input = call.child.stdin.take().unwrap();
        writeln!(input, r#"{{"responseParameters": [{{"size": 1}}]}}"#).unwrap();
        call.line();
        kill_process(Pid::from_child(&call.child), signal).unwrap();
        assert_eq!(call.child.wait().unwrap().code(), Some(code));
    }
}

#[test]
fn json_may_have_a_byte_order_mark() {
    let _watchdog = watch("json_may_have_a_byte_order_mark");
    let server = serve(Reflection::V1);
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("request.json");
    // PowerShell writes UTF-16.
    let text: Vec<u8> = "\u{feff}{\"name\": \"Zoë\"}\r\n".encode_utf16().flat_map(u16::to_le_bytes).collect();
    std::fs::write(&path, text).unwrap();
    let file = format!("@{}", path.display());
    assert_eq!(succeed(&["call", server.address(), GREET, "-d", &file]), "{\"message\":\"Hello Zoë\"}\n");
    let ended = run_with_input(&["call", server.address(), GREET, "-d", "@"], "\u{feff}{\"name\": \"Ada\"}");
    assert_eq!((ended.code, ended.out.as_str()), (0, "{\"message\":\"Hello Ada\"}\n"), "{}", ended.err);
}

#[test]
fn metadata_and_deadline_are_sent() {
    let _watchdog = watch("metadata_and_deadline_are_sent");
    let server = serve(Reflection::V1);
    let call = |more: &[&str]| {
        let mut arguments = vec!["call", server.address(), GREET, "-d", r#"{"name": "late"}"#];
        arguments.extend(more);
        run(&arguments)
    };
    assert_eq!(call(&[]).code, 64 + 9);
    let ended = call(&["--deadline", "60s", "-H", "X-From: Ada", "-H", "x-key-bin: AQI="]);
    assert_eq!(
        ended.out, "{\"message\":\"Hello late, from Ada, b\\\"\\\\x01\\\\x02\\\"\"}\n",
        "{}",
        ended.err
    );
    let shown = call(&["--max-time", "60", "-v"]).err;
    assert!(shown.contains("calling /greet.Greeter/SayHello"), "{shown}");
    assert!(shown.contains("response metadata:\n") && shown.contains("  x-server: ours\n"), "{shown}");

    let mut command = cli(&["call", server.address(), GREET, "-H", "x-from: ${WHO}", "--expand-headers"]);
    let output = command.env("WHO", "Eve").output().unwrap();
    assert_eq!(String::from_utf8(output.stdout).unwrap(), "{\"message\":\"Hello , from Eve\"}\n");

    let wait = ["call", server.address(), GREET, "-d", r#"{"name": "wait"}"#, "--deadline", "50ms"];
    let said = fail(&wait, 64 + 4);
    assert!(said.starts_with("error: DEADLINE_EXCEEDED (4): "), "{said}");
}

#[test]
fn output_has_the_form_that_is_wanted() {
    let _watchdog = watch("output_has_the_form_that_is_wanted");
    let server = serve(Reflection::V1);
    let method = "grpc.testing.TestService/UnaryCall";
    let call = |option| succeed(&["call", server.address(), method, "-d", "{}", option]);
    assert_eq!(call("-c"), "{\"payload\":{}}\n");
    let all = call("--emit-defaults");
    assert!(all.contains(r#""username":"","oauthScope":"""#), "{all}");
    assert!(all.contains(r#""type":"COMPRESSABLE""#), "{all}");
    let names =
        succeed(&["call", server.address(), method, "--emit-defaults", "--proto-names", "--enum-numbers"]);
    assert!(names.contains(r#""oauth_scope":"""#), "{names}");
    assert!(names.contains(r#""type":0"#), "{names}");
}

#[test]
fn large_messages_pass() {
    let _watchdog = watch("large_messages_pass");
    let server = serve(Reflection::V1);
    // More than the 4 MiB that clients of gRPC accept by default.
    let data = r#"{"responseSize": 6000000}"#;
    let method = "grpc.testing.TestService/UnaryCall";
    let printed = succeed(&["call", server.address(), method, "-d", data]);
    assert!(printed.len() > 8_000_000);
    let said =
        fail(&["call", server.address(), method, "-d", data, "--max-message-size", "1000000"], 64 + 11);
    assert!(said.contains("OUT_OF_RANGE (11)"), "{said}");
}

#[test]
#[cfg(not(windows))]
fn tls_is_spoken_if_wanted() {
    use grpc_ipc::tls::{Identity, ServerTls};
    use grpc_ipc::{ListenOptions, Server};
    use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};

    let _watchdog = watch("tls_is_spoken_if_wanted");
    let mut params = CertificateParams::new([]).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
    let key = KeyPair::generate().unwrap();
    let params = CertificateParams::new(["localhost".to_owned()]).unwrap();
    let certificate = params.signed_by(&key, &authority).unwrap();
    let directory = tempfile::tempdir().unwrap();
    let cacert = directory.path().join("authority.pem");
    std::fs::write(&cacert, authority.pem()).unwrap();

    let place = crate::util::place();
    let tls = ServerTls::new(Identity::from_pem(certificate.pem(), key.serialize_pem()).unwrap());
    let listen = ListenOptions::new(place.address.as_str()).tls(tls);
    let _server = Server::builder().add_service(crate::server::greeter()).listen(listen).spawn().unwrap();
    let greet = crate::util::protos().join("greet.proto");
    let mut call = vec!["call", &place.address, GREET, "--proto", greet.to_str().unwrap()];
    let said = fail(&call, 64 + 14);
    assert!(
        said.contains("TLS") && said.ends_with("For a server that speaks TLS: --cacert FILE\n"),
        "{said}"
    );
    call.extend(["--cacert", cacert.to_str().unwrap()]);
    assert_eq!(succeed(&call), "{\"message\":\"Hello \"}\n");
    call.extend(["--servername", "example.com"]);
    let said = fail(&call, 64 + 14);
    assert!(said.contains("example.com"), "{said}");
}
