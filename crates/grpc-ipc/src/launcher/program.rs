use std::ffi::OsString;
use std::process::{Child, Command};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use super::error::LaunchError;
use super::output::{Log, Output};
use crate::backend::start::{self, StartPlace};

/// The program of a server.
#[derive(Clone)]
pub(super) struct Program {
    pub(super) command: Arc<dyn Fn() -> Command + Send + Sync>,
    pub(super) timeout: Duration,
    pub(super) output: Output,
}

/// A program that has been started, and does not listen yet.
pub(super) struct Started {
    program: OsString,
    child: Option<Child>,
    log: Log,
}

const NOTIFY_SOCKET: &str = "NOTIFY_SOCKET";

impl Program {
    pub(super) async fn start(&self, place: &StartPlace) -> Result<Started, LaunchError> {
        let mut command = (self.command)();
        let log = self.output.set(&mut command, place).await?;
        // A server that notifies systemd would speak for the service that this program belongs to.
        if !command.get_envs().any(|(variable, _)| variable == NOTIFY_SOCKET) {
            command.env_remove(NOTIFY_SOCKET);
        }
        let program = command.get_program().to_owned();
        match start::spawn(&mut command) {
            Ok(child) => Ok(Started { program, child: Some(child), log }),
            Err(source) => Err(LaunchError::Spawn { program, source }),
        }
    }
}

impl Started {
    /// How the program has ended, if it has.
    pub(super) fn ended(&mut self) -> Option<LaunchError> {
        let ended = self.child.as_mut()?.try_wait().transpose()?;
        self.child = None;
        let (program, output) = (self.program.clone(), self.log.tail());
        Some(match ended {
            Ok(status) => LaunchError::Exited { program, status, output },
            // ECHILD, waitpid(2): there is no such child any more.
            Err(source) => LaunchError::Lost { program, source, output },
        })
    }

    /// Ends the program because it took too long.
    pub(super) fn give_up(mut self, waited: Duration) -> LaunchError {
        if let Some(child) = &mut self.child {
            _ = start::kill(child);
        }
        LaunchError::TimedOut { program: self.program.clone(), waited, output: self.log.tail() }
    }
}

/// Leaves the program running. On Unix, the parent has to collect the exit status, or the process remains as a zombie.
/// So a thread sleeps until the program ends.
impl Drop for Started {
    fn drop(&mut self) {
        if let Some(mut child) = self.child.take() {
            // Without the thread, the system collects it when this process ends.
            let wait = move || drop(child.wait());
            _ = thread::Builder::new().name("grpc-ipc-reaper".to_owned()).stack_size(64 * 1024).spawn(wait);
        }
    }
}
