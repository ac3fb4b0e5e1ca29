use std::path::{Path, PathBuf};

use prost_build::Config;

use crate::Error;
use crate::attributes::Attributes;

/// Options for the generated code; see [`configure`](crate::configure).
///
/// An option with a `path` applies to the matching items of the .proto files: `.` matches everything, `.greet` and
/// `.greet.HelloRequest` match that package or message and its contents, and a path without a leading dot
/// (`HelloRequest`, `HelloRequest.name`) matches the end of a name. Such an option can be given any number of times.
#[derive(Clone, Debug)]
#[must_use = "nothing is generated before `compile_protos`"]
pub struct Builder {
    pub(crate) out_dir: Option<PathBuf>,
    pub(crate) file_descriptor_set_path: Option<PathBuf>,
    pub(crate) emit_rerun_if_changed: bool,
    pub(crate) messages: MessageOptions,
    pub(crate) services: ServiceOptions,
}

/// The options for prost-build.
#[derive(Clone, Debug, Default)]
pub(crate) struct MessageOptions {
    include_file: Option<PathBuf>,
    default_package_filename: Option<String>,
    extern_paths: Vec<(String, String)>,
    field_attributes: Attributes,
    type_attributes: Attributes,
    message_attributes: Attributes,
    enum_attributes: Attributes,
    boxed: Vec<String>,
    btree_map: Vec<String>,
    bytes: Vec<String>,
    skip_debug: Vec<String>,
    disable_comments: Vec<String>,
    compile_well_known_types: bool,
}

/// The options for the generator of clients and servers.
#[derive(Clone, Debug)]
pub(crate) struct ServiceOptions {
    pub(crate) build_client: bool,
    pub(crate) build_server: bool,
    pub(crate) build_blocking_client: bool,
    pub(crate) client_attributes: Attributes,
    pub(crate) client_mod_attributes: Attributes,
    pub(crate) server_attributes: Attributes,
    pub(crate) server_mod_attributes: Attributes,
    pub(crate) trait_attributes: Attributes,
    pub(crate) disable_comments: Vec<String>,
    pub(crate) emit_package: bool,
    pub(crate) use_arc_self: bool,
    pub(crate) generate_default_stubs: bool,
}

impl Default for Builder {
    fn default() -> Self {
        Self {
            out_dir: None,
            file_descriptor_set_path: None,
            emit_rerun_if_changed: std::env::var_os("CARGO").is_some(),
            messages: MessageOptions::default(),
            services: ServiceOptions {
                build_client: true,
                build_server: true,
                build_blocking_client: false,
                client_attributes: Attributes::default(),
                client_mod_attributes: Attributes::default(),
                server_attributes: Attributes::default(),
                server_mod_attributes: Attributes::default(),
                trait_attributes: Attributes::default(),
                disable_comments: Vec::new(),
                emit_package: true,
                use_arc_self: false,
                generate_default_stubs: false,
            },
        }
    }
}

/// The kinds of output, and their location.
impl Builder {
    /// Whether clients are generated. Default: `true`.
    pub fn build_client(mut self, enable: bool) -> Self {
        self.services.build_client = enable;
        self
    }

    /// Whether blocking clients are generated, such as `greeter_blocking_client::GreeterBlockingClient`, for programs
    /// without async. See the module `blocking` of `grpc-ipc`. The attributes of clients apply to them, too. Default:
    /// `false`.
    pub fn build_blocking_client(mut self, enable: bool) -> Self {
        self.services.build_blocking_client = enable;
        self
    }

    /// Whether servers are generated. Default: `true`.
    pub fn build_server(mut self, enable: bool) -> Self {
        self.services.build_server = enable;
        self
    }

    /// The directory for the generated files, created if it does not exist.
    ///
    /// Default: the environment variable `OUT_DIR`, which Cargo sets for a build script.
    pub fn out_dir(mut self, out_dir: impl AsRef<Path>) -> Self {
        self.out_dir = Some(out_dir.as_ref().to_owned());
        self
    }

    /// The path of a file descriptor set to write, for the server of tonic-reflection.
    ///
    /// If the build script sets `Path::new(&std::env::var("OUT_DIR")?).join("greet.bin")`, read it with
    /// `include_bytes!(concat!(env!("OUT_DIR"), "/greet.bin"))`. Default: it is not written.
    pub fn file_descriptor_set_path(mut self, path: impl AsRef<Path>) -> Self {
        self.file_descriptor_set_path = Some(path.as_ref().to_owned());
        self
    }

    /// The path of a file to write with a module for each package. Use it with `include!` instead of one file per
    /// package. A relative path is relative to [`out_dir`](Self::out_dir).
    ///
    /// Default: it is not written.
    pub fn include_file(mut self, path: impl AsRef<Path>) -> Self {
        self.messages.include_file = Some(path.as_ref().to_owned());
        self
    }

    /// The name, without `.rs`, of the file for .proto files without a package. Default: `_`.
    pub fn default_package_filename(mut self, name: impl AsRef<str>) -> Self {
        self.messages.default_package_filename = Some(name.as_ref().to_owned());
        self
    }

    /// Whether to tell Cargo which files were read, including imports, so that it runs the build script again only when
    /// one of them changes.
    ///
    /// [`compile_fds`](Self::compile_fds) reads no files and tells Cargo nothing. Default: `true` in a build script.
    pub fn emit_rerun_if_changed(mut self, enable: bool) -> Self {
        self.emit_rerun_if_changed = enable;
        self
    }

    /// Leaves out the comments of the messages, fields, services and methods in the .proto files that `paths` match.
    /// Services and methods still get a line of documentation.
    ///
    /// Default: all comments become documentation.
    pub fn disable_comments<S: AsRef<str>>(mut self, paths: impl IntoIterator<Item = S>) -> Self {
        for path in paths {
            self.messages.disable_comments.push(path.as_ref().to_owned());
            self.services.disable_comments.push(path.as_ref().to_owned());
        }
        self
    }
}

/// Messages.
impl Builder {
    /// Sets the Rust path of a package or type that was generated elsewhere. It begins with `::` or `crate::`, and
    /// `proto_path` begins with a dot.
    ///
    /// Default: none; all packages of the files and of their imports are generated.
    pub fn extern_path(mut self, proto_path: impl AsRef<str>, rust_path: impl AsRef<str>) -> Self {
        let paths = (proto_path.as_ref().to_owned(), rust_path.as_ref().to_owned());
        self.messages.extern_paths.push(paths);
        self
    }

    /// An attribute for the fields that `path` matches. Default: none.
    pub fn field_attribute(mut self, path: impl AsRef<str>, attribute: impl AsRef<str>) -> Self {
        self.messages.field_attributes.push(path, attribute);
        self
    }

    /// An attribute for the messages, enums and oneofs that `path` matches. Default: none.
    pub fn type_attribute(mut self, path: impl AsRef<str>, attribute: impl AsRef<str>) -> Self {
        self.messages.type_attributes.push(path, attribute);
        self
    }

    /// An attribute for the messages that `path` matches. Default: none.
    pub fn message_attribute(mut self, path: impl AsRef<str>, attribute: impl AsRef<str>) -> Self {
        self.messages.message_attributes.push(path, attribute);
        self
    }

    /// An attribute for the enums and oneofs that `path` matches. Default: none.
    pub fn enum_attribute(mut self, path: impl AsRef<str>, attribute: impl AsRef<str>) -> Self {
        self.messages.enum_attributes.push(path, attribute);
        self
    }

    /// Puts the fields that `path` matches into a [`Box`]. Default: only recursive fields.
    pub fn boxed(mut self, path: impl AsRef<str>) -> Self {
        self.messages.boxed.push(path.as_ref().to_owned());
        self
    }

    /// Makes the map fields that `path` matches a [`BTreeMap`](std::collections::BTreeMap).
    /// Default: a [`HashMap`](std::collections::HashMap).
    pub fn btree_map(mut self, path: impl AsRef<str>) -> Self {
        self.messages.btree_map.push(path.as_ref().to_owned());
        self
    }

    /// Makes the `bytes` fields that `path` matches `grpc_ipc::prost::bytes::Bytes`, whose clones share their memory.
    /// Default: a [`Vec<u8>`].
    pub fn bytes(mut self, path: impl AsRef<str>) -> Self {
        self.messages.bytes.push(path.as_ref().to_owned());
        self
    }

    /// Does not derive `Debug` for the messages and enums that `paths` match, so that you can implement it.
    ///
    /// Default: all implement it.
    pub fn skip_debug<S: AsRef<str>>(mut self, paths: impl IntoIterator<Item = S>) -> Self {
        self.messages.skip_debug.extend(paths.into_iter().map(|path| path.as_ref().to_owned()));
        self
    }

    /// Whether to generate Google's well-known types (`google.protobuf.Timestamp`). Otherwise they come from the crate
    /// `prost-types`, which your package must then depend on, and `google.protobuf.Empty` is `()`, `StringValue` is a
    /// `String`, and so on.
    ///
    /// Default: `false`.
    pub fn compile_well_known_types(mut self, enable: bool) -> Self {
        self.messages.compile_well_known_types = enable;
        self
    }
}

/// Clients and servers. `path` matches the full name of a service, for modules and traits as well as for structs.
impl Builder {
    /// An attribute for the clients (`GreeterClient`) that `path` matches. Default: none.
    pub fn client_attribute(mut self, path: impl AsRef<str>, attribute: impl AsRef<str>) -> Self {
        self.services.client_attributes.push(path, attribute);
        self
    }

    /// An attribute for the modules (`greeter_client`) that `path` matches, by service or by package. Default: none.
    pub fn client_mod_attribute(mut self, path: impl AsRef<str>, attribute: impl AsRef<str>) -> Self {
        self.services.client_mod_attributes.push(path, attribute);
        self
    }

    /// An attribute for the servers (`GreeterServer`) that `path` matches. Default: none.
    pub fn server_attribute(mut self, path: impl AsRef<str>, attribute: impl AsRef<str>) -> Self {
        self.services.server_attributes.push(path, attribute);
        self
    }

    /// An attribute for the modules (`greeter_server`) that `path` matches, by service or by package. Default: none.
    pub fn server_mod_attribute(mut self, path: impl AsRef<str>, attribute: impl AsRef<str>) -> Self {
        self.services.server_mod_attributes.push(path, attribute);
        self
    }

    /// An attribute for the traits (`Greeter`) that `path` matches. Default: none.
    pub fn trait_attribute(mut self, path: impl AsRef<str>, attribute: impl AsRef<str>) -> Self {
        self.services.trait_attributes.push(path, attribute);
        self
    }

    /// Whether the name of a service on the wire includes the package: `/greet.Greeter/SayHello` instead of
    /// `/Greeter/SayHello`.
    ///
    /// Default: `true`, as in all gRPC implementations.
    pub fn emit_package(mut self, enable: bool) -> Self {
        self.services.emit_package = enable;
        self
    }

    /// Whether the methods of a server's trait take `self: Arc<Self>` instead of `&self`. Default: `false`.
    pub fn use_arc_self(mut self, enable: bool) -> Self {
        self.services.use_arc_self = enable;
        self
    }

    /// Whether the methods of a server's trait have a default body, which answers with `Unimplemented`. Methods that
    /// answer with a stream then return it boxed, and the trait has no associated types.
    ///
    /// Default: `false`.
    pub fn generate_default_stubs(mut self, enable: bool) -> Self {
        self.services.generate_default_stubs = enable;
        self
    }
}

impl MessageOptions {
    pub(crate) fn check(&self) -> Result<(), Error> {
        let all =
            [&self.field_attributes, &self.type_attributes, &self.message_attributes, &self.enum_attributes];
        all.into_iter().try_for_each(Attributes::check)
    }

    pub(crate) fn apply(&self, config: &mut Config) {
        // A program then needs no dependency on prost, nor on the same version of it.
        config.prost_path("::grpc_ipc::prost");
        // Users cannot act on Clippy's opinion of the names and sizes of generated messages.
        config.type_attribute(".", "#[allow(clippy::all)]");
        if let Some(path) = &self.include_file {
            config.include_file(path);
        }
        if let Some(name) = &self.default_package_filename {
            config.default_package_filename(name);
        }
        for (proto, rust) in &self.extern_paths {
            config.extern_path(proto, rust);
        }
        for (path, attribute) in self.field_attributes.iter() {
            config.field_attribute(path, attribute);
        }
        for (path, attribute) in self.type_attributes.iter() {
            config.type_attribute(path, attribute);
        }
        for (path, attribute) in self.message_attributes.iter() {
            config.message_attribute(path, attribute);
        }
        for (path, attribute) in self.enum_attributes.iter() {
            config.enum_attribute(path, attribute);
        }
        for path in &self.boxed {
            config.boxed(path);
        }
        // An empty list would override the given configuration.
        if !self.btree_map.is_empty() {
            config.btree_map(&self.btree_map);
        }
        if !self.bytes.is_empty() {
            config.bytes(&self.bytes);
        }
        if !self.skip_debug.is_empty() {
            config.skip_debug(&self.skip_debug);
        }
        if !self.disable_comments.is_empty() {
            config.disable_comments(&self.disable_comments);
        }
        if self.compile_well_known_types {
            config.compile_well_known_types();
        }
    }
}
