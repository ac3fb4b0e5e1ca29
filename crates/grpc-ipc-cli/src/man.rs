//! `grpc-ipc man`: the manual page.

use std::path::PathBuf;

use clap::{Args, CommandFactory as _};

use crate::CommandLine;
use crate::failure::Failure;
use crate::output::print;

/// Prints the manual page, or writes a page for each command to a directory
///
/// To read it: grpc-ipc man | man -l -
#[derive(Args)]
pub(crate) struct Arguments {
    /// Writes grpc-ipc.1, grpc-ipc-call.1 and the other pages to this directory
    #[arg(long, value_name = "DIRECTORY")]
    directory: Option<PathBuf>,
}

pub(crate) fn run(arguments: &Arguments) -> Result<(), Failure> {
    // `help` does not get a page of its own.
    let command = CommandLine::command().disable_help_subcommand(true);
    if let Some(directory) = &arguments.directory {
        return clap_mangen::generate_to(command, directory).map_err(|error| {
            Failure::new(format!("cannot write to {}: {error}", directory.display()))
                .hint("Create the directory first, or choose one that you may write to.")
        });
    }
    let mut page = Vec::new();
    clap_mangen::Man::new(command)
        .render(&mut page)
        .map_err(|error| Failure::new(format!("cannot make the manual page: {error}")))?;
    print(&page)
}
