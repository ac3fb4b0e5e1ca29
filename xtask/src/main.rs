//! The project's commands. `cargo xtask` alone lists them.
#![forbid(unsafe_code)]

mod bench;
mod book;
mod command;
mod cross;
mod faults;
mod fuzz;
mod models;
mod public_api;
mod release;
mod setup;
mod summary;
mod test;
mod tidy;
mod wine;
mod workspace;

use std::process::ExitCode;
use std::sync::LazyLock;

const USAGE: &str = "\
cargo xtask COMMAND

  test [--require PLATFORM]...   runs every check that this machine can run, and says what it skipped and why;
                                 with --require linux|macos|windows it fails if that platform was skipped, or
                                 anything on it that setup would have installed
  tidy                           checks the invariants of ARCHITECTURE.md
  bench [--seconds N] [--rounds N] [--profile release|lto] [SECTION]...
                                 measures grpc-ipc beside other stacks (Linux), and prints a table in Markdown;
                                 sections: calls, streams, large, h2load, instructions, syscalls, allocations, memory,
                                 pipe (all of them)
  bench --gate [--update]        fails if a call costs more instructions, system calls or allocations than it may
                                 (xtask/bench-limits.txt); --update writes what it costs as the new limits
  faults [--short] [SCENARIO]... kills, stops, restarts and overloads servers and clients, and counts what becomes of the
                                 calls; --help lists the scenarios (all of them)
  fuzz [--seconds N] [TARGET]...
                                 gives the HTTP/2 engine arbitrary input, for 60 seconds a target; targets: frames,
                                 hpack_decode, hpack_round_trip, server, client, differential (all of them)
  models [--seconds N]           tries in what order tasks can run, for 10 seconds a model; and runs Miri, if it is there
  book                           builds the book of crates/grpc-ipc/docs, with the documentation of the crates, into
                                 target/book, and checks its links; needs mdbook, and says so where it is missing
  public-api [--update]          compares the public API of the published crates with crates/*/public-api*.txt, or writes
                                 them (Linux)
  release [--require-all]        checks the minimum Rust version, dependencies, SemVer, the public API, and a dry run of
                                 publishing; with --require-all it fails if a tool is missing
  setup                          installs what tests and benchmarks need beside Rust (Debian, as root; on other systems the
                                 peers that they can run)
  wine PROGRAM [ARGUMENT]...     runs a Windows program under the Wine that setup has installed";

type Result<T = ()> = std::result::Result<T, Box<dyn std::error::Error>>;

fn main() -> ExitCode {
    LazyLock::force(&wine::PROGRAM);
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let result = match arguments[..] {
        ["test", ref options @ ..] => test::run(options),
        ["tidy"] => tidy::run(),
        ["bench", ref options @ ..] => bench::run(options),
        ["faults", ref options @ ..] => faults::run(options),
        ["fuzz", ref options @ ..] => fuzz::run(options),
        ["models", ref options @ ..] => models::run(options),
        ["public-api", ref options @ ..] => public_api::run(options),
        ["release", ref options @ ..] => release::run(options),
        ["setup"] => setup::run(),
        ["book"] => book::run(),
        ["book-preprocessor", ref arguments @ ..] => book::preprocess(arguments),
        ["wine", program, ref arguments @ ..] => wine::run(program, arguments),
        _ => Err(USAGE.into()),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}
