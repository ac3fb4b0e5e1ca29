//! How the command fails: what happened, what to do, and the exit code.

use std::error::Error;
use std::fmt::{self, Write as _};
use std::io;
use std::process::ExitCode;

use grpc_ipc::tonic::Code;
use grpc_ipc::{BindError, ConnectError};

use crate::address::tilde_hint;
use crate::output::{escaped_json, escaped_lines};

/// Something else went wrong.
const OTHER: u8 = 1;
/// The command line or the input is wrong, as clap has it.
const WRONG_INPUT: u8 = 2;
/// The question was answered with no.
const NO: u8 = 3;
/// The status of a call is added to this, so that it is not mistaken for one of the above. grpcurl does the same.
const STATUS: u8 = 64;
/// What a shell reports of a program that Ctrl-C ended.
const INTERRUPTED: u8 = 130;
/// What a shell reports of a program that SIGTERM ended.
#[cfg(unix)]
const TERMINATED: u8 = 143;

/// For `--help`.
pub(crate) const EXIT_CODES: &str = "\
Exit codes: 0 success; 1 something went wrong on this side, such as a file that cannot be read; 2 the command line or \
the JSON is wrong; 3 the answer is no (health); 64 + the gRPC status code if the server cannot be reached or a call \
fails, so 69 is NOT_FOUND, 71 PERMISSION_DENIED and 78 UNAVAILABLE; 130 ended by Ctrl-C, 143 by SIGTERM (a bridge: \
0).";

/// A failure of the command.
#[derive(Debug)]
pub(crate) struct Failure {
    message: Option<String>,
    hint: Option<String>,
    /// For programs, in place of the message.
    text: Option<String>,
    code: u8,
}

impl Failure {
    fn with_code(message: impl Into<String>, code: u8) -> Self {
        Self { message: Some(message.into()), hint: None, text: None, code }
    }

    pub(crate) fn new(message: impl Into<String>) -> Self {
        Self::with_code(message, OTHER)
    }

    /// The command line or the input is wrong.
    pub(crate) fn wrong_input(message: impl Into<String>) -> Self {
        Self::with_code(message, WRONG_INPUT)
    }

    /// A call failed with `code`.
    pub(crate) fn of_call(message: impl Into<String>, code: Code) -> Self {
        Self::with_code(message, STATUS + code as u8)
    }

    /// The server cannot be reached.
    pub(crate) fn of_connect(error: &ConnectError) -> Self {
        match error {
            ConnectError::InvalidOption { option, source, .. } => {
                return Self::wrong_input(format!("{option} is not valid: {source}"));
            }
            ConnectError::TooLong { .. } => return Self::wrong_input(error.to_string()),
            _ => {}
        }
        let code = match error.kind() {
            io::ErrorKind::InvalidInput => Code::InvalidArgument,
            io::ErrorKind::PermissionDenied => Code::PermissionDenied,
            io::ErrorKind::Unsupported => Code::Unimplemented,
            _ => Code::Unavailable,
        };
        let failure = Self::of_call(with_sources(error), code);
        match error {
            ConnectError::Untrusted { .. } => failure.hint(
                "If you trust this server, name its user: --access user:NAME. `grpc-ipc peer` says who it is.",
            ),
            ConnectError::NotFound { address } | ConnectError::Refused { address } => failure.hint(
                tilde_hint(address).unwrap_or("Start the server, or wait until it starts: --wait 10s"),
            ),
            // What it speaks instead is in an error behind this one.
            _ if failure.says("the server speaks TLS") => failure.hint("For a server that speaks TLS: --cacert FILE"),
            _ => failure,
        }
    }

    /// The bridge cannot listen.
    pub(crate) fn of_bind(error: &BindError) -> Self {
        match error {
            BindError::InvalidOption { option, source, .. } => {
                Self::wrong_input(format!("{option} is not valid: {source}"))
            }
            BindError::TooLong { .. } => Self::wrong_input(error.to_string()),
            BindError::NoParent { address, .. } => {
                Self::new(with_sources(error)).hints(tilde_hint(address).map(str::to_owned))
            }
            _ => Self::new(with_sources(error)),
        }
    }

    fn says(&self, words: &str) -> bool {
        self.message.as_ref().is_some_and(|message| message.contains(words))
    }

    fn silent(code: u8) -> Self {
        Self { message: None, hint: None, text: None, code }
    }

    /// Ends the command successfully, without a message.
    pub(crate) fn done() -> Self {
        Self::silent(0)
    }

    /// The answer is no, and has been printed.
    pub(crate) fn no() -> Self {
        Self::silent(NO)
    }

    /// The user has pressed Ctrl-C.
    pub(crate) fn interrupted() -> Self {
        Self::silent(INTERRUPTED)
    }

    /// Another program has sent SIGTERM.
    #[cfg(unix)]
    pub(crate) fn terminated() -> Self {
        Self::silent(TERMINATED)
    }

    /// What the user can do.
    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// With more lines.
    pub(crate) fn and(mut self, more: &str) -> Self {
        if let Some(message) = &mut self.message {
            message.push_str(more);
        }
        self
    }

    /// Says nothing but `text`.
    pub(crate) fn with_text(self, text: String) -> Self {
        Self { text: Some(text), ..self }
    }

    /// The exit code alone: everything has been said.
    pub(crate) fn without_message(self) -> Self {
        Self { message: None, hint: None, ..self }
    }

    /// As [`hint`](Self::hint), if there is one.
    pub(crate) fn hints(self, hint: Option<String>) -> Self {
        match hint {
            Some(hint) => self.hint(hint),
            None => self,
        }
    }

    /// Prints the failure on standard error.
    pub(crate) fn report(&self) -> ExitCode {
        match (&self.text, &self.message) {
            (Some(text), _) => eprintln!("{}", escaped_json(text)),
            (None, Some(_)) => eprintln!("{}", escaped_lines(&self.to_string())),
            (None, None) => {}
        }
        ExitCode::from(self.code)
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(message) = &self.message {
            write!(f, "error: {message}")?;
        }
        if let Some(hint) = &self.hint {
            write!(f, "\n{hint}")?;
        }
        Ok(())
    }
}

/// An error with what caused it.
pub(crate) fn with_sources(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        _ = write!(text, ": {error}");
        source = error.source();
    }
    text
}
