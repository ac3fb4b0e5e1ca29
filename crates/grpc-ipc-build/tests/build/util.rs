//! .proto files in their own directory, and the code generated for them.

use std::fs;
use std::path::PathBuf;

use grpc_ipc_build::{Builder, Error};
use syn::{File, Item, ItemMod};

pub(crate) struct Fixture {
    directory: tempfile::TempDir,
}

impl Fixture {
    /// Creates the .proto files (name, content).
    pub(crate) fn new(files: &[(&str, &str)]) -> Self {
        let fixture = Self { directory: tempfile::tempdir().expect("a temporary directory") };
        for (name, content) in files {
            let path = fixture.path(name);
            fs::create_dir_all(path.parent().expect("a parent")).expect("a directory");
            fs::write(path, content).expect("a file");
        }
        fixture
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// Generates code into the directory, which is also the only one for imports.
    pub(crate) fn compile(&self, builder: Builder, protos: &[&str]) -> Result<(), Error> {
        let protos: Vec<_> = protos.iter().map(|name| self.path(name)).collect();
        let builder = builder.out_dir(self.path("out")).emit_rerun_if_changed(false);
        builder.compile_protos(&protos, &[self.directory.path().to_owned()])
    }

    pub(crate) fn read(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).expect("a file")
    }

    /// The code generated for a package.
    pub(crate) fn generated(&self, package: &str) -> File {
        syn::parse_file(&self.read(&format!("out/{package}.rs"))).expect("Rust")
    }
}

/// The code generated for one file of the package `greet`.
pub(crate) fn generate(builder: Builder, proto: &str) -> File {
    let fixture = Fixture::new(&[("greet.proto", proto)]);
    fixture.compile(builder, &["greet.proto"]).expect("generated code");
    fixture.generated("greet")
}

pub(crate) fn module<'a>(items: &'a [Item], name: &str) -> Option<&'a ItemMod> {
    items.iter().find_map(|item| match item {
        Item::Mod(module) if module.ident == name => Some(module),
        _ => None,
    })
}

pub(crate) fn items<'a>(items: &'a [Item], name: &str) -> &'a [Item] {
    let module = module(items, name).unwrap_or_else(|| panic!("no module {name}"));
    &module.content.as_ref().expect("a module with items").1
}
