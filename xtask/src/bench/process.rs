//! Child processes that end: with this one, when they are dropped, and when their time is over.

use std::ffi::OsStr;
use std::io::{BufRead as _, BufReader, Read as _};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::thread;
use std::time::{Duration, Instant};

use crate::Result;
use crate::command::{command, shown, works};

/// What makes a program end when the process ends that has started it.
pub(super) const END_WITH_PARENT: [&str; 3] = ["setpriv", "--pdeathsig", "KILL"];

/// A program on a `core`, or wherever the system puts it.
pub(super) fn placed(core: Option<u32>, program: impl AsRef<OsStr>) -> Command {
    let mut placed = session();
    if let Some(core) = core {
        placed.args(["taskset", "-c", &core.to_string()]);
    }
    placed.arg(program);
    placed
}

/// The same `command` with its environment, wherever the system puts it.
pub(super) fn in_session(command: &Command) -> Command {
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

/// Runs its arguments in a session of their own, so that all that they start can be signalled at once.
fn session() -> Command {
    let mut session = command("setsid");
    session.args(END_WITH_PARENT);
    session
}

/// One that runs.
pub(super) struct Process {
    child: Child,
    stdout: BufReader<ChildStdout>,
    shown: String,
    started: Instant,
    limit: Duration,
    /// Dropped with it, which ends the thread that waits for the limit.
    _ended: Sender<()>,
}

impl Process {
    /// Starts a command that [`placed`] or [`in_session`] has made.
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

    /// The next line that it prints.
    pub(super) fn line(&mut self) -> Result<String> {
        let mut line = String::new();
        match self.stdout.read_line(&mut line)? {
            0 => Err(self.failed("it has ended")),
            _ => Ok(line),
        }
    }

    /// What else it prints until it ends, if it ends well.
    pub(super) fn finish(mut self) -> Result<String> {
        let mut printed = String::new();
        self.stdout.read_to_string(&mut printed)?;
        let status = self.child.wait()?;
        if status.success() { Ok(printed) } else { Err(self.failed(&status.to_string())) }
    }

    /// Asks it to stop, as a service manager does, and waits until it has ended well.
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
        // What was waited for has no process any more, and its number may be another one's.
        if matches!(self.child.try_wait(), Ok(None)) {
            signal("KILL", self.id());
            _ = self.child.wait();
        }
    }
}

/// Signals all processes of a session that has one process group.
fn signal(name: &str, session: u32) {
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
    fn what_a_program_has_started_ends_with_it() {
        // As under strace, it is a child that holds the output.
        let mut shell = session();
        shell.args(["sh", "-c", &format!("sleep {LONG} & echo started; wait")]);
        let mut process = Process::start(&mut shell, Duration::from_secs(60)).unwrap();
        assert_eq!(process.line().unwrap(), "started\n");
        signal("KILL", process.id());
        // Ends only when nobody has the output open any more.
        process.finish().unwrap_err();
    }
}
