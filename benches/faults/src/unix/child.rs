use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Child as StdChild, ChildStdin, ChildStdout, Command, Stdio};

use rustix::process::{Pid, Signal, WaitOptions, kill_process, waitpid};

use super::Result;

/// A program, mostly this one in another role, killed when it is dropped.
pub(crate) struct Child {
    child: StdChild,
    stdin: ChildStdin,
    stdout: BufReader<ChildStdout>,
}

impl Child {
    /// Starts this program with these arguments.
    pub(crate) fn start(arguments: &[&str]) -> Result<Self> {
        Self::start_by(&[], arguments)
    }

    /// The same, started through another program, whose arguments come first.
    pub(crate) fn start_by(launcher: &[&str], arguments: &[&str]) -> Result<Self> {
        let own = std::env::current_exe()?;
        let mut command = match launcher {
            [] => Command::new(own),
            [program, options @ ..] => {
                let mut command = Command::new(program);
                command.args(options).arg(own);
                command
            }
        };
        Self::spawn(command.args(arguments))
    }

    /// Starts another program.
    pub(crate) fn spawn(command: &mut Command) -> Result<Self> {
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
        let stdin = child.stdin.take().ok_or("the child has no standard input")?;
        let stdout = BufReader::new(child.stdout.take().ok_or("the child has no standard output")?);
        Ok(Self { child, stdin, stdout })
    }

    /// Returns the next line that it prints. Blocks the thread.
    pub(crate) fn line(&mut self) -> Result<String> {
        let mut line = String::new();
        match self.stdout.read_line(&mut line)? {
            0 => Err(format!("the child has ended: {}", self.child.wait()?).into()),
            _ => Ok(line.trim_end().to_owned()),
        }
    }

    /// Writes a line to its standard input.
    pub(crate) fn tell(&mut self, line: &str) -> Result {
        Ok(writeln!(self.stdin, "{line}")?)
    }

    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    pub(crate) fn signal(&self, signal: Signal) -> Result {
        Ok(kill_process(self.pid()?, signal)?)
    }

    /// Sends SIGSTOP, and returns when all threads have stopped.
    pub(crate) fn stop(&self) -> Result {
        self.signal(Signal::STOP)?;
        match waitpid(Some(self.pid()?), WaitOptions::UNTRACED)? {
            Some((_, status)) if status.stopped() => Ok(()),
            other => Err(format!("the child has not stopped: {other:?}").into()),
        }
    }

    fn pid(&self) -> Result<Pid> {
        Pid::from_raw(self.child.id().cast_signed()).ok_or_else(|| "a process has no number".into())
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        // It may be stopped. SIGKILL ends it anyway.
        _ = self.child.kill();
        _ = self.child.wait();
    }
}
