//! Clients that start their server.

mod connector;
mod error;
mod output;
mod program;
mod version;

pub use error::LaunchError;

use std::fmt;
use std::path::PathBuf;
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use grpc_ipc_core::{Address, BoxConnector, ConnectError};

use self::connector::LaunchConnector;
use self::output::Output;
use self::program::Program;
use self::version::Requirement;
use crate::{Channel, ConnectOptions, Description, backend};

/// A builder for a channel to a server that clients start: it connects, and first starts the server's program if no
/// server is running.
///
/// ```no_run
/// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
/// use std::process::Command;
///
/// let channel = grpc_ipc::Launcher::new("local:greeter", || Command::new("greeterd"))
///     .version(env!("CARGO_PKG_VERSION"))
///     .connect()
///     .await?;
/// # Ok(())
/// # }
/// ```
///
/// The program is started once, no matter how many clients in this and other processes need it. The clients take turns
/// with a lock, the file `PATH.start` beside the socket, and look again for a server before they start one. If the
/// address is not a path, the file is in the user's runtime directory, or on Windows in `%LOCALAPPDATA%\grpc-ipc`. If a
/// client dies, its lock is released. If the channel has to connect again and finds no server, it starts the program
/// again.
///
/// The program must listen on the address itself, and stay in the foreground. If its process ends before it listens,
/// the start fails. It runs in a session of its own (on Windows without a console), so it outlives this program, and
/// Ctrl-C does not reach it. To end an idle server, use [`Server::exit_when_idle`](crate::Server::exit_when_idle).
///
/// The program's standard input is empty. Its output goes to the file `PATH.log` beside the lock, which each start
/// empties. Nothing limits the size of that file while the server runs. A server that runs for a long time should write
/// little to its standard output and error, and write its log to a file that it rotates itself (for example with the
/// crate `tracing-appender`) or to the system's log. Or [discard](Self::discard_output) its output.
#[must_use = "a launcher does nothing until it connects"]
pub struct Launcher {
    options: ConnectOptions,
    program: Program,
    requirement: Option<Requirement>,
}

/// How long the program may take until it listens.
const START_TIMEOUT: Duration = Duration::from_secs(10);

impl Launcher {
    /// Connects with `options`, an address or [`ConnectOptions`]. If no server is running, it starts the program that
    /// `command` returns.
    ///
    /// Each start calls `command`, on a thread of the runtime. The arguments, environment and working directory of the
    /// [`Command`] are kept; its standard streams are replaced.
    pub fn new(
        options: impl Into<ConnectOptions>,
        command: impl Fn() -> Command + Send + Sync + 'static,
    ) -> Self {
        let program = Program { command: Arc::new(command), timeout: START_TIMEOUT, output: Output::Beside };
        Self { options: options.into(), program, requirement: None }
    }

    /// How long the program may take from its start until it listens. After that, the launcher ends the program, and
    /// the start fails. A client waits equally long for another client's start. Default: 10 seconds.
    pub fn start_timeout(mut self, timeout: Duration) -> Self {
        self.program.timeout = timeout;
        self
    }

    /// Appends the output of the program to this file. No start empties it, so something else has to limit its size.
    /// The file can be emptied while the server runs (`truncate -s 0`, or `copytruncate` of logrotate). After a rename,
    /// the server keeps writing to the renamed file. Default: `PATH.log`, which each start empties.
    pub fn log_file(mut self, path: impl Into<PathBuf>) -> Self {
        self.program.output = Output::File(path.into());
        self
    }

    /// Discards the output of the program. The error of a failed start then has only the program's exit status.
    /// Default: the output goes to `PATH.log`.
    pub fn discard_output(mut self) -> Self {
        self.program.output = Output::Discard;
        self
    }

    /// Requires that the server [announces](crate::Server::announce) exactly this version. For each new connection, the
    /// channel asks for the version on a separate connection. Default: any version is accepted.
    pub fn version(self, version: impl Into<String>) -> Self {
        let version = version.into();
        self.version_matching(version.clone(), move |server| server.version == version)
    }

    /// Requires a server for which `matches` returns `true`. Errors describe the requirement as `required`, such as
    /// "2.1 or later". Default: any version is accepted.
    pub fn version_matching(
        mut self,
        required: impl Into<String>,
        matches: impl Fn(&Description) -> bool + Send + Sync + 'static,
    ) -> Self {
        let replace = self.requirement.is_some_and(|requirement| requirement.replace);
        let (required, matches) = (required.into(), Arc::new(matches));
        self.requirement = Some(Requirement { required, matches, replace });
        self
    }

    /// Asks a server of another version to leave ([`Channel::ask_to_leave`]), and starts the program once the address
    /// is free. The old server finishes its calls meanwhile. Set [`version`](Self::version) or
    /// [`version_matching`](Self::version_matching) first. Two programs that require different versions at one address
    /// replace each other's server forever. Default: another version is an error, [`LaunchError::Version`].
    pub fn replace_other_versions(mut self) -> Self {
        if let Some(requirement) = &mut self.requirement {
            requirement.replace = true;
        }
        self
    }

    /// The address of the server.
    pub(crate) fn address(&self) -> Result<Address, ConnectError> {
        Ok(self.options.address.clone()?)
    }

    /// Connects, and first starts the program if no server is running.
    ///
    /// # Errors
    /// [`LaunchError`] if the program does not start, ends, or takes too long, if the server has another version, or if
    /// [`Channel::connect`] to a running server fails.
    ///
    /// # Cancel safety
    /// Dropping the future gives up this client's connection. A start that has begun continues, because other clients
    /// may wait for it.
    pub async fn connect(self) -> Result<Channel, LaunchError> {
        let channel = self.lazy().map_err(LaunchError::Connect)?;
        channel.open_first().await.map_err(|error| match error {
            ConnectError::NotStarted { address, source } => match source.downcast() {
                Ok(error) => *error,
                Err(source) => LaunchError::Connect(ConnectError::NotStarted { address, source }),
            },
            error => LaunchError::Connect(error),
        })?;
        Ok(channel)
    }

    /// Makes a channel that connects at the first call, and starts the program then if no server is running. If that
    /// fails, the call fails with [`Unavailable`](tonic::Code::Unavailable), and the next one tries again.
    ///
    /// # Errors
    /// Those of [`Channel::lazy`].
    pub fn lazy(self) -> Result<Channel, ConnectError> {
        let mut connections = self.options.connections.clone();
        let connector = LaunchConnector {
            inner: backend::connector(self.options)?,
            program: self.program,
            requirement: self.requirement,
            connect_timeout: connections.connect_timeout,
        };
        // Connecting may take as long as a start, which has limits of its own.
        connections.handshake_timeout = Some(connections.connect_timeout);
        connections.connect_timeout = connections.connect_timeout.saturating_add(connector.longest());
        Ok(Channel::new(BoxConnector::new(connector), connections))
    }
}

impl fmt::Debug for Launcher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Launcher").field("options", &self.options).finish_non_exhaustive()
    }
}
