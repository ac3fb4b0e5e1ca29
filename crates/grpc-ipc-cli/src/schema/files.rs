//! A schema from files.

use std::path::{Path, PathBuf};

use prost_reflect::DescriptorPool;
use prost_reflect::prost::Message as _;
use prost_reflect::prost_types::FileDescriptorSet;
use protox::Compiler;

use super::check::check;
use crate::connection;
use crate::failure::Failure;

/// Parses .proto files. Google's own (`google/protobuf/…`) are always found.
pub(super) fn compile(protos: &[PathBuf], import_paths: &[PathBuf]) -> Result<DescriptorPool, Failure> {
    let directories = match import_paths {
        [] => directories(protos),
        given => given.to_vec(),
    };
    // protox's `Debug` is its message with file, line and column.
    let mut compiler =
        Compiler::new(&directories).map_err(|error| Failure::wrong_input(format!("{error:?}")))?;
    compiler.include_imports(true).include_source_info(true);
    for proto in protos {
        if !proto.exists() && !directories.iter().any(|directory| directory.join(proto).exists()) {
            return Err(Failure::new(format!("cannot read {}: there is no such file", proto.display())));
        }
        compiler.open_file(proto).map_err(|error| {
            let failure = Failure::wrong_input(format!("{error:?}"));
            match error.is_file_not_found() {
                true => failure.hint(format!(
                    "Imports are looked for in {}. Name the directory that they are relative to: -I DIRECTORY",
                    listed(&directories)
                )),
                false if format!("{error:?}").contains("but found 'edition'") => {
                    failure.hint("The file uses editions; grpc-ipc reads proto2 and proto3")
                }
                false => failure,
            }
        })?;
    }
    Ok(compiler.descriptor_pool())
}

/// Reads descriptor sets.
pub(super) fn read(descriptor_sets: &[PathBuf]) -> Result<DescriptorPool, Failure> {
    let mut pool = DescriptorPool::global();
    for path in descriptor_sets {
        let bytes = connection::read(path)?;
        let not_whole = |error: String| {
            Failure::wrong_input(format!("{} is not a complete descriptor set: {error}", path.display()))
                .hint("Make it with: protoc --include_imports --descriptor_set_out=FILE")
        };
        let set = FileDescriptorSet::decode(bytes.as_slice());
        let set = set.map_err(|error| not_whole(error.to_string()))?;
        check(&set.file)
            .map_err(|error| Failure::wrong_input(format!("cannot use {}: {error}", path.display())))?;
        // Again from the bytes, because options that are extensions are lost above.
        pool.decode_file_descriptor_set(bytes.as_slice()).map_err(|error| not_whole(error.to_string()))?;
    }
    Ok(pool)
}

/// The directories that files are in, each once.
fn directories(protos: &[PathBuf]) -> Vec<PathBuf> {
    let mut directories = Vec::new();
    for proto in protos {
        let directory = match proto.parent() {
            Some(parent) if parent != Path::new("") => parent.to_owned(),
            _ => PathBuf::from("."),
        };
        if !directories.contains(&directory) {
            directories.push(directory);
        }
    }
    directories
}

fn listed(directories: &[PathBuf]) -> String {
    let directories: Vec<_> = directories.iter().map(|directory| directory.display().to_string()).collect();
    directories.join(", ")
}
