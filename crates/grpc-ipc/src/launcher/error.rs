use std::ffi::OsString;
use std::io;
use std::process::ExitStatus;
use std::time::Duration;

use grpc_ipc_core::{BindError, ConnectError};
use tonic::Status;

use crate::Description;

/// Why a [`Launcher`](crate::Launcher) has no server to connect to.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LaunchError {
    /// The address is wrong, or a server is there that the client cannot connect to.
    #[error(transparent)]
    Connect(ConnectError),
    /// Clients cannot agree on who starts the server.
    #[error("cannot take the lock that one client starts the server under")]
    Lock(#[source] BindError),
    /// The file for the output of the server cannot be opened.
    #[error("cannot open the log file of the server")]
    Log(#[source] io::Error),
    /// The system does not start the program.
    #[error("cannot start the server program {}", .program.display())]
    Spawn {
        /// The program.
        program: OsString,
        /// The operating system's error.
        source: io::Error,
    },
    /// The program has ended before it listened.
    #[error("the server program {} ended before it listened: {status}{}", .program.display(), said(.output))]
    Exited {
        /// The program.
        program: OsString,
        /// How it has ended.
        status: ExitStatus,
        /// The last lines that it has written to its standard output and standard error, at most 8 KiB; empty if they are
        /// discarded ([`Launcher::discard_output`](crate::Launcher::discard_output)).
        output: String,
    },
    /// The program runs, and has not listened in time. It was ended.
    #[error(
        "the server program {} did not listen within {waited:?} and was ended{}", .program.display(), said(.output)
    )]
    TimedOut {
        /// The program.
        program: OsString,
        /// How long it had.
        waited: Duration,
        /// As of [`Exited`](Self::Exited).
        output: String,
    },
    /// Another client has been starting the server, or waiting for an old one to leave, for too long.
    #[error("another client has not brought up the server within {waited:?}")]
    Waiting {
        /// How long this client has waited.
        waited: Duration,
    },
    /// The server has another version than this client requires.
    #[error(
        "the server (process {}) is {} version {}, and this client requires {required}; restart the server, or install the \
         same version of both", .found.pid, .found.name, .found.version
    )]
    Version {
        /// What the client requires.
        required: String,
        /// The server that is there.
        found: Description,
    },
    /// The server does not tell its version.
    #[error(
        "this client requires version {required} of the server, which does not tell its version; it has to call \
         Server::announce"
    )]
    NotAnnounced {
        /// What the client requires.
        required: String,
        /// What the server has answered.
        #[source]
        status: Status,
    },
    /// The server has another version, and does not make room for one of the right version.
    #[error(
        "the server (process {}) is {} version {} instead of {required}, and does not leave", .found.pid, .found.name,
        .found.version
    )]
    DoesNotLeave {
        /// What the client requires.
        required: String,
        /// The server that is there.
        found: Description,
        /// What the server has answered; `None` if it was going to leave, and has not in time.
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
