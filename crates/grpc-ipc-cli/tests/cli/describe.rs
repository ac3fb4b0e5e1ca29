//! `list` and `describe`, of servers.

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

message greet.HelloRequest {
  string name = 1;
}

message greet.HelloReply {
  string message = 1;
}
";
    for reflection in [Reflection::V1, Reflection::V1Alpha] {
        let server = serve(reflection);
        assert_eq!(succeed(&["describe", server.address(), "greet.Greeter/SayHello"]), described);
        assert_eq!(
            succeed(&["describe", server.address(), "greet.Greeter"]),
            "service greet.Greeter {\n  rpc SayHello(greet.HelloRequest) returns (greet.HelloReply);\n}\n"
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
    assert!(succeed(&["completions", "bash"]).contains("complete -F _grpc__ipc "));
    assert!(succeed(&["man"]).contains(".TH grpc-ipc 1"));
    let directory = tempfile::tempdir().unwrap();
    succeed(&["man", "--directory", directory.path().to_str().unwrap()]);
    assert!(directory.path().join("grpc-ipc-call.1").exists());
}
