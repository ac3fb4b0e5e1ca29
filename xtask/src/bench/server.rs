//! The two sides of a stack.

use std::ffi::OsString;
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};

use super::build::Profile;
use super::process::{Process, placed};
use super::stack::Stack;
use super::{Bench, Placement};
use crate::Result;

/// The next socket's number.
static NEXT: AtomicU32 = AtomicU32::new(0);

/// The command that runs a program, such as `strace`; empty: the program runs directly.
pub(super) type Tool = Vec<OsString>;

/// How to run the two programs of a stack.
#[derive(Clone, Copy)]
pub(super) struct Setup {
    pub(super) stack: Stack,
    pub(super) profile: Profile,
    pub(super) placement: Placement,
    /// The server's options besides its address.
    pub(super) serve: &'static [&'static str],
}

/// A running server of a stack.
pub(super) struct Server<'a> {
    process: Process,
    path: String,
    bench: &'a Bench,
    setup: Setup,
}

impl<'a> Server<'a> {
    /// Starts the server, and waits until clients can connect.
    pub(super) fn start(bench: &'a Bench, setup: Setup, tool: &Tool) -> Result<Self> {
        let name = format!("{}.sock", NEXT.fetch_add(1, Ordering::Relaxed));
        let path = bench.directory.path().join(name);
        let path = path.to_str().ok_or("the path of the temporary directory is not Unicode")?.to_owned();
        let mut command = setup.program(bench, setup.placement.server, tool);
        command.args(["serve", &format!("unix:{path}")]).args(setup.serve);
        let mut process = Process::start(&mut command, bench.limit())?;
        let line = process.line()?;
        if !line.starts_with("listening on ") {
            return Err(format!("{}: {line}", setup.stack.name()).into());
        }
        Ok(Self { process, path, bench, setup })
    }

    /// The id of its process, or of the tool's.
    pub(super) fn id(&self) -> u32 {
        self.process.id()
    }

    /// The path of its socket.
    pub(super) fn path(&self) -> &str {
        &self.path
    }

    /// The processor time in seconds that it has used.
    pub(super) fn cpu(&self) -> Result<f64> {
        self.process.cpu()
    }

    /// Starts a command of the same stack's client.
    pub(super) fn start_client(&self, tool: &Tool, name: &str, arguments: &[&str]) -> Result<Process> {
        let mut command = self.setup.program(self.bench, self.setup.placement.client, tool);
        command.args([name, &format!("unix:{}", self.path)]).args(arguments);
        Process::start(&mut command, self.bench.limit())
    }

    /// The output of a command of the same stack's client.
    pub(super) fn client(&self, tool: &Tool, name: &str, arguments: &[&str]) -> Result<String> {
        self.start_client(tool, name, arguments)?.finish()
    }

    /// Waits until it has drained, and its tool has written the report.
    pub(super) fn stop(self) -> Result {
        self.process.stop()
    }
}

impl Setup {
    fn program(&self, bench: &Bench, core: Option<u32>, tool: &Tool) -> Command {
        let program = bench.programs.command(self.stack, self.profile);
        let mut words = tool.iter().cloned().chain(program);
        let mut command = placed(core, words.next().unwrap_or_default());
        command.args(words).args(self.stack.options());
        if !self.stack.is_foreign() {
            command.args(["--runtime", self.placement.runtime]);
        }
        if !tool.is_empty() && self.stack.is_ours() {
            // How often a program polls depends on its speed, which the tool changes.
            command.args(["--busy-poll", "0"]);
        }
        command
    }
}
