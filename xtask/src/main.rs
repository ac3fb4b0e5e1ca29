//! The project's commands. `cargo xtask` without a command lists them.
#![forbid(unsafe_code)]

mod bench;
mod book;
mod command;
mod cross;
mod dotnet;
mod faults;
mod fuzz;
mod interop;
mod models;
mod public_api;
mod release;
mod setup;
mod summary;
mod targets;
mod templates;
mod test;
mod tidy;
mod wine;
mod workspace;

use std::process::ExitCode;
use std::sync::LazyLock;

const USAGE: &str = "\
cargo xtask COMMAND

  test [--require PLATFORM]...   runs every check that this machine can run, and prints what it skipped and why;
                                 with --require linux|macos|windows|aarch64|s390x|musl, fails if that was skipped,
                                 or a check whose requirements setup installs
  tidy                           checks the invariants of ARCHITECTURE.md
  bench [--quick] [--seconds N] [--rounds N] [--profile release|lto]
                                 measures grpc-ipc and other stacks (Linux), and writes the report to
                                 crates/grpc-ipc/docs/performance; takes less than 45 minutes, with --quick less than 5
  bench [OPTION]... SECTION...   prints some sections of it; sections: calls, h2load, instructions, syscalls,
                                 allocations, memory, pipe
  bench --render                 writes the report's pages again from its figures
  bench --gate [--update]        fails if a call exceeds its limit of instructions, system calls or allocations
                                 (xtask/bench-limits.txt); --update writes the current costs as the new limits
  faults [--short] [SCENARIO]... kills, stops, restarts and overloads servers and clients, and counts the outcomes of
                                 calls; --help lists the scenarios (default: all)
  fuzz [--seconds N] [TARGET]...
                                 fuzzes the HTTP/2 engine, for 60 seconds per target; targets: frames, hpack_decode,
                                 hpack_round_trip, server, client, differential (default: all)
  interop [--peer NAME] [--transport uds|abstract|pipe|tcp] [CASE]...
                                 runs gRPC's interoperability cases, and others, between grpc-ipc and other
                                 implementations, in both directions, and prints a matrix (also in target/interop, with
                                 JSON); default: all peers, transports and cases
  interop --update               also writes the results to the README and the book; it takes --peer and --transport
  models [--seconds N]           explores the orders in which tasks can run, for 10 seconds per model, and runs Miri if it
                                 is installed
  book                           builds the book of crates/grpc-ipc/docs and the crates' documentation into target/book,
                                 and checks the links (requires mdbook)
  public-api [--update]          compares the public API of the published crates with crates/*/public-api*.txt (Linux);
                                 --update writes the files
  release [--require-all]        checks the minimum Rust version, dependencies, SemVer, the public API, and a dry run of
                                 publishing; with --require-all, fails if a tool is missing
  setup                          installs the requirements of tests and benchmarks besides Rust (on Debian, as root; on
                                 other systems only the peers that they can run)
  templates                      makes the templates of `grpc-ipc new` from the examples; tidy reports differences
  wine PROGRAM [ARGUMENT]...     runs a Windows program under the Wine that setup installs";

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
        ["interop", ref options @ ..] => interop::run(options),
        ["models", ref options @ ..] => models::run(options),
        ["public-api", ref options @ ..] => public_api::run(options),
        ["release", ref options @ ..] => release::run(options),
        ["setup"] => setup::run(),
        ["templates"] => templates::run(),
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
