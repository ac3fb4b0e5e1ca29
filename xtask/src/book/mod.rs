//! `cargo xtask book`: builds the book in `crates/grpc-ipc/docs`, with the documentation of the crates beside it.

mod api;
mod links;
pub(crate) mod markdown;
mod preprocessor;

use std::fs;
use std::path::Path;

use crate::command::{cargo, command, run as run_command, works};
use crate::{Result, workspace};

pub(crate) use preprocessor::run as preprocess;

/// The directory of the book, relative to the workspace.
pub(crate) const SOURCE: &str = "crates/grpc-ipc/docs";
/// The directory of the crates' documentation, relative to the book.
const API: &str = "api";

pub(crate) fn run() -> Result {
    if !works(command("mdbook").arg("--version")) {
        println!("skipped: the book, because mdbook is missing; `cargo install --locked mdbook` installs it");
        return Ok(());
    }
    let mut doc = cargo();
    run_command(doc.args(["doc", "--locked", "--workspace", "--no-deps", "--all-features"]))?;
    let book = workspace::root().join("target/book");
    if book.exists() {
        fs::remove_dir_all(&book)?;
    }
    run_command(command("mdbook").args(["build", SOURCE]))?;
    copy(&workspace::root().join("target/doc"), &book.join(API))?;
    let broken = links::broken(&book)?;
    for link in &broken {
        println!("{link}");
    }
    println!("the book is in {}", book.join("index.html").display());
    if broken.is_empty() { Ok(()) } else { Err(format!("the book has {} broken links", broken.len()).into()) }
}

fn copy(from: &Path, to: &Path) -> Result {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let to = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy(&entry.path(), &to)?;
        } else {
            fs::copy(entry.path(), to)?;
        }
    }
    Ok(())
}
