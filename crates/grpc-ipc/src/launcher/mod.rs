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

/// Connects to a server, and starts its program if nobody serves the address: a builder.
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
/// The program is started once, however many clients want it, in this process and in others: they take a lock in turn, the
/// file `PATH.start` beside the socket, and look again before they start anything. For an address that is no path the file
/// is in the user's runtime directory, and on Windows in `%LOCALAPPDATA%\grpc-ipc`. A client that dies lets go of the lock.
///
/// The program has to listen on the address itself, and to stay in the foreground: when the process that was started ends
/// before it listens, the start has failed. It runs in a session of its own (on Windows without a console), so it outlives
/// this program, and Ctrl-C does not reach it. Its standard input is empty. Its output goes to the file `PATH.log` beside
/// the lock, which each start empties. [`Server::exit_when_idle`](crate::Server::exit_when_idle) ends it when nobody needs
/// it any more.
///
/// The channel starts the program again when it has to connect anew and finds nobody.
#[must_use = "a launcher does nothing until it connects"]
pub struct Launcher {
    options: ConnectOptions,
    program: Program,
    requirement: Option<Requirement>,
}

/// How long the program may take until it listens.
const START_TIMEOUT: Duration = Duration::from_secs(10);

impl Launcher {
    /// Connects with `options`, an address or [`ConnectOptions`], and starts what `command` returns if nobody is there.
    ///
    /// `command` is called for each start, on a thread of the runtime; arguments, environment and working directory are
    /// those of the [`Command`]. What it sets of the standard streams is replaced.
    pub fn new(
        options: impl Into<ConnectOptions>,
        command: impl Fn() -> Command + Send + Sync + 'static,
    ) -> Self {
        let program = Program { command: Arc::new(command), timeout: START_TIMEOUT, output: Output::Beside };
        Self { options: options.into(), program, requirement: None }
    }

    /// How long the program may take from its start until it listens. One that takes longer is ended, and the start has
    /// failed. A client that waits for another one's start waits as long. Default: 10 seconds.
    pub fn start_timeout(mut self, timeout: Duration) -> Self {
        self.program.timeout = timeout;
        self
    }

    /// Appends the output of the program to this file, instead of writing it to `PATH.log`. Default: `PATH.log`, which each
    /// start empties.
    pub fn log_file(mut self, path: impl Into<PathBuf>) -> Self {
        self.program.output = Output::File(path.into());
        self
    }

    /// Discards the output of the program. Then a failed start says only how the program has ended. Default: it is kept, in
    /// `PATH.log`.
    pub fn discard_output(mut self) -> Self {
        self.program.output = Output::Discard;
        self
    }

    /// Requires that the server [announces](crate::Server::announce) exactly this version. Each new connection of the
    /// channel asks for it, on a connection of its own. Default: any server will do.
    pub fn version(self, version: impl Into<String>) -> Self {
        let version = version.into();
        self.version_matching(version.clone(), move |server| server.version == version)
    }

    /// Requires a server of which `matches` returns `true`; `required` says in errors what that is, such as "2.1 or
    /// later". Default: any server will do.
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

    /// Asks a server of another version to leave ([`Channel::ask_to_leave`]), and starts the program when the address is
    /// free. The old server finishes its calls meanwhile. It takes [`version`](Self::version) or
    /// [`version_matching`](Self::version_matching), before this. Two programs that require different versions of one
    /// address replace each other's server for ever. Default: another version is an error, [`LaunchError::Version`].
    pub fn replace_other_versions(mut self) -> Self {
        if let Some(requirement) = &mut self.requirement {
            requirement.replace = true;
        }
        self
    }

    /// Where it connects.
    pub(crate) fn address(&self) -> Result<Address, ConnectError> {
        Ok(self.options.address.clone()?)
    }

    /// Connects, and starts the program first if nobody is there.
    ///
    /// # Errors
    /// [`LaunchError`]: the program does not start, ends, or takes too long; the server has another version; and what
    /// [`Channel::connect`] says of a server that is there.
    ///
    /// # Cancel safety
    /// Dropping the future gives up this client's connection. A start that has begun goes on, because other clients wait
    /// for it, too.
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

    /// Connects at the first call, and starts the program then if nobody is there. Calls fail with
    /// [`Unavailable`](tonic::Code::Unavailable) if that fails, and the next one tries again.
    ///
    /// # Errors
    /// As of [`Channel::lazy`].
    pub fn lazy(self) -> Result<Channel, ConnectError> {
        let mut connections = self.options.connections.clone();
        let connector = LaunchConnector {
            inner: Arc::new(backend::connector(self.options)?),
            program: self.program,
            requirement: self.requirement,
            connect_timeout: connections.connect_timeout,
        };
        // A connection takes as long as a start, which has its own limit, and so have the parts of it.
        connections.connect_timeout = connections.connect_timeout.saturating_add(connector.longest());
        Ok(Channel::new(BoxConnector::new(connector), connections))
    }
}

impl fmt::Debug for Launcher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Launcher").field("options", &self.options).finish_non_exhaustive()
    }
}
