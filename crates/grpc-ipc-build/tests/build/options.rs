//! Each option does what its documentation says, and nothing changes without it.

use std::path::Path;

use grpc_ipc_build::{Builder, Config, FileDescriptorSet, configure};
use protox::prost::Message as _;
use quote::ToTokens as _;
use syn::{Attribute, File, Item};

use crate::util::{Fixture, generate, items, module};

const GREET: &str = r#"
    syntax = "proto3";
    package greet;
    // Says hello.
    service Greeter {
        // Says it once.
        rpc SayHello (HelloRequest) returns (HelloReply);
        rpc SayBye (HelloRequest) returns (HelloReply) { option deprecated = true; }
        rpc New (HelloRequest) returns (HelloReply);
    }
    // The name to greet.
    message HelloRequest {
        // Their name.
        string name = 1;
        bytes picture = 2;
        map<string, bytes> more = 3;
        Mood mood = 4;
        HelloReply last = 5;
    }
    message HelloReply { string message = 1; }
    enum Mood { MOOD_UNKNOWN = 0; MOOD_GOOD = 1; }
"#;

fn text(file: &File) -> String {
    file.to_token_stream().to_string()
}

fn has(file: &File, what: &str) -> bool {
    let plain = |text: &str| text.chars().filter(|character| !character.is_whitespace()).collect::<String>();
    plain(&text(file)).contains(&plain(what))
}

fn attributes(item: &Item) -> &[Attribute] {
    match item {
        Item::Struct(item) => &item.attrs,
        Item::Enum(item) => &item.attrs,
        Item::Trait(item) => &item.attrs,
        Item::Mod(item) => &item.attrs,
        _ => &[],
    }
}

fn named<'a>(items: &'a [Item], name: &str) -> &'a Item {
    let found = items.iter().find(|item| match item {
        Item::Struct(item) => item.ident == name,
        Item::Enum(item) => item.ident == name,
        Item::Trait(item) => item.ident == name,
        Item::Mod(item) => item.ident == name,
        _ => false,
    });
    found.unwrap_or_else(|| panic!("no {name}"))
}

fn marked(item: &Item) -> bool {
    attributes(item).iter().any(|attribute| attribute.to_token_stream().to_string().contains("marked"))
}

fn documentation(attributes: &[Attribute]) -> String {
    attributes
        .iter()
        .filter(|found| found.path().is_ident("doc"))
        .map(|found| found.to_token_stream().to_string())
        .collect()
}

#[test]
fn client_and_server() {
    let both = generate(configure(), GREET);
    assert!(
        module(&both.items, "greeter_client").is_some() && module(&both.items, "greeter_server").is_some()
    );
    let client = generate(configure().build_server(false), GREET);
    assert!(
        module(&client.items, "greeter_client").is_some()
            && module(&client.items, "greeter_server").is_none()
    );
    let server = generate(configure().build_client(false), GREET);
    assert!(
        module(&server.items, "greeter_client").is_none()
            && module(&server.items, "greeter_server").is_some()
    );
    let none = generate(configure().build_client(false).build_server(false), GREET);
    assert!(
        module(&none.items, "greeter_client").is_none() && module(&none.items, "greeter_server").is_none()
    );
    named(&none.items, "HelloRequest");
}

/// A method called `Connect` keeps its name, as in tonic's clients.
#[test]
fn a_client_connects_unless_a_method_is_called_so() {
    const CONNECT: &str = "pub async fn connect(options: impl Into<::grpc_ipc::ConnectOptions>,)";
    assert!(has(&generate(configure(), GREET), CONNECT));
    let other = generate(configure(), &GREET.replace("SayBye", "Connect"));
    assert!(!has(&other, CONNECT) && has(&other, "pub fn connect(&mut self, request:"));
}

#[test]
fn attributes_of_clients_and_servers() {
    const MARK: &str = "#[marked]";
    type Option = fn(Builder, &str) -> Builder;
    let options: [(Option, &str, &str); 5] = [
        (|builder, path| builder.client_attribute(path, MARK), "greeter_client", "GreeterClient"),
        (|builder, path| builder.client_mod_attribute(path, MARK), "", "greeter_client"),
        (|builder, path| builder.server_attribute(path, MARK), "greeter_server", "GreeterServer"),
        (|builder, path| builder.server_mod_attribute(path, MARK), "", "greeter_server"),
        (|builder, path| builder.trait_attribute(path, MARK), "greeter_server", "Greeter"),
    ];
    for (option, inside, name) in options {
        for (path, expected) in
            [(".", true), (".greet", true), ("greet.Greeter", true), ("Greeter", true), ("Greet", false)]
        {
            let file = generate(option(configure(), path), GREET);
            let items = if inside.is_empty() { &file.items[..] } else { items(&file.items, inside) };
            assert_eq!(marked(named(items, name)), expected, "{name} {path}");
            assert_eq!(text(&file).matches("marked").count(), usize::from(expected), "{name} {path}");
        }
    }
    // As in tonic's generator, where a package identifies a module.
    let file = generate(configure().client_mod_attribute("greet", MARK), GREET);
    assert!(marked(named(&file.items, "greeter_client")));
}

#[test]
fn attributes_of_messages() {
    const MARK: &str = "#[marked]";
    let marks = |builder: Builder| {
        let file = generate(builder, GREET);
        ["HelloRequest", "HelloReply", "Mood"].map(|name| marked(named(&file.items, name)))
    };
    assert_eq!(marks(configure()), [false; 3]);
    assert_eq!(marks(configure().type_attribute(".", MARK)), [true; 3]);
    assert_eq!(marks(configure().type_attribute("HelloRequest", MARK)), [true, false, false]);
    assert_eq!(marks(configure().message_attribute(".", MARK)), [true, true, false]);
    assert_eq!(marks(configure().enum_attribute(".", MARK)), [false, false, true]);
    let file = generate(configure().field_attribute("HelloRequest.name", MARK), GREET);
    assert!(has(&file, "#[marked] pub name: ::grpc_ipc::prost::alloc::string::String"));
}

#[test]
fn types_of_fields() {
    let usual = generate(configure(), GREET);
    assert!(has(&usual, "pub picture: ::grpc_ipc::prost::alloc::vec::Vec<u8>"));
    assert!(has(&usual, "pub more: ::std::collections::HashMap<"));
    assert!(has(&usual, "pub last: ::core::option::Option<HelloReply>"));
    let chosen = generate(
        configure().bytes("HelloRequest.picture").btree_map(".greet").boxed("HelloRequest.last"),
        GREET,
    );
    assert!(has(&chosen, "pub picture: ::grpc_ipc::prost::bytes::Bytes"));
    assert!(has(&chosen, "pub more: ::grpc_ipc::prost::alloc::collections::BTreeMap<"));
    assert!(has(
        &chosen,
        "pub last: ::core::option::Option<::grpc_ipc::prost::alloc::boxed::Box<HelloReply>>"
    ));
}

#[test]
fn skip_debug() {
    let has_skip = |builder| has(&generate(builder, GREET), "#[prost(skip_debug)]");
    assert!(!has_skip(configure()));
    assert!(has_skip(configure().skip_debug(["HelloRequest"])));
}

#[test]
fn extern_path() {
    let builder = configure().extern_path(".greet.HelloRequest", "::other::HelloRequest");
    let file = generate(builder, GREET);
    assert!(
        !file.items.iter().any(|item| matches!(item, Item::Struct(item) if item.ident == "HelloRequest"))
    );
    assert!(has(&file, "request: impl tonic::IntoRequest<::other::HelloRequest>"));
    assert!(has(&file, "request: tonic::Request<::other::HelloRequest>"));
}

const WELL_KNOWN: &str = r#"
    syntax = "proto3";
    package greet;
    import "google/protobuf/empty.proto";
    import "google/protobuf/timestamp.proto";
    import "google/protobuf/wrappers.proto";
    service Clock {
        rpc Now (google.protobuf.Empty) returns (google.protobuf.Timestamp);
        rpc Runs (google.protobuf.StringValue) returns (google.protobuf.BoolValue);
    }
"#;

#[test]
fn well_known_types() {
    let file = generate(configure(), WELL_KNOWN);
    assert!(has(&file, "request: tonic::Request<()>"));
    assert!(has(&file, "tonic::Response<::prost_types::Timestamp>"));
    assert!(has(&file, "request: tonic::Request<::grpc_ipc::prost::alloc::string::String>"));
    assert!(has(&file, "tonic::Response<bool>"));

    let fixture = Fixture::new(&[("greet.proto", WELL_KNOWN)]);
    fixture.compile(configure().compile_well_known_types(true), &["greet.proto"]).unwrap();
    let file = fixture.generated("greet");
    assert!(has(&file, "request: tonic::Request<super::super::google::protobuf::Empty>"));
    assert!(has(&file, "tonic::Response<super::super::google::protobuf::BoolValue>"));
    named(&fixture.generated("google.protobuf").items, "Timestamp");
}

#[test]
fn emit_package() {
    let file = generate(configure(), GREET);
    assert!(
        has(&file, "\"/greet.Greeter/SayHello\"") && has(&file, "SERVICE_NAME: &str = \"greet.Greeter\"")
    );
    let file = generate(configure().emit_package(false), GREET);
    assert!(has(&file, "\"/Greeter/SayHello\"") && has(&file, "SERVICE_NAME: &str = \"Greeter\""));
}

#[test]
fn files_without_a_package() {
    let proto = "syntax = 'proto3'; message Empty {} service Alone { rpc Call (Empty) returns (Empty); }";
    let fixture = Fixture::new(&[("alone.proto", proto)]);
    fixture.compile(configure(), &["alone.proto"]).unwrap();
    let file = fixture.generated("_");
    assert!(has(&file, "\"/Alone/Call\"") && has(&file, "SERVICE_NAME: &str = \"Alone\""));
    fixture.compile(configure().default_package_filename("alone"), &["alone.proto"]).unwrap();
    assert!(has(&fixture.generated("alone"), "\"/Alone/Call\""));
    // Only `.` matches the empty package.
    let builder = configure().client_mod_attribute(".", "#[marked]");
    fixture.compile(builder, &["alone.proto"]).unwrap();
    assert!(marked(named(&fixture.generated("_").items, "alone_client")));
}

#[test]
fn comments_become_documentation() {
    let file = generate(configure(), GREET);
    let client = items(&file.items, "greeter_client");
    let shown = documentation(attributes(named(client, "GreeterClient")));
    assert!(shown.contains("Calls `greet.Greeter`.") && shown.contains("Says hello."), "{shown}");
    assert_eq!(text(&file).matches("Says it once.").count(), 2);
    // `missing_docs` accepts methods without a comment.
    assert_eq!(text(&file).matches("The method `SayBye` of `greet.Greeter`.").count(), 2);

    let file = generate(configure().disable_comments([".greet.Greeter", "HelloRequest"]), GREET);
    for comment in ["Says hello.", "Says it once.", "The name to greet."] {
        assert!(!text(&file).contains(comment), "{comment}");
    }
    assert!(text(&file).contains("The method `SayHello` of `greet.Greeter`."));
    let file = generate(configure().disable_comments(["greet.Greeter.SayHello"]), GREET);
    assert!(text(&file).contains("Says hello.") && !text(&file).contains("Says it once."));
}

#[test]
fn what_comments_hold_is_no_code() {
    let proto = "syntax = 'proto3'; package greet; message Empty {}\n\
        // See http://example.com and [nothing].\n//\n//     let indented = true;\n//\n// ```rust\n// compile me\n// ```\n\
        service Greeter { rpc Call (Empty) returns (Empty); }";
    let file = generate(configure(), proto);
    let shown = documentation(attributes(named(items(&file.items, "greeter_client"), "GreeterClient")));
    assert!(shown.contains("<http://example.com>") && shown.contains("\\\\[nothing\\\\]"), "{shown}");
    assert!(shown.contains("```text") && !shown.contains("```rust"), "{shown}");
}

#[test]
fn deprecated_methods() {
    let file = generate(configure(), GREET);
    assert_eq!(text(&file).matches("# [deprecated]").count(), 1);
    assert!(has(&file, "#[deprecated] pub fn say_bye("));
}

#[test]
fn methods_that_a_client_has_already() {
    let file = generate(configure(), GREET);
    assert!(has(&file, "pub fn new_(") && has(&file, "async fn new("));
}

#[test]
fn include_file() {
    let fixture = Fixture::new(&[
        ("greet.proto", GREET),
        ("inner.proto", "syntax = 'proto3'; package greet.inner; message Empty {}"),
    ]);
    fixture.compile(configure().include_file("all.rs"), &["greet.proto", "inner.proto"]).unwrap();
    let file = fixture.generated("all");
    assert!(
        has(&file, "pub mod greet { include!(\"greet.inner.rs\")") || has(&file, "include!(\"greet.rs\")")
    );
    assert!(has(&file, "pub mod inner { include!(\"greet.inner.rs\"); }"));
}

#[test]
fn a_descriptor_set_for_reflection() {
    let fixture = Fixture::new(&[("greet.proto", GREET)]);
    let path = fixture.path("greet.bin");
    fixture.compile(configure().file_descriptor_set_path(&path), &["greet.proto"]).unwrap();
    let set = std::fs::read(path).unwrap();
    let files = FileDescriptorSet::decode(&set[..]).unwrap().file;
    let services = files.iter().flat_map(|file| &file.service).map(|service| service.name());
    assert_eq!(services.collect::<Vec<_>>(), ["Greeter"]);
    tonic_reflection::server::Builder::configure()
        .register_encoded_file_descriptor_set(&set)
        .with_service_name("greet.Greeter")
        .build_v1()
        .unwrap();
}

#[test]
fn parsed_files() {
    let fixture = Fixture::new(&[("greet.proto", GREET)]);
    let set = protox::compile([fixture.path("greet.proto")], [fixture.path("")]).unwrap();
    fixture.compile(configure(), &["greet.proto"]).unwrap();
    let expected = fixture.read("out/greet.rs");
    configure().out_dir(fixture.path("fds")).compile_fds(set).unwrap();
    assert_eq!(fixture.read("fds/greet.rs"), expected);
}

#[test]
fn options_of_prost() {
    let fixture = Fixture::new(&[("greet.proto", GREET)]);
    let mut config = Config::new();
    config.retain_enum_prefix().btree_map(["."]);
    configure()
        .out_dir(fixture.path("out"))
        .compile_with_config(config, &[fixture.path("greet.proto")], &[fixture.path("")])
        .unwrap();
    let file = fixture.generated("greet");
    assert!(has(&file, "MoodGood = 1") && has(&file, "BTreeMap"));
    assert!(module(&file.items, "greeter_client").is_some());
}

#[test]
fn a_path_relative_to_this_directory() {
    let fixture = Fixture::new(&[]);
    let proto = Path::new("../../proto/greet.proto");
    for proto in [proto.to_owned(), Path::new(".").join(proto)] {
        let directory = proto.parent().unwrap();
        configure().out_dir(fixture.path("out")).compile_protos(&[&proto], &[&directory.to_owned()]).unwrap();
        assert!(module(&fixture.generated("greet").items, "greeter_client").is_some());
    }
}
