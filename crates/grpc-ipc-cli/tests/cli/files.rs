//! Schemas from files.

use std::fs;

use prost_reflect::prost::Message as _;

use crate::server::{Reflection, serve};
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
message shapes.Shape {
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
    assert!(found.starts_with("enum shapes.Shape.Color {\n"), "{found}");
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
    let importing = write("importing.proto", "syntax = 'proto3'; import 'other/x.proto';");
    let said = fail(&["list", "--proto", &importing], 2);
    assert!(said.contains("other/x.proto") && said.contains("-I DIRECTORY"), "{said}");
    let said = fail(&["list", "--protoset", &broken], 2);
    assert!(said.contains("is not a complete descriptor set"), "{said}");
}
