//! `list` and `describe`, of servers.

use std::process::Command;

use grpc_ipc_conformance::skip;

use crate::server::{Reflection, serve};
use crate::util::{run, succeed, watch};

#[test]
fn services_and_methods_are_listed() {
    let _watchdog = watch("services_and_methods_are_listed");
    let server = serve(Reflection::V1);
    let services = "greet.Greeter\ngrpc.reflection.v1.ServerReflection\n\
                    grpc.testing.TestService\ngrpc.testing.UnimplementedService\n";
    assert_eq!(succeed(&["list", server.address()]), services);
    assert_eq!(succeed(&["list", server.address(), "greet.Greeter"]), "greet.Greeter/SayHello\n");
    let methods = succeed(&["list", server.address(), "--methods"]);
    assert!(methods.contains("grpc.testing.TestService/FullDuplexCall\n"), "{methods}");
    let ended = run(&["list", server.address(), "greet.HelloRequest"]);
    assert_eq!(ended.code, 2);
    assert!(ended.err.contains("greet.HelloRequest is a message, not a service"), "{}", ended.err);
}

#[test]
fn a_method_is_described_with_its_messages() {
    let _watchdog = watch("a_method_is_described_with_its_messages");
    let described = "\
// greet.Greeter/SayHello
rpc SayHello(greet.HelloRequest) returns (greet.HelloReply);

// greet.HelloRequest
message HelloRequest {
  string name = 1;
}

// greet.HelloReply
message HelloReply {
  string message = 1;
}
";
    for reflection in [Reflection::V1, Reflection::V1Alpha] {
        let server = serve(reflection);
        assert_eq!(succeed(&["describe", server.address(), "greet.Greeter/SayHello"]), described);
        assert_eq!(
            succeed(&["describe", server.address(), "greet.Greeter"]),
            "// greet.Greeter\nservice Greeter {\n  \
             rpc SayHello(greet.HelloRequest) returns (greet.HelloReply);\n}\n"
        );
        let template = succeed(&["describe", server.address(), "greet.HelloRequest", "--template"]);
        assert!(template.ends_with("\n{\n  \"name\": \"\"\n}\n"), "{template}");
    }
    let server = serve(Reflection::V1);
    let all = succeed(&["describe", server.address()]);
    assert!(
        all.contains("rpc FullDuplexCall(stream grpc.testing.StreamingOutputCallRequest) returns (stream ")
    );
}

#[test]
fn completions_and_manual_pages_are_printed() {
    let _watchdog = watch("completions_and_manual_pages_are_printed");
    for (shell, word) in [("zsh", "#compdef"), ("fish", "complete -c"), ("powershell", "Register-Argument")] {
        assert!(succeed(&["completions", shell]).contains(word), "{shell}");
        assert!(succeed(&["completions", "--help"]).contains(&format!("grpc-ipc completions {shell} >")));
    }
    let page = succeed(&["man"]);
    assert!(page.contains(".TH grpc-ipc 1") && !page.contains("grpc\\-ipc\\-help"), "{page}");
    let directory = tempfile::tempdir().unwrap();
    succeed(&["man", "--directory", directory.path().to_str().unwrap()]);
    assert!(directory.path().join("grpc-ipc-call.1").exists());
    assert!(!directory.path().join("grpc-ipc-help.1").exists());
}

#[test]
fn bash_completes_the_arguments_of_subcommands() {
    let test = "bash_completes_the_arguments_of_subcommands";
    let _watchdog = watch(test);
    let script = succeed(&["completions", "bash"]);
    let completed = |words: &[&str]| {
        // What bash itself does when the user presses Tab after the last word.
        let asking = r#"COMP_WORDS=("$@") COMP_CWORD=$(($# - 1)) COMP_LINE="$*" COMP_POINT=${#COMP_LINE}
            set -- $(complete -p grpc-ipc)
            while [ "$1" != -F ]; do shift; done
            "$2" grpc-ipc "${COMP_WORDS[COMP_CWORD]}" "${COMP_WORDS[COMP_CWORD - 1]}"
            echo "${COMPREPLY[*]}""#;
        let mut bash = Command::new("bash");
        bash.args(["--norc", "-c", &format!("{script}\n{asking}"), "bash"]).args(words).output()
    };
    let Ok(found) = completed(&["grpc-ipc", "comp"]) else { return skip(test, "bash is not installed") };
    assert_eq!(String::from_utf8_lossy(&found.stdout), "completions\n", "{found:?}");
    for (words, expected) in [
        (&["grpc-ipc", "call", "local:greeter", "--dead"][..], "--deadline\n"),
        (&["grpc-ipc", "new", "--template", "pl"], "plugin\n"),
        (&["grpc-ipc", "completions", "z"], "zsh\n"),
        (&["grpc-ipc", "help", "hea"], "health\n"),
    ] {
        let found = completed(words).unwrap();
        assert_eq!(String::from_utf8_lossy(&found.stdout), expected, "{words:?}: {found:?}");
    }
}
