#![doc = include_str!("../docs/lib.md")]
#![forbid(unsafe_code)]

mod attributes;
mod compile;
mod error;
mod generate;
mod options;

use std::path::Path;

pub use error::Error;
pub use options::Builder;
pub use prost_build::Config;
pub use prost_types::FileDescriptorSet;

/// Generates messages, clients and servers from .proto files, with default options.
///
/// The paths are relative to the directory of `Cargo.toml`. Imports are searched in the directories of the files, and
/// Google's own files (`google/protobuf/…`) are always found. Use [`configure`] to change an option or to use other
/// directories.
///
/// # Errors
///
/// A file is missing or not valid, an import is not found, or a file cannot be written. Return the error from `main` of
/// the build script, so that Cargo shows it.
///
/// # Examples
///
/// ```no_run
/// fn main() -> Result<(), grpc_ipc_build::Error> {
///     grpc_ipc_build::compile_protos(&["proto/greet.proto"])
/// }
/// ```
pub fn compile_protos(protos: &[impl AsRef<Path>]) -> Result<(), Error> {
    configure().compile_protos(protos, &compile::directories(protos))
}

/// Generates messages, clients and servers from parsed .proto files, with default options.
///
/// # Errors
///
/// A file cannot be written.
pub fn compile_fds(fds: FileDescriptorSet) -> Result<(), Error> {
    configure().compile_fds(fds)
}

/// Creates a builder to set options.
///
/// # Examples
///
/// ```no_run
/// fn main() -> Result<(), grpc_ipc_build::Error> {
///     grpc_ipc_build::configure()
///         .build_server(false)
///         .bytes(".")
///         .compile_protos(&["proto/greet.proto"], &["proto"])
/// }
/// ```
pub fn configure() -> Builder {
    Builder::default()
}

/// The examples of the README.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
