//! Child processes that end with this one, when they are dropped, or when their time is over.

use std::ffi::OsStr;
use std::io::{BufRead as _, BufReader, Read as _};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::thread;
use std::time::{Duration, Instant};

use crate::Result;
use crate::command::{command, shown, works};

/// Makes a program end when its parent ends.
pub(super) const END_WITH_PARENT: [&str; 3] = ["setpriv", "--pdeathsig", "KILL"];

/// Runs a program pinned to `core`, or unpinned.
pub(super) fn placed(core: Option<u32>, program: impl AsRef<OsStr>) -> Command {
    let mut placed = session();
    if let Some(core) = core {
        placed.args(["taskset", "-c", &core.to_string()]);
    }
    placed.arg(program);
    placed
}

/// The same `command` with its environment, unpinned.
pub(crate) fn in_session(command: &Command) -> Command {
    let mut placed = placed(None, command.get_program());
    placed.args(command.get_args());
    for (name, value) in command.get_envs() {
        match value {
            Some(value) => placed.env(name, value),
            None => placed.env_remove(name),
        };
    }
    placed
}

/// Runs its arguments in a separate session, so that all their processes can be signalled at once.
fn session() -> Command {
    let mut session = command("setsid");
    session.args(END_WITH_PARENT);
    session
}

/// A running process.
pub(super) struct Process {
    child: Child,
    stdout: BufReader<ChildStdout>,
    shown: String,
    started: Instant,
    limit: Duration,
    /// Ends the thread that waits for the limit when this is dropped.
    _ended: Sender<()>,
}

impl Process {
    /// Starts a command from [`placed`] or [`in_session`].
    pub(super) fn start(command: &mut Command, limit: Duration) -> Result<Self> {
        let shown = shown(command);
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(|error| format!("{shown}: {error}"))?;
        let stdout = BufReader::new(child.stdout.take().ok_or("no standard output")?);
        let (_ended, ended) = channel();
        let session = child.id();
        thread::spawn(move || {
            if ended.recv_timeout(limit) == Err(RecvTimeoutError::Timeout) {
                signal("KILL", session);
            }
        });
        Ok(Self { child, stdout, shown, started: Instant::now(), limit, _ended })
    }

    pub(super) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Reads the next line of its output.
    pub(super) fn line(&mut self) -> Result<String> {
        self.next_line()?.ok_or_else(|| self.failed("it ended early"))
    }

    /// The same; `None` at the end of its output.
    pub(super) fn next_line(&mut self) -> Result<Option<String>> {
        let mut line = String::new();
        Ok((self.stdout.read_line(&mut line)? > 0).then_some(line))
    }

    /// The processor time that it has used, in seconds. The times in `/proc/PID/stat` have a resolution of a hundredth.
    #[cfg(target_os = "linux")]
    pub(super) fn cpu(&self) -> Result<f64> {
        use nix::time::{clock_getcpuclockid, clock_gettime};
        use nix::unistd::Pid;

        let clock = clock_getcpuclockid(Pid::from_raw(self.id().try_into()?))?;
        Ok(Duration::from(clock_gettime(clock)?).as_secs_f64())
    }

    #[cfg(not(target_os = "linux"))]
    pub(super) fn cpu(&self) -> Result<f64> {
        Err(format!("the processor time of process {} is read on Linux only", self.id()).into())
    }

    /// Reads the rest of its output until it ends. Fails if it ends with an error.
    pub(super) fn finish(mut self) -> Result<String> {
        let mut printed = String::new();
        self.stdout.read_to_string(&mut printed)?;
        let status = self.child.wait()?;
        if status.success() { Ok(printed) } else { Err(self.failed(&status.to_string())) }
    }

    /// Asks it to stop, like a service manager, and waits until it has ended. Fails if it ends with an error.
    pub(super) fn stop(self) -> Result {
        signal("TERM", self.id());
        self.finish().map(drop)
    }

    fn failed(&self, how: &str) -> Box<dyn std::error::Error> {
        let late = if self.started.elapsed() < self.limit { "" } else { ", because its time was over" };
        format!("{}: {how}{late}", self.shown).into()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // A process that has been waited for is gone, and its id may be reused.
        if matches!(self.child.try_wait(), Ok(None)) {
            signal("KILL", self.id());
            _ = self.child.wait();
        }
    }
}

/// Signals all processes of a session with a single process group.
pub(crate) fn signal(name: &str, session: u32) {
    works(command("kill").args(["-s", name, "--", &format!("-{session}")]));
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    const LONG: &str = "600";

    #[test]
    fn a_program_ends_with_its_time() {
        let mut sleep = session();
        let process = Process::start(sleep.args(["sleep", LONG]), Duration::from_millis(10)).unwrap();
        assert!(process.finish().unwrap_err().to_string().ends_with("because its time was over"));
    }

    #[test]
    fn processor_time_is_counted() {
        let mut shell = session();
        shell.args(["sh", "-c", "echo started; while :; do :; done"]);
        let mut process = Process::start(&mut shell, Duration::from_secs(60)).unwrap();
        process.line().unwrap();
        let before = process.cpu().unwrap();
        while process.cpu().unwrap() < before + 0.02 {}
    }

    #[test]
    fn what_a_program_has_started_ends_with_it() {
        // As under strace, a child process keeps the output open.
        let mut shell = session();
        shell.args(["sh", "-c", &format!("sleep {LONG} & echo started; wait")]);
        let mut process = Process::start(&mut shell, Duration::from_secs(60)).unwrap();
        assert_eq!(process.line().unwrap(), "started\n");
        signal("KILL", process.id());
        // Ends only when no process has the output open any more.
        process.finish().unwrap_err();
    }
}
