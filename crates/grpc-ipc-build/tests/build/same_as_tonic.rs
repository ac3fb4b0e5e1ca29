//! The trait that a program implements is the same as that of tonic's generator, item by item, and a client has the
//! same methods with the same parameters.

use std::path::PathBuf;

use grpc_ipc_build::configure;
use quote::ToTokens;
use syn::{FnArg, ImplItem, ImplItemFn, Item, ItemTrait, TraitItem, Type, Visibility};

use crate::util::{Fixture, items};

const PROTOS: [(&str, &str, &[&str]); 4] = [
    ("greet.proto", "greet", &["Greeter"]),
    ("bench.proto", "ipc.bench", &["Bench"]),
    ("grpc/testing/test.proto", "grpc.testing", &["TestService", "UnimplementedService"]),
    ("names.proto", "names", &["Names"]),
];

const NAMES: &str = r#"
    syntax = "proto3";
    package names;
    import "google/protobuf/empty.proto";
    import "google/protobuf/timestamp.proto";
    import "google/protobuf/wrappers.proto";
    import "inner.proto";
    service Names {
        rpc Self (google.protobuf.Empty) returns (google.protobuf.Timestamp);
        rpc Move (google.protobuf.StringValue) returns (stream inner.Outer.Nested);
        rpc Clone (stream google.protobuf.Empty) returns (google.protobuf.Empty);
        rpc lower_case (stream Result) returns (stream Result);
        rpc ABCMethod (Result) returns (Result);
    }
    message Result {}
"#;
const INNER: &str = r#"
    syntax = "proto3";
    package names.inner;
    message Outer { message Nested {} }
"#;

#[derive(Clone, Copy, Default)]
struct Options {
    use_arc_self: bool,
    generate_default_stubs: bool,
}

/// The output of our generator, and of tonic's.
fn both(options: Options) -> (Fixture, Fixture) {
    let protos = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../proto"));
    let mut files = vec![("names.proto", NAMES.to_owned()), ("inner.proto", INNER.to_owned())];
    for (name, ..) in &PROTOS[..3] {
        files.push((name, std::fs::read_to_string(protos.join(name)).unwrap()));
    }
    let files: Vec<_> = files.iter().map(|(name, text)| (*name, text.as_str())).collect();
    let (ours, tonics) = (Fixture::new(&files), Fixture::new(&files));
    let names = PROTOS.map(|(name, ..)| name);
    let builder = configure()
        .use_arc_self(options.use_arc_self)
        .generate_default_stubs(options.generate_default_stubs)
        .file_descriptor_set_path(tonics.path("set.bin"));
    ours.compile(builder, &names).unwrap();

    std::fs::create_dir_all(tonics.path("out")).unwrap();
    tonic_prost_build::configure()
        .use_arc_self(options.use_arc_self)
        .generate_default_stubs(options.generate_default_stubs)
        .out_dir(tonics.path("out"))
        .file_descriptor_set_path(tonics.path("set.bin"))
        .skip_protoc_run()
        .compile_protos(&names, &[])
        .unwrap();
    (ours, tonics)
}

fn server_trait(fixture: &Fixture, package: &str, service: &str) -> ItemTrait {
    let file = fixture.generated(package);
    let module = format!("{}_server", snake(service));
    let found = items(&file.items, &module).iter().find_map(|item| match item {
        Item::Trait(found) if found.ident == service => Some(found.clone()),
        _ => None,
    });
    found.expect("the trait")
}

/// An item without documentation.
fn plain(mut item: TraitItem) -> String {
    match &mut item {
        TraitItem::Fn(method) => method.attrs.clear(),
        TraitItem::Type(associated) => associated.attrs.clear(),
        _ => panic!("an item that tonic does not generate"),
    }
    // tonic's generator imports all of `tonic::codegen`.
    dense(&item).replace("tonic::codegen::BoxStream", "BoxStream")
}

/// Removes formatting, and names prost as tonic's generator does.
fn dense(tokens: &impl ToTokens) -> String {
    let text = tokens.to_token_stream().to_string();
    let text: String = text.chars().filter(|character| !character.is_whitespace()).collect();
    text.replace(",>", ">").replace(",)", ")").replace("::grpc_ipc::prost::", "::prost::")
}

fn snake(service: &str) -> &str {
    match service {
        "TestService" => "test_service",
        "UnimplementedService" => "unimplemented_service",
        "Greeter" => "greeter",
        "Bench" => "bench",
        "Names" => "names",
        other => panic!("{other}"),
    }
}

#[test]
fn traits() {
    for use_arc_self in [false, true] {
        for generate_default_stubs in [false, true] {
            let (ours, tonics) = both(Options { use_arc_self, generate_default_stubs });
            for (_, package, services) in PROTOS {
                for service in services {
                    let ours = server_trait(&ours, package, service);
                    let tonics = server_trait(&tonics, package, service);
                    let bounds = |found: &ItemTrait| found.supertraits.to_token_stream().to_string();
                    assert_eq!(bounds(&ours), bounds(&tonics));
                    assert_eq!(ours.ident, tonics.ident);
                    let items = |all: ItemTrait| all.items.into_iter().map(plain).collect::<Vec<_>>();
                    assert_eq!(items(ours), items(tonics));
                }
            }
        }
    }
}

fn client_methods(fixture: &Fixture, package: &str, service: &str) -> Vec<ImplItemFn> {
    let file = fixture.generated(package);
    let module = format!("{}_client", snake(service));
    let implementations = items(&file.items, &module).iter().filter_map(|item| match item {
        Item::Impl(found) if found.trait_.is_none() => Some(found.clone()),
        _ => None,
    });
    let methods = implementations.flat_map(|found| found.items).filter_map(|item| match item {
        ImplItem::Fn(method) if matches!(method.vis, Visibility::Public(_)) => Some(method),
        _ => None,
    });
    methods.collect()
}

/// Name and parameters of a method, and its return type, or the output of the future that it returns.
fn call(method: &ImplItemFn) -> (String, Vec<String>, String) {
    let parameters = method.sig.inputs.iter().map(|input| match input {
        FnArg::Receiver(receiver) => dense(receiver),
        FnArg::Typed(parameter) => dense(&parameter.ty),
    });
    let output = dense(&method.sig.output);
    let output = match output.strip_prefix("->implstd::future::Future<Output=") {
        Some(output) => format!("->{}", output.trim_end_matches("+'_").trim_end_matches('>')),
        None => output.trim_end_matches('>').to_owned(),
    };
    let output = output.replace("tonic::codec::Streaming", "tonic::Streaming");
    (method.sig.ident.to_string(), parameters.collect(), output)
}

#[test]
fn clients() {
    let (ours, tonics) = both(Options::default());
    for (_, package, services) in PROTOS {
        for service in services {
            let ours = client_methods(&ours, package, service);
            let tonics = client_methods(&tonics, package, service);
            assert_eq!(ours.len(), tonics.len());
            for (ours, tonics) in ours.iter().zip(&tonics) {
                let (name, parameters, output) = call(ours);
                let tonics = call(tonics);
                assert_eq!(name, tonics.0);
                if ["connect", "with_interceptor"].contains(&name.as_str()) {
                    // Different types: our channel, and one that can stay direct.
                    continue;
                }
                let shorten = |text: &String| text.rsplit("::").next().unwrap_or(text).to_owned();
                if tonics.1.iter().any(|parameter| parameter.contains("impl")) {
                    assert_eq!(parameters, tonics.1);
                } else {
                    let ours: Vec<_> = parameters.iter().map(shorten).collect();
                    assert_eq!(ours, tonics.1.iter().map(shorten).collect::<Vec<_>>());
                }
                assert_eq!(output, tonics.2, "{name}");
            }
        }
    }
}

/// The return type is not a `dyn`, and the method is not an `async fn` around it, which would cost a call 150
/// instructions.
#[test]
fn methods_return_the_future_of_the_engine() {
    let (ours, _) = both(Options::default());
    let methods = client_methods(&ours, "greet", "Greeter").into_iter();
    for method in methods.filter(|method| method.sig.ident != "connect") {
        assert!(method.sig.asyncness.is_none());
        if let syn::ReturnType::Type(_, returned) = &method.sig.output
            && method.sig.ident == "say_hello"
        {
            assert!(matches!(**returned, Type::ImplTrait(_)));
        }
    }
}
