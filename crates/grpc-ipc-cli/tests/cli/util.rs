//! The command as a child process.

use std::io::{BufRead as _, BufReader, Lines, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Output, Stdio};
use std::time::Duration;

use grpc_ipc_conformance::{Watchdog, unique_name};
use tempfile::TempDir;

/// The directory with the .proto files of this workspace.
pub(crate) fn protos() -> PathBuf {
    workspace().join("proto")
}

pub(crate) fn workspace() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().parent().unwrap()
}

pub(crate) fn watch(test: &str) -> Watchdog {
    Watchdog::start(test, Duration::from_secs(120))
}

pub(crate) fn cli(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_grpc-ipc"));
    command.args(arguments).stdin(Stdio::null());
    command
}

/// How a command ended.
pub(crate) struct Ended {
    pub(crate) code: i32,
    pub(crate) out: String,
    pub(crate) err: String,
}

pub(crate) fn run(arguments: &[&str]) -> Ended {
    ended(cli(arguments).output().unwrap())
}

/// Runs a command with `input` as its standard input.
pub(crate) fn run_with_input(arguments: &[&str], input: &str) -> Ended {
    let mut command = cli(arguments);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    // A command that fails may not read it.
    _ = child.stdin.take().unwrap().write_all(input.as_bytes());
    ended(child.wait_with_output().unwrap())
}

fn ended(output: Output) -> Ended {
    // Windows has lines of its own.
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap().replace("\r\n", "\n");
    let ended = Ended {
        code: output.status.code().unwrap_or(-1),
        out: text(output.stdout),
        err: text(output.stderr),
    };
    assert!(!ended.err.contains("panicked"), "{}", ended.err);
    ended
}

/// What a command prints that succeeds, without a word on standard error.
pub(crate) fn succeed(arguments: &[&str]) -> String {
    let Ended { code, out, err } = run(arguments);
    assert_eq!((code, err.as_str()), (0, ""), "{arguments:?}: {out}");
    out
}

/// What a command says on standard error that ends with `code`.
pub(crate) fn fail(arguments: &[&str], code: i32) -> String {
    let ended = run(arguments);
    assert_eq!(ended.code, code, "{arguments:?}: {}{}", ended.out, ended.err);
    ended.err
}

/// A running program, killed at the end.
pub(crate) struct Running {
    pub(crate) child: Child,
    pub(crate) lines: Lines<BufReader<ChildStdout>>,
}

impl Running {
    pub(crate) fn start(command: &mut Command) -> Self {
        let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        Self { child, lines }
    }

    /// Starts a server, and waits until it says that it listens.
    pub(crate) fn server(command: &mut Command) -> Self {
        let mut running = Self::start(command.stdin(Stdio::null()));
        let ready = running.lines.by_ref().map(Result::unwrap).any(|line| line.starts_with("listening on"));
        assert!(ready, "{command:?} has ended before it listened");
        running
    }

    pub(crate) fn line(&mut self) -> String {
        self.lines.next().expect("one more line").unwrap()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        _ = self.child.kill();
        _ = self.child.wait();
    }
}

/// An address that nothing else uses.
pub(crate) struct Place {
    pub(crate) address: String,
    /// As gRPC's own name resolution has it.
    pub(crate) grpc: String,
    _directory: TempDir,
}

pub(crate) fn place() -> Place {
    let directory = TempDir::new().unwrap();
    let (address, grpc) = if cfg!(windows) {
        let name = unique_name("cli");
        (format!("npipe:{name}"), format!(r"unix:\\.\pipe\{name}"))
    } else {
        let address = format!("unix:{}", directory.path().join("s").display());
        (address.clone(), address)
    };
    Place { address, grpc, _directory: directory }
}
