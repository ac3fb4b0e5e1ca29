//! Schemas from files.

use std::fs;

use prost_reflect::prost::Message as _;
use prost_reflect::prost_types::{FileDescriptorProto, FileDescriptorSet, ServiceDescriptorProto};

use crate::server::{Reflection, serve, serve_with};
use crate::util::{fail, protos, succeed, watch};

const SHAPES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/cli/shapes.proto");

#[test]
fn a_proto_file_is_described() {
    let _watchdog = watch("a_proto_file_is_described");
    assert_eq!(succeed(&["list", "--proto", SHAPES]), "shapes.Shapes\n");
    assert_eq!(succeed(&["list", "--proto", SHAPES, "shapes.Shapes"]), "shapes.Shapes/Draw\n");
    let method = succeed(&["describe", "--proto", SHAPES, "shapes.Shapes/Draw", "--template"]);
    let expected = r#"// Draws one.
// shapes.Shapes/Draw
rpc Draw(shapes.Shape) returns (stream shapes.Shape);

// A shape.
// shapes.Shape
message Shape {
  // Its name.
  string name = 1;
  optional shapes.Shape.Color color = 2;
  oneof form {
    double radius = 3;
    shapes.Shape.Rectangle rectangle = 4;
  }
  map<string, int64> sizes = 5;
  repeated shapes.Shape parts = 6;
  google.protobuf.Timestamp made = 7;
  google.protobuf.Any more = 8;
  bytes picture = 9 [deprecated = true];
  message Rectangle {
    float width = 1;
  }
  enum Color {
    NONE = 0;
    // As blood.
    RED = 1;
  }
}

{
  "color": "NONE",
  "made": "1970-01-01T00:00:00Z",
  "more": {
    "@type": "type.googleapis.com/google.protobuf.Empty",
    "value": {}
  },
  "name": "",
  "parts": [
    {}
  ],
  "picture": "",
  "radius": 0.0,
  "sizes": {
    "": "0"
  }
}
"#;
    assert_eq!(method, expected);
    let found = succeed(&["describe", "--proto", SHAPES, "shapes.Shape.Color"]);
    assert!(found.starts_with("// shapes.Shape.Color\nenum Color {\n"), "{found}");
}

#[test]
fn options_and_reserved_numbers_are_described() {
    let _watchdog = watch("options_and_reserved_numbers_are_described");
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/cli/options.proto");
    let described = ["options.Old", "options.Service", "options.Kind"]
        .map(|name| succeed(&["describe", "--proto", path, name]))
        .join("\n");
    // The file itself has the same, in the same form.
    let file = fs::read_to_string(path).unwrap();
    let (_, expected) = file.split_once("// begin\n").unwrap();
    let described: String =
        described.lines().filter(|line| !line.starts_with("// ")).fold(String::new(), |mut text, line| {
            text.push_str(line);
            text.push('\n');
            text
        });
    assert_eq!(described, expected);
}

#[test]
fn calls_work_without_reflection() {
    let _watchdog = watch("calls_work_without_reflection");
    let server = serve(Reflection::None);
    let directory = tempfile::tempdir().unwrap();
    let set = directory.path().join("greet.bin");
    fs::write(&set, protox::compile(["greet.proto"], [protos()]).unwrap().encode_to_vec()).unwrap();
    let (set, greet) = (set.to_str().unwrap(), protos().join("greet.proto"));
    let (greet, protos) = (greet.to_str().unwrap(), protos());
    let protos = protos.to_str().unwrap();
    for schema in [
        &["--proto", greet][..],
        &["--proto", "greet.proto", "-I", protos],
        &["--proto", "grpc/testing/test.proto", "--proto", "greet.proto", "--import-path", protos],
        &["--protoset", set],
    ] {
        let mut call = vec!["call", server.address(), "greet.Greeter/SayHello"];
        call.extend(schema);
        assert_eq!(succeed(&call), "{\"message\":\"Hello \"}\n", "{schema:?}");
    }
}

#[test]
fn a_schema_that_cannot_be_read_is_told() {
    let _watchdog = watch("a_schema_that_cannot_be_read_is_told");
    let directory = tempfile::tempdir().unwrap();
    let file = FileDescriptorProto {
        name: Some("ed.proto".to_owned()),
        package: Some("ed".to_owned()),
        service: vec![ServiceDescriptorProto { name: Some("Service".to_owned()), ..Default::default() }],
        ..Default::default()
    };
    let named = |name: &str| ServiceDescriptorProto { name: Some(name.to_owned()), ..Default::default() };
    let of_itself = vec!["ed.proto".to_owned()];
    for (file, why) in [
        (
            FileDescriptorProto { syntax: Some("editions".to_owned()), ..file.clone() },
            "ed.proto uses editions; grpc-ipc reads proto2 and proto3",
        ),
        (
            FileDescriptorProto { dependency: of_itself, public_dependency: vec![0], ..file.clone() },
            "ed.proto imports itself, or a file that does",
        ),
        (
            FileDescriptorProto { service: vec![named("Service"), named("a\n\x1b[2K")], ..file },
            "ed.proto has a name with control characters in it",
        ),
    ] {
        let set = FileDescriptorSet { file: vec![file] };
        let path = directory.path().join("set.bin");
        fs::write(&path, set.encode_to_vec()).unwrap();
        let said = fail(&["list", "--protoset", path.to_str().unwrap()], 2);
        assert!(said.contains(why), "{said}");
        let reflection = tonic_reflection::server::Builder::configure().register_file_descriptor_set(set);
        let reflection = reflection.build_v1().unwrap();
        let server = serve_with(Reflection::None, |server| server.add_service(reflection));
        let listed = succeed(&["list", server.address()]);
        assert!(listed.starts_with("ed.Service\n"), "{listed}");
        assert!(!listed.contains("a\n") && !listed.contains('\x1b'), "{listed:?}");
        for command in ["describe", "call"] {
            let said = fail(&[command, server.address(), "ed.Service"], 1);
            assert!(said.contains(why), "{said}");
        }
    }
}

#[test]
fn wrong_files_are_told() {
    let _watchdog = watch("wrong_files_are_told");
    let directory = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| {
        let path = directory.path().join(name);
        fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let said = fail(&["list", "--proto", "nowhere.proto"], 1);
    assert_eq!(said, "error: cannot read nowhere.proto: there is no such file\n");
    let broken = write("broken.proto", "syntax = 'proto3'; message {");
    let said = fail(&["list", "--proto", &broken], 2);
    assert!(said.contains("broken.proto:1:28"), "{said}");
    let edition = write("edition.proto", "edition = '2023';");
    let said = fail(&["list", "--proto", &edition], 2);
    assert!(said.ends_with("The file uses editions; grpc-ipc reads proto2 and proto3\n"), "{said}");
    let importing = write("importing.proto", "syntax = 'proto3'; import 'other/x.proto';");
    let said = fail(&["list", "--proto", &importing], 2);
    assert!(said.contains("other/x.proto") && said.contains("-I DIRECTORY"), "{said}");
    let said = fail(&["list", "--protoset", &broken], 2);
    assert!(said.contains("is not a complete descriptor set"), "{said}");
}
