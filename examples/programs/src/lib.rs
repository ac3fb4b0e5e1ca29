//! The common code of the tests: programs as child processes, each with a directory of its own.

#![cfg(target_os = "linux")]

use std::fs::{self, File};
use std::os::unix::process::{CommandExt as _, ExitStatusExt as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::thread;
use std::time::Duration;

use grpc_ipc::{Channel, ConnectOptions};
use rustix::process::{Pid, Signal, kill_process_group};
use tempfile::TempDir;

/// How long a program may take until it serves.
const START: Duration = Duration::from_secs(30);

/// Whether `program` is installed. Otherwise, the test is recorded as skipped.
///
/// # Panics
/// If it is not installed, and the skip cannot be recorded.
#[must_use]
pub fn installed(test: &str, program: &str) -> bool {
    let installed =
        Command::new(program).arg("--version").output().is_ok_and(|output| output.status.success());
    if !installed {
        grpc_ipc_conformance::skip(test, &format!("{program} is missing; run `cargo xtask setup`"));
    }
    installed
}

/// A server in a process group of its own, which is killed when this is dropped. It runs in its own directory.
#[derive(Debug)]
pub struct Program {
    child: Child,
    directory: PathBuf,
}

impl Program {
    /// Starts a server. What it prints goes to the file `log` in its directory.
    ///
    /// # Panics
    /// If it cannot be started.
    #[must_use]
    pub fn start(command: &[&str], directory: &TempDir) -> Self {
        let directory = directory.path().to_owned();
        let log = File::options().create(true).append(true).open(directory.join("log")).expect("a log");
        // The watchdog ends this process without dropping anything.
        let child = Command::new("setpriv")
            .args(["--pdeathsig", "KILL", "--"])
            .args(command)
            .current_dir(&directory)
            .stdin(Stdio::null())
            .stdout(log.try_clone().expect("a second handle"))
            .stderr(log)
            .process_group(0)
            .spawn();
        Self { child: child.expect("the program"), directory }
    }

    /// Asks the server to stop, as a service manager does, and waits until it has.
    ///
    /// # Panics
    /// If it ends otherwise.
    pub fn stop(mut self) {
        self.signal(Signal::TERM);
        let status = self.child.wait().expect("its status");
        // etcd cleans up, and then sends the signal to itself again.
        let ended = status.success() || status.signal() == Some(Signal::TERM.as_raw());
        assert!(ended, "{status}");
    }

    fn signal(&self, signal: Signal) {
        _ = kill_process_group(Pid::from_child(&self.child), signal);
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        self.signal(Signal::KILL);
        _ = self.child.wait();
        if thread::panicking() {
            eprintln!("{}", fs::read_to_string(self.directory.join("log")).unwrap_or_default());
        }
    }
}

/// A channel to a program that may still be starting. It finds the program again after a restart.
///
/// # Panics
/// If the program does not serve in time.
pub async fn connect(socket: &Path) -> Channel {
    let options = ConnectOptions::new(format!("unix:{}", socket.display())).wait(START).wait_for_ready(true);
    Channel::connect(options).await.expect("the program listens")
}

/// The output of a program.
///
/// # Panics
/// If the program fails.
pub fn printed(command: &mut Command) -> String {
    let Output { status, stdout, stderr } = command.output().expect("the program");
    let [stdout, stderr] = [stdout, stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
    assert!(status.success(), "{command:?}: {status}: {stdout}{stderr}");
    stdout
}
