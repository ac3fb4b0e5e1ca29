//! Each mistake in a build script causes an error that says what to do.

use std::path::Path;

use crate::util::Fixture;
use grpc_ipc_build::{Error, configure};

const SERVICE: &str = "syntax = 'proto3'; package greet; message Empty {} ";

fn error(files: &[(&str, &str)], protos: &[&str]) -> (Error, String) {
    let fixture = Fixture::new(files);
    let error = fixture.compile(configure(), protos).expect_err("an error");
    let shown = format!("{error:?}");
    (error, shown)
}

#[test]
fn a_missing_file() {
    let error = grpc_ipc_build::compile_protos(&["proto/missing.proto"]).unwrap_err();
    assert!(matches!(&error, Error::FileNotFound { path, .. } if path == Path::new("proto/missing.proto")));
    let directory = std::env::current_dir().unwrap();
    let expected = format!(
        "proto/missing.proto does not exist in {}: a path is relative to the directory of Cargo.toml",
        directory.display()
    );
    assert_eq!(format!("{error:?}"), expected);
}

#[test]
fn a_missing_file_in_this_directory() {
    let error = grpc_ipc_build::compile_protos(&["missing.proto"]).unwrap_err();
    assert!(matches!(error, Error::FileNotFound { .. }), "{error}");
}

#[test]
fn no_file() {
    let error = grpc_ipc_build::compile_protos(&[] as &[&str]).unwrap_err();
    assert!(matches!(error, Error::NoFiles), "{error}");
}

#[test]
fn a_file_in_no_include_directory() {
    let fixture = Fixture::new(&[("here/greet.proto", SERVICE), ("there/other.proto", SERVICE)]);
    let error = configure()
        .out_dir(fixture.path("out"))
        .compile_protos(&[fixture.path("here/greet.proto")], &[fixture.path("there")])
        .unwrap_err();
    assert!(matches!(&error, Error::FileNotIncluded { includes, .. } if includes.len() == 1), "{error}");
}

#[test]
fn a_syntax_error() {
    let (error, shown) = error(
        &[("greet.proto", "syntax = 'proto3';\nmessage HelloRequest {\n  strin name 1;\n}\n")],
        &["greet.proto"],
    );
    assert!(matches!(error, Error::Proto(_)));
    assert!(shown.starts_with("greet.proto:3:14: expected "), "{shown}");
}

#[test]
fn an_unknown_type() {
    let (error, shown) = error(
        &[(
            "greet.proto",
            "syntax = 'proto3';\npackage greet;\nmessage HelloRequest {\n  Name name = 1;\n}\n",
        )],
        &["greet.proto"],
    );
    assert!(matches!(error, Error::Proto(_)));
    assert!(shown.contains("greet.proto:4:3:") && shown.contains("'Name'"), "{shown}");
}

#[test]
fn an_import_that_is_not_found() {
    let (error, shown) =
        error(&[("greet.proto", "syntax = 'proto3';\nimport 'names.proto';\n")], &["greet.proto"]);
    assert!(matches!(error, Error::ImportNotFound { .. }));
    assert!(shown.starts_with("greet.proto:2:1: import 'names.proto' not found in any of"), "{shown}");
    assert!(shown.contains("compile_protos(&[files], &[directories])"), "{shown}");
}

#[test]
fn what_is_no_attribute() {
    for builder in [
        configure().type_attribute(".", "derive(Eq)"),
        configure().field_attribute(".", "derive(Eq)"),
        configure().message_attribute(".", "derive(Eq)"),
        configure().enum_attribute(".", "derive(Eq)"),
        configure().client_attribute(".", "derive(Eq)"),
        configure().client_mod_attribute(".", "derive(Eq)"),
        configure().server_attribute(".", "derive(Eq)"),
        configure().server_mod_attribute(".", "derive(Eq)"),
        configure().trait_attribute(".", "derive(Eq)"),
    ] {
        let fixture = Fixture::new(&[("greet.proto", SERVICE)]);
        let error = fixture.compile(builder, &["greet.proto"]).unwrap_err();
        assert!(matches!(&error, Error::Attribute { text, .. } if text == "derive(Eq)"), "{error}");
    }
}

#[test]
fn methods_with_the_same_name() {
    let service = format!(
        "{SERVICE} service Greeter {{ rpc SayHello (Empty) returns (Empty); rpc say_hello (Empty) returns (Empty); }}"
    );
    let (error, shown) = error(&[("greet.proto", &service)], &["greet.proto"]);
    assert!(matches!(error, Error::SameName { .. }));
    assert_eq!(
        shown,
        "greet.Greeter: the methods SayHello and say_hello are both called `say_hello` in Rust: rename one of them"
    );
}

#[test]
fn an_extern_path_without_a_dot() {
    let fixture = Fixture::new(&[("greet.proto", SERVICE)]);
    let builder = configure().extern_path("greet.Empty", "::other::Empty");
    let error = fixture.compile(builder, &["greet.proto"]).unwrap_err();
    assert!(matches!(&error, Error::Generate(message) if message.contains("leading '.'")), "{error}");
}

#[test]
fn outside_of_a_build_script() {
    // Cargo sets it for the tests of packages with a build script.
    assert!(std::env::var_os("OUT_DIR").is_none());
    let error = grpc_ipc_build::compile_fds(grpc_ipc_build::FileDescriptorSet::default()).unwrap_err();
    assert!(matches!(error, Error::NoOutDir));
    assert!(error.to_string().contains("build.rs"), "{error}");
}

#[test]
fn a_directory_that_cannot_be_written() {
    let fixture = Fixture::new(&[("greet.proto", SERVICE), ("out", "a file is in the way")]);
    let error = fixture.compile(configure(), &["greet.proto"]).unwrap_err();
    assert!(matches!(&error, Error::Write { path, .. } if *path == fixture.path("out")), "{error}");
    // The system's message is the source, and the build script shows it.
    assert!(format!("{error:?}").starts_with(&format!("{error}: ")));
}
