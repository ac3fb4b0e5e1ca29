//! The command `grpc-ipc`.
#![forbid(unsafe_code)]

mod access;
mod address;
mod bridge;
mod call;
mod codec;
mod completions;
mod connection;
mod deadline;
mod describe;
mod duration;
mod failure;
mod health;
mod interrupt;
mod list;
mod man;
mod metadata;
mod new;
mod output;
mod peer;
mod schema;
mod status;
mod suggest;
mod target;
mod wait;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::failure::Failure;

/// Calls gRPC services on this machine, and shows who serves them.
#[derive(Parser)]
#[command(name = "grpc-ipc", version, after_long_help = failure::EXIT_CODES)]
struct CommandLine {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    List(list::Arguments),
    Describe(describe::Arguments),
    Call(Box<call::Arguments>),
    Health(health::Arguments),
    Peer(peer::Arguments),
    #[command(mut_arg("wait", |arg| arg.hide(true)))]
    Wait(wait::Arguments),
    #[command(mut_arg("authority", |arg| arg.hide(true)))]
    #[command(mut_arg("user_agent", |arg| arg.hide(true)))]
    #[command(mut_arg("keepalive_time", |arg| arg.hide(true)))]
    Bridge(bridge::Arguments),
    Completions(completions::Arguments),
    Man(man::Arguments),
    New(new::Arguments),
}

#[tokio::main]
async fn main() -> ExitCode {
    let result = run(CommandLine::parse().command).await;
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => failure.report(),
    }
}

async fn run(command: Command) -> Result<(), Failure> {
    match command {
        Command::List(arguments) => list::run(arguments).await,
        Command::Describe(arguments) => describe::run(arguments).await,
        Command::Call(arguments) => call::run(*arguments).await,
        Command::Health(arguments) => health::run(arguments).await,
        Command::Peer(arguments) => peer::run(arguments).await,
        Command::Wait(arguments) => wait::run(arguments).await,
        Command::Bridge(arguments) => bridge::run(arguments).await,
        Command::Completions(arguments) => completions::run(&arguments),
        Command::Man(arguments) => man::run(&arguments),
        Command::New(arguments) => new::run(&arguments),
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        CommandLine::command().debug_assert();
    }
}
