//! `grpc-ipc completions`: scripts that complete command lines.

use clap::{Args, CommandFactory as _};
use clap_complete::Shell;

use crate::CommandLine;
use crate::failure::Failure;
use crate::output::print;

/// Prints a script that completes the command line of grpc-ipc in your shell
///
/// For bash: grpc-ipc completions bash > ~/.local/share/bash-completion/completions/grpc-ipc
///
/// For zsh: grpc-ipc completions zsh > DIRECTORY/_grpc-ipc, where DIRECTORY is one of $fpath
///
/// For fish: grpc-ipc completions fish > ~/.config/fish/completions/grpc-ipc.fish
///
/// For PowerShell: grpc-ipc completions powershell >> $PROFILE
///
/// For elvish: grpc-ipc completions elvish >> ~/.config/elvish/rc.elv
#[derive(Args)]
pub(crate) struct Arguments {
    /// The shell that runs the script
    shell: Shell,
}

pub(crate) fn run(arguments: &Arguments) -> Result<(), Failure> {
    let mut script = Vec::new();
    clap_complete::generate(arguments.shell, &mut CommandLine::command(), "grpc-ipc", &mut script);
    let script = String::from_utf8_lossy(&script);
    // In bash's script, clap_complete takes the hyphen of a program's name for the separator of its subcommands, in one
    // of two places (https://github.com/clap-rs/clap/issues/6421).
    print(script.replace("grpc__subcmd__ipc", "grpc__ipc").as_bytes())
}
