use std::fmt;
use std::io;
use std::path::PathBuf;

/// Why the code could not be generated.
///
/// `Debug` shows the text of `Display` and of the source, because `main` of a build script prints `Debug`.
#[derive(thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A given .proto file does not exist.
    #[error(
        "{} does not exist in {}: a path is relative to the directory of Cargo.toml",
        path.display(), directory.display()
    )]
    FileNotFound {
        /// The path as given.
        path: PathBuf,
        /// The directory that it is relative to.
        directory: PathBuf,
    },

    /// A given .proto file is not in any of the include directories.
    #[error(
        "{} is not in any of the include directories ({}): add the directory that its imports are relative to",
        path.display(), list(includes)
    )]
    FileNotIncluded {
        /// The path as given.
        path: PathBuf,
        /// The include directories as given.
        includes: Vec<PathBuf>,
    },

    /// A file imports one that is not in any of the include directories.
    #[error(
        "{message} in any of the include directories ({}): name the directory that it is relative to with \
         `grpc_ipc_build::configure().compile_protos(&[files], &[directories])`",
        list(includes)
    )]
    ImportNotFound {
        /// The import, and its position.
        message: String,
        /// The include directories that were searched.
        includes: Vec<PathBuf>,
    },

    /// A .proto file is not valid. The message contains file, line and column.
    #[error("{0}")]
    Proto(String),

    /// There is no .proto file to compile.
    #[error("there is no .proto file to compile: give at least one")]
    NoFiles,

    /// The directory for the generated files is unknown.
    #[error(
        "OUT_DIR is not set, so there is nowhere to write to: call this from a build script (build.rs), or choose a \
         directory with `out_dir`"
    )]
    NoOutDir,

    /// A given attribute is not valid.
    #[error("`{text}` is not an attribute ({reason}): write it in full, as in `#[derive(Eq)]`")]
    Attribute {
        /// The text as given.
        text: String,
        /// The parser's message.
        reason: String,
    },

    /// Two methods of a service have the same name in Rust.
    #[error(
        "{service}: the methods {first} and {second} are both called `{name}` in Rust: rename one of them"
    )]
    SameName {
        /// The service, with its package.
        service: String,
        /// The first method.
        first: String,
        /// The second method.
        second: String,
        /// The name that they have in Rust.
        name: String,
    },

    /// prost-build rejects an option, or a Rust type is not valid.
    #[error("{0}")]
    Generate(String),

    /// A file cannot be written.
    #[error("cannot write {}", path.display())]
    Write {
        /// The file or directory.
        path: PathBuf,
        /// The error of the system.
        source: io::Error,
    },
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")?;
        match std::error::Error::source(self) {
            Some(source) => write!(f, ": {source}"),
            None => Ok(()),
        }
    }
}

fn list(paths: &[PathBuf]) -> String {
    let shown: Vec<_> = paths.iter().map(|path| path.display().to_string()).collect();
    if shown.is_empty() { "there are none".to_owned() } else { shown.join(", ") }
}
