//! `cargo xtask tidy`: checks the invariants of ARCHITECTURE.md.

mod book;
mod conformance;
mod dependencies;
mod options;
mod packages;
mod readme;
mod source;
mod tables;

use crate::Result;

pub(crate) use dependencies::{members, metadata};
pub(crate) use packages::{libraries, published};
pub(crate) use readme::features;

/// The problems, one per line.
type Findings = Vec<String>;
type Check = fn() -> Result<Findings>;

pub(crate) fn run() -> Result {
    let checks: [(&str, Check); 12] = [
        ("dependencies point downwards", dependencies::check),
        ("unsafe code is confined", source::unsafe_code),
        ("platforms are told apart in one place", source::platforms),
        ("options tell their defaults", options::check),
        ("every transport passes the conformance suite", conformance::check),
        ("packages are complete, and have no keys in them", packages::check),
        ("the pages of the book are whole", book::check),
        ("the rows of tables are lines", tables::check),
        ("the README agrees with the manifests", readme::check),
        ("the tables of peers agree with the last run", interop),
        ("the templates of grpc-ipc new agree with the examples", templates),
        ("the report of the benchmarks agrees with its figures", crate::bench::outdated),
    ];
    let mut wrong = 0;
    for (what, check) in checks {
        let findings = check()?;
        println!("{} {what}", if findings.is_empty() { "ok    " } else { "WRONG " });
        for finding in &findings {
            println!("       {finding}");
        }
        wrong += findings.len();
    }
    if wrong == 0 { Ok(()) } else { Err(format!("tidy: {wrong} findings").into()) }
}

fn interop() -> Result<Findings> {
    let outdated = crate::interop::outdated()?;
    let differs =
        |path| format!("{path} differs from interoperability.json: run `cargo xtask interop --update`");
    Ok(outdated.into_iter().map(differs).collect())
}

fn templates() -> Result<Findings> {
    let outdated = crate::templates::outdated()?;
    Ok(outdated
        .into_iter()
        .map(|path| format!("{path} is out of date: run `cargo xtask templates`"))
        .collect())
}
