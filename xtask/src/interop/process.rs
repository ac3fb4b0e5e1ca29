//! Servers and clients as child processes, which are killed when their time is over. Their output goes to files, because
//! Node.js under Wine cannot write to a pipe of Linux.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use crate::Result;
use crate::bench::process::{in_session, signal};
use crate::command::{command, run_quietly, shown};

/// Whether a process and its children can be signalled at once.
const SESSIONS: bool = cfg!(target_os = "linux");
/// The pause between two checks of a process.
const INTERVAL: Duration = Duration::from_millis(10);
/// A server that is asked to stop must end within this time.
const STOP: Duration = Duration::from_secs(15);
/// The lines that are shown of what a program wrote to standard error.
const LINES: usize = 12;

pub(crate) struct Process {
    child: Child,
    shown: String,
    stdout: PathBuf,
    stderr: PathBuf,
    end: Instant,
}

impl Process {
    /// Starts `command`. `name` is that of its files in `directory`.
    pub(crate) fn start(command: Command, directory: &Path, name: &str, limit: Duration) -> Result<Self> {
        let shown = shown(&command);
        let [stdout, stderr] = ["out", "err"].map(|kind| directory.join(name).with_extension(kind));
        let mut command = if SESSIONS { in_session(&command) } else { command };
        let child = command
            .stdin(Stdio::null())
            .stdout(File::create(&stdout)?)
            .stderr(File::create(&stderr)?)
            .spawn()
            .map_err(|error| format!("{shown}: {error}"))?;
        Ok(Self { child, shown, stdout, stderr, end: Instant::now() + limit })
    }

    /// Waits for a line that begins with `prefix`. Fails if the process ends or its time is over.
    pub(crate) fn wait_for(&mut self, prefix: &str) -> Result<String> {
        loop {
            // Asked first, so that the output is complete if it has ended.
            let ended = self.child.try_wait()?;
            let printed = self.stdout()?;
            let complete = printed.split_inclusive('\n').filter(|line| line.ends_with('\n'));
            if let Some(line) = complete.map(str::trim_end).find(|line| line.starts_with(prefix)) {
                return Ok(line.to_owned());
            }
            match ended {
                Some(status) => return Err(format!("it ended early: {status}").into()),
                None if Instant::now() > self.end => return Err("its time was over".into()),
                None => thread::sleep(INTERVAL),
            }
        }
    }

    /// Waits until it has ended. `None` if its time was over; then it is killed.
    pub(crate) fn finish(&mut self) -> Result<Option<ExitStatus>> {
        loop {
            if let Some(status) = self.child.try_wait()? {
                return Ok(Some(status));
            }
            if Instant::now() > self.end {
                self.kill();
                return Ok(None);
            }
            thread::sleep(INTERVAL);
        }
    }

    /// Asks it to stop, as a service manager does. Fails if it ends with an error, or not in time.
    pub(super) fn stop(&mut self) -> Result {
        if SESSIONS {
            signal("TERM", self.child.id());
        } else {
            run_quietly(command("kill").arg(self.child.id().to_string()))?;
        }
        self.end = Instant::now() + STOP;
        match self.finish()? {
            Some(status) if status.success() => Ok(()),
            Some(status) => Err(format!("when asked to stop, the server ended with {status}").into()),
            None => Err("the server did not stop when it was asked to".into()),
        }
    }

    /// What it has written to standard output.
    pub(crate) fn stdout(&self) -> Result<String> {
        Ok(String::from_utf8_lossy(&fs::read(&self.stdout)?).into_owned())
    }

    /// What it has written to standard error.
    pub(super) fn stderr(&self) -> String {
        String::from_utf8_lossy(&fs::read(&self.stderr).unwrap_or_default()).into_owned()
    }

    /// Its command, and the end of what it has written to standard error.
    pub(crate) fn report(&self) -> String {
        let stderr = self.stderr();
        let lines: Vec<_> = stderr.lines().collect();
        let shown = lines[lines.len().saturating_sub(LINES)..].iter().map(|line| format!("\n    {line}"));
        format!("$ {}{}", self.shown, shown.collect::<String>())
    }

    fn kill(&mut self) {
        // A process that has been waited for is gone, and its id may be reused.
        if matches!(self.child.try_wait(), Ok(None)) {
            if SESSIONS {
                signal("KILL", self.child.id());
            }
            _ = self.child.kill();
            _ = self.child.wait();
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
    }
}
