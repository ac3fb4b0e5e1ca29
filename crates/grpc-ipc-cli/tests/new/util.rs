use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use grpc_ipc_conformance::{Watchdog, skip};

/// Enough to build all dependencies on a slow machine.
const LIMIT: Duration = Duration::from_secs(1200);

/// The root of this repository.
pub(crate) fn checkout() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).unwrap()
}

/// Runs `grpc-ipc new` in a directory.
pub(crate) fn grpc_ipc_new(directory: &Path, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_grpc-ipc"));
    command.current_dir(directory).arg("new").args(arguments).output().unwrap()
}

/// Cargo builds one package at a time, and the programs of two have the same names.
static TURN: Mutex<()> = Mutex::new(());

/// Where packages are built and run. They keep their directories, so that Cargo builds again only what has changed.
pub(crate) struct Workshop {
    _watchdog: Watchdog,
    _turn: MutexGuard<'static, ()>,
}

impl Workshop {
    /// `None` where there is no Cargo to build with, which is then said.
    pub(crate) fn new(test: &str) -> Option<Self> {
        // A test of Windows that Cargo of Linux has started, under Wine.
        if cfg!(windows) && !Path::new(&cargo()).is_absolute() {
            skip(test, "Cargo builds for another system here");
            return None;
        }
        let turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
        Some(Self { _watchdog: Watchdog::start(test, LIMIT), _turn: turn })
    }

    /// Brings the package that was created at `created` in, and returns its directory.
    pub(crate) fn bring_in(&self, created: &Path) -> PathBuf {
        let directory = Path::new(env!("CARGO_TARGET_TMPDIR")).join("new").join(created.file_name().unwrap());
        let mut wanted = files(created);
        for (path, text) in &mut wanted {
            if path == "Cargo.toml" {
                // The directory is inside of this repository's workspace, and no part of it.
                text.push_str("\n[workspace]\n");
            }
        }
        fs::create_dir_all(&directory).unwrap();
        for (path, _) in files(&directory) {
            if !wanted.iter().any(|(kept, _)| *kept == path) {
                fs::remove_file(directory.join(path)).unwrap();
            }
        }
        for (path, text) in wanted {
            let path = directory.join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            if fs::read_to_string(&path).ok().as_ref() != Some(&text) {
                fs::write(path, text).unwrap();
            }
        }
        // The versions that this workspace has are on this machine.
        fs::copy(checkout().join("Cargo.lock"), directory.join("Cargo.lock")).unwrap();
        directory
    }

    /// Cargo in a directory of a package. All packages share what they build, with each other and with this workspace.
    pub(crate) fn cargo(&self, directory: &Path) -> Command {
        let target = Path::new(env!("CARGO_TARGET_TMPDIR")).parent().unwrap();
        let mut command = Command::new(cargo());
        command
            .current_dir(directory)
            .env("CARGO_NET_OFFLINE", "true")
            .env("CARGO_BUILD_BUILD_DIR", target)
            // Programs have the same names as those of the examples.
            .env("CARGO_TARGET_DIR", target.join("new"));
        command
    }
}

fn cargo() -> PathBuf {
    std::env::var_os("CARGO").unwrap_or("cargo".into()).into()
}

/// What a command printed on standard output. Fails if the command does, or if Cargo warned of something.
pub(crate) fn succeed(command: &mut Command) -> String {
    let Output { status, stdout, stderr } = command.output().unwrap();
    let [stdout, stderr] = [stdout, stderr].map(|printed| String::from_utf8(printed).unwrap());
    assert!(status.success() && !stderr.contains("warning:"), "{command:?}: {status}\n{stdout}\n{stderr}");
    stdout
}

/// All files of a directory, by path from there, with their text.
pub(crate) fn files(directory: &Path) -> Vec<(String, String)> {
    let mut found = Vec::new();
    let mut directories = vec![directory.to_owned()];
    while let Some(inside) = directories.pop() {
        for path in fs::read_dir(inside).unwrap().map(|entry| entry.unwrap().path()) {
            if path.is_dir() {
                if path.file_name() != Some(OsStr::new(".git")) {
                    directories.push(path);
                }
                continue;
            }
            let parts = path.strip_prefix(directory).unwrap().iter().map(|part| part.to_str().unwrap());
            found.push((parts.collect::<Vec<_>>().join("/"), fs::read_to_string(&path).unwrap()));
        }
    }
    found.sort();
    found
}
