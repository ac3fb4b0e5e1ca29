//! Generates the same files with different options, each into its own directory.

use std::env;
use std::path::PathBuf;

use grpc_ipc_build::{Error, compile_protos, configure};

fn main() -> Result<(), Error> {
    let out_dir = PathBuf::from(env::var_os("OUT_DIR").ok_or(Error::NoOutDir)?);
    compile_protos(&["../protos/alone.proto"])?;
    configure()
        .build_blocking_client(true)
        .compile_protos(&["../protos/kinds.proto", "../protos/names.proto"], &["../protos"])?;
    configure()
        .out_dir(out_dir.join("stubs"))
        .use_arc_self(true)
        .generate_default_stubs(true)
        .bytes(".")
        .compile_protos(&["../protos/kinds.proto"], &["../protos"])?;
    configure()
        .out_dir(out_dir.join("well_known"))
        .compile_well_known_types(true)
        .include_file("all.rs")
        .disable_comments(["."])
        .compile_protos(&["../protos/well_known.proto"], &["../protos"])?;
    configure()
        .out_dir(out_dir.join("elsewhere"))
        .extern_path(".fixture.kinds", "crate::kinds")
        .client_mod_attribute("Elsewhere", "#[cfg(not(any()))]")
        .server_attribute("Elsewhere", "#[must_use]")
        .trait_attribute("Elsewhere", "#[diagnostic::on_unimplemented(message = \"not a service\")]")
        .compile_protos(&["../protos/elsewhere.proto"], &["../protos"])
}
