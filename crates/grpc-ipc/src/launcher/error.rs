use std::ffi::OsString;
use std::io;
use std::process::ExitStatus;
use std::time::Duration;

use grpc_ipc_core::{BindError, ConnectError};
use tonic::Status;

use crate::Description;

/// Why a [`Launcher`](crate::Launcher) could not connect.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LaunchError {
    /// The address is invalid, or the client cannot connect to the running server.
    #[error(transparent)]
    Connect(ConnectError),
    /// The client cannot take the lock that decides which client starts the server.
    #[error("cannot take the lock for starting the server")]
    Lock(#[source] BindError),
    /// The file for the output of the server cannot be opened.
    #[error("cannot open the log file of the server")]
    Log(#[source] io::Error),
    /// The system failed to start the program.
    #[error("cannot start the server program {}", .program.display())]
    Spawn {
        /// The program.
        program: OsString,
        /// The operating system's error.
        source: io::Error,
    },
    /// The program ended before it listened.
    #[error("the server program {} ended with {status} before it listened{}", .program.display(), said(.output))]
    Exited {
        /// The program.
        program: OsString,
        /// How it ended.
        status: ExitStatus,
        /// The last lines of its standard output and standard error, at most 8 KiB. Empty if they are discarded
        /// ([`Launcher::discard_output`](crate::Launcher::discard_output)).
        output: String,
    },
    /// The program ended before it listened, and the system does not tell how: this process ignores `SIGCHLD`, or
    /// something else in it has waited for the program.
    #[error("the server program {} ended before it listened, with an unknown status{}", .program.display(), said(.output))]
    Lost {
        /// The program.
        program: OsString,
        /// The operating system's error.
        source: io::Error,
        /// The same as in [`Exited`](Self::Exited).
        output: String,
    },
    /// The program did not listen in time, so the launcher ended it.
    #[error(
        "the server program {} did not listen within {waited:?} and was ended{}", .program.display(), said(.output)
    )]
    TimedOut {
        /// The program.
        program: OsString,
        /// How long the client waited.
        waited: Duration,
        /// The last lines of its output, as in [`Exited`](Self::Exited).
        output: String,
    },
    /// Another client took too long to start the server, or to replace an old one.
    #[error("another client has been starting the server for {waited:?}; try again")]
    Waiting {
        /// How long this client waited.
        waited: Duration,
    },
    /// The server's version is not the one that this client requires.
    #[error(
        "the server (process {}) is {} version {}, but this client requires {required}; restart the server, or install the \
         same version of both", .found.pid, .found.name, .found.version
    )]
    Version {
        /// The version that the client requires.
        required: String,
        /// The running server.
        found: Description,
    },
    /// The server does not announce its version.
    #[error(
        "this client requires version {required} of the server, which does not announce it; call \
         Server::announce"
    )]
    NotAnnounced {
        /// The version that the client requires.
        required: String,
        /// The server's answer.
        #[source]
        status: Status,
    },
    /// The server announces its version, but did not tell it to this client, for example because it does not let the client
    /// call that method.
    #[error("this client requires version {required} of the server, which did not tell its version")]
    NotTold {
        /// What the client requires.
        required: String,
        /// The server's answer.
        #[source]
        status: Status,
    },
    /// The server has another version, and does not leave to be replaced.
    #[error(
        "the server (process {}) is {} version {} instead of {required}, and did not leave when asked; end it and try again", .found.pid, .found.name,
        .found.version
    )]
    DoesNotLeave {
        /// The version that the client requires.
        required: String,
        /// The running server.
        found: Description,
        /// The server's answer. `None` if it agreed to leave, but did not do so in time.
        #[source]
        status: Option<Status>,
    },
}

fn said(output: &str) -> String {
    match output {
        "" => String::new(),
        output => format!("; its last output:\n{output}"),
    }
}
