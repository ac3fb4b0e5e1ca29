//! Programs as child processes.
#![allow(
    dead_code,
    unreachable_pub,
    clippy::allow_attributes,
    reason = "each test program uses a part of it"
)]

use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;

use grpc_ipc_conformance::{Watchdog, unique_name};
use tempfile::TempDir;

pub const GREETER: &str = env!("CARGO_BIN_EXE_greeter");

pub fn watch(test: &str) -> Watchdog {
    Watchdog::start(test, Duration::from_secs(120))
}

pub fn greeter(arguments: &[&str]) -> Command {
    let mut command = Command::new(GREETER);
    command.args(arguments).stdin(Stdio::null());
    command
}

/// Addresses of this platform's transports that nothing else uses; files go into `directory`.
pub fn addresses(directory: &TempDir) -> Vec<String> {
    let mut addresses = vec![format!("local:{}", unique_name("g"))];
    if cfg!(windows) {
        addresses.push(format!("npipe:{}", unique_name("g")));
    } else {
        addresses.push(format!("unix:{}", directory.path().join("g.sock").display()));
    }
    if cfg!(target_os = "linux") {
        addresses.push(format!("unix-abstract:{}", unique_name("g")));
    }
    addresses
}

/// The output of a program, which must succeed.
pub fn succeed(command: &mut Command) -> String {
    let output = command.output().unwrap();
    let (out, err) = texts(&output);
    assert!(output.status.success(), "{command:?}: {}: {out}{err}", output.status);
    out
}

/// The standard error of a program, which must fail without a panic.
pub fn fail(command: &mut Command) -> String {
    let output = command.output().unwrap();
    let (out, err) = texts(&output);
    assert!(!output.status.success(), "{command:?} succeeded: {out}{err}");
    assert!(!err.contains("panicked"), "{command:?}: {err}");
    err
}

fn texts(output: &Output) -> (String, String) {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (text(&output.stdout), text(&output.stderr))
}

/// A server as a child process, killed at the end.
pub struct Server {
    child: Child,
    lines: std::io::Lines<BufReader<std::process::ChildStdout>>,
    pub ready: String,
}

impl Server {
    /// Starts the server, and waits until it prints that it listens.
    pub fn start(command: &mut Command) -> Self {
        Self::start_with_input(command.stdin(Stdio::null()))
    }

    /// Like [`start`](Self::start), with the command's own standard input.
    pub fn start_with_input(command: &mut Command) -> Self {
        let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let ready = lines.by_ref().map(Result::unwrap).find(|line| line.contains("listening on"));
        let ready = ready.unwrap_or_else(|| panic!("{command:?} has ended before it listened"));
        Self { child, lines, ready }
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// The next line that it prints.
    pub fn line(&mut self) -> String {
        self.lines.next().expect("one more line").unwrap()
    }

    /// `kill -9`.
    pub fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Asks it to stop, as a service manager does, and waits until it has exited successfully.
    #[cfg(unix)]
    pub fn stop(mut self) {
        let pid = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
        assert!(self.child.wait().unwrap().success());
    }

    /// Ends it. Only a user at the keyboard can ask a Windows program to stop in that way.
    #[cfg(windows)]
    pub fn stop(self) {
        self.kill();
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        _ = self.child.kill();
        _ = self.child.wait();
    }
}

/// Copies `program` to `directory`, where every user can run it.
#[cfg(unix)]
pub fn for_everyone(program: &str, directory: &std::path::Path) -> std::path::PathBuf {
    use std::fs::{self, Permissions};
    use std::os::unix::fs::PermissionsExt as _;
    use std::path::Path;

    let copy = directory.join(Path::new(program).file_name().unwrap());
    // Copied by another process. Otherwise, a child that another test forks meanwhile could hold the copy open for
    // writing, and such a file cannot be run.
    assert!(Command::new("cp").arg(program).arg(&copy).status().unwrap().success());
    fs::set_permissions(&copy, Permissions::from_mode(0o755)).unwrap();
    fs::set_permissions(directory, Permissions::from_mode(0o755)).unwrap();
    copy
}
