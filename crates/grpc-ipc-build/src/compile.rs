use std::fs;
use std::path::{Path, PathBuf};

use prost_build::Config;
use prost_types::FileDescriptorSet;
use protox::Compiler;
use protox::prost::Message as _;

use crate::generate::Generator;
use crate::{Builder, Error};

impl Builder {
    /// Generates messages, clients and servers from .proto files. Imports are searched in the directories `includes`,
    /// in this order. Google's own files (`google/protobuf/…`) are always found.
    ///
    /// # Errors
    ///
    /// A file is missing or not valid, an import is not found, an option is not valid, or a file cannot be written.
    pub fn compile_protos(
        self,
        protos: &[impl AsRef<Path>],
        includes: &[impl AsRef<Path>],
    ) -> Result<(), Error> {
        self.compile_with_config(Config::new(), protos, includes)
    }

    /// Generates messages, clients and servers from parsed .proto files, in place of
    /// [`compile_protos`](Self::compile_protos).
    ///
    /// # Errors
    ///
    /// An option is not valid, or a file cannot be written.
    pub fn compile_fds(self, fds: FileDescriptorSet) -> Result<(), Error> {
        self.compile_fds_with_config(fds, Config::new())
    }

    /// Like [`compile_protos`](Self::compile_protos), for options of prost-build that [`Builder`] does not have. The option
    /// `prost_path` is set: generated code uses the prost of `grpc-ipc`.
    ///
    /// # Errors
    ///
    /// Those of [`compile_protos`](Self::compile_protos).
    pub fn compile_with_config(
        self,
        config: Config,
        protos: &[impl AsRef<Path>],
        includes: &[impl AsRef<Path>],
    ) -> Result<(), Error> {
        let parsed = parse(protos, includes)?;
        if self.emit_rerun_if_changed {
            for path in paths(&parsed) {
                println!("cargo::rerun-if-changed={}", path.display());
            }
        }
        // protox keeps unknown options, unlike the messages of prost-types.
        let encoded = parsed.encode_file_descriptor_set();
        self.generate(parsed.file_descriptor_set(), encoded, config)
    }

    /// Like [`compile_fds`](Self::compile_fds), for options of prost-build that [`Builder`] does not have.
    ///
    /// # Errors
    ///
    /// Those of [`compile_fds`](Self::compile_fds).
    pub fn compile_fds_with_config(self, fds: FileDescriptorSet, config: Config) -> Result<(), Error> {
        let encoded = fds.encode_to_vec();
        self.generate(fds, encoded, config)
    }

    fn generate(self, fds: FileDescriptorSet, encoded: Vec<u8>, mut config: Config) -> Result<(), Error> {
        self.messages.check()?;
        let out_dir = match self.out_dir {
            Some(out_dir) => {
                fs::create_dir_all(&out_dir)
                    .map_err(|source| Error::Write { path: out_dir.clone(), source })?;
                // Otherwise `include_file` would refer to an `OUT_DIR` that was not set.
                config.out_dir(&out_dir);
                out_dir
            }
            None => PathBuf::from(std::env::var_os("OUT_DIR").ok_or(Error::NoOutDir)?),
        };
        if let Some(path) = self.file_descriptor_set_path {
            fs::write(&path, encoded).map_err(|source| Error::Write { path, source })?;
        }
        self.messages.apply(&mut config);
        let generator = Generator::new(self.services)?;
        let failed = generator.failed();
        if generator.is_needed() {
            config.service_generator(Box::new(generator));
        }
        config.compile_fds(fds).map_err(|source| match source.kind() {
            std::io::ErrorKind::InvalidInput => Error::Generate(source.to_string()),
            _ => Error::Write { path: out_dir, source },
        })?;
        failed.take().map_or(Ok(()), Err)
    }
}

/// The directories of the files, each once.
pub(crate) fn directories(protos: &[impl AsRef<Path>]) -> Vec<PathBuf> {
    let mut directories = Vec::new();
    for proto in protos {
        let directory = match proto.as_ref().parent() {
            Some(parent) if parent != Path::new("") => parent.to_owned(),
            _ => PathBuf::from("."),
        };
        if !directories.contains(&directory) {
            directories.push(directory);
        }
    }
    directories
}

fn parse(protos: &[impl AsRef<Path>], includes: &[impl AsRef<Path>]) -> Result<Compiler, Error> {
    if protos.is_empty() {
        return Err(Error::NoFiles);
    }
    let includes: Vec<PathBuf> = includes.iter().map(|path| path.as_ref().to_owned()).collect();
    let mut compiler = Compiler::new(&includes).map_err(|error| Error::Proto(format!("{error:?}")))?;
    compiler.include_imports(true).include_source_info(true);
    for proto in protos {
        open(&mut compiler, proto.as_ref(), &includes)?;
    }
    Ok(compiler)
}

/// The files that were read. Google's own files are embedded in this program.
fn paths(parsed: &Compiler) -> impl Iterator<Item = &Path> {
    parsed.files().filter_map(|file| file.path())
}

fn open(compiler: &mut Compiler, proto: &Path, includes: &[PathBuf]) -> Result<(), Error> {
    let Err(error) = compiler.open_file(proto) else { return Ok(()) };
    let includes = includes.to_owned();
    // protox's `Debug` is its message with file, line and column.
    let message = format!("{error:?}");
    // A missing import is an error in the file that imports it; only then does protox report a file.
    Err(match (error.is_file_not_found(), error.file()) {
        (true, Some(_)) => Error::ImportNotFound { message, includes },
        (true, None) if proto.exists() => Error::FileNotIncluded { path: proto.to_owned(), includes },
        (true, None) => Error::FileNotFound {
            path: proto.to_owned(),
            directory: std::env::current_dir().unwrap_or_default(),
        },
        (false, _) => Error::Proto(message),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_directory_is_looked_in_once() {
        let protos = ["proto/greet.proto", "greet.proto", "proto/bench.proto", "/absolute/greet.proto"];
        assert_eq!(directories(&protos), ["proto", ".", "/absolute"].map(PathBuf::from));
    }

    #[test]
    fn cargo_watches_imported_files_too() {
        let directory = tempfile::tempdir().unwrap();
        let path = |name| directory.path().join(name);
        fs::write(path("imported.proto"), "syntax = 'proto3'; import 'google/protobuf/empty.proto';")
            .unwrap();
        fs::write(path("named.proto"), "syntax = 'proto3'; import 'imported.proto';").unwrap();
        fs::write(path("neither.proto"), "syntax = 'proto3';").unwrap();
        let parsed = parse(&[path("named.proto")], &[directory.path()]).unwrap();
        let mut read: Vec<_> = paths(&parsed).collect();
        read.sort();
        assert_eq!(read, [path("imported.proto"), path("named.proto")]);
    }
}
