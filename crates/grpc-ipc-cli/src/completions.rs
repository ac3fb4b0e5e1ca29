//! `grpc-ipc completions`: scripts that complete command lines.

use clap::{Args, CommandFactory as _};
use clap_complete::Shell;

use crate::CommandLine;
use crate::failure::Failure;
use crate::output::print;

/// Prints a script that completes the command line of grpc-ipc in your shell
///
/// For bash: grpc-ipc completions bash > ~/.local/share/bash-completion/completions/grpc-ipc
#[derive(Args)]
pub(crate) struct Arguments {
    /// The shell that runs the script
    shell: Shell,
}

pub(crate) fn run(arguments: &Arguments) -> Result<(), Failure> {
    let mut script = Vec::new();
    clap_complete::generate(arguments.shell, &mut CommandLine::command(), "grpc-ipc", &mut script);
    print(&script)
}
