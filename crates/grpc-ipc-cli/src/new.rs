//! `grpc-ipc new`: begins a program.

mod files;
mod name;

use std::fmt::Write as _;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};

use crate::failure::Failure;
use crate::output::print;
use files::Files;

/// Creates a program that builds and runs: a service and its client, or what --template names
#[derive(Args)]
pub(crate) struct Arguments {
    /// The directory to create, or an empty one, such as `.`; its last part becomes the name of the package
    directory: PathBuf,
    /// What the program is
    #[arg(long, value_enum, default_value_t = Template::Service)]
    template: Template,
    /// The name of the package, if it is not that of the directory
    #[arg(long)]
    name: Option<String>,
    /// Uses the crates in this checkout of grpc-ipc instead of those on crates.io
    #[arg(long, value_name = "DIRECTORY")]
    grpc_ipc_path: Option<PathBuf>,
}

/// RELEASING.md says when to remove it.
const UNPUBLISHED: &str = "
grpc-ipc is not on crates.io yet, so Cargo cannot find it for this package. Remove the directory, clone the
repository of grpc-ipc, and run this command again: add --grpc-ipc-path DIRECTORY, the directory of the clone.
";

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Template {
    /// A service and its client
    Service,
    /// A daemon, and a command line that starts it when it is needed
    Daemon,
    /// A desktop program, and the helper process that works for it
    Desktop,
    /// A host that starts plug-ins, calls them, and answers their calls (Unix)
    Plugin,
}

impl Template {
    fn files(self) -> Files {
        match self {
            Self::Service => files::SERVICE,
            Self::Daemon => files::DAEMON,
            Self::Desktop => files::DESKTOP,
            Self::Plugin => files::PLUGIN,
        }
    }

    /// The first commands to try.
    fn commands(self) -> &'static [&'static str] {
        match self {
            Self::Service => &[
                "cargo run --bin server       (in one terminal)",
                "cargo run --bin client Ada   (in another)",
            ],
            Self::Daemon => &[
                "cargo build",
                "cargo run --bin notes add \"buy milk\"",
                "cargo run --bin notes list",
                "cargo run --bin notes stop",
            ],
            Self::Desktop => &["cargo build", "cargo run --bin program"],
            Self::Plugin => &["cargo build", "cargo run --bin host"],
        }
    }
}

pub(crate) fn run(arguments: &Arguments) -> Result<(), Failure> {
    let Arguments { directory, template, .. } = arguments;
    let name = match &arguments.name {
        Some(name) => name.clone(),
        None => name::of_directory(directory)?,
    };
    name::check(&name, template.files()).map_err(|problem| match &arguments.name {
        Some(_) => problem.hint("Choose another NAME."),
        None => problem.hint(
            "Use letters, digits, - and _. If only the directory is to have this name, add --name NAME.",
        ),
    })?;
    let patch = arguments.grpc_ipc_path.as_deref().map(patch).transpose()?;

    create(directory)?;
    if let Err((path, error)) = write(directory, *template, &name, patch.as_deref()) {
        // This command has created all of it: the directory was empty, or did not exist.
        for entry in fs::read_dir(directory).into_iter().flatten().flatten() {
            _ = fs::remove_file(entry.path()).or_else(|_| fs::remove_dir_all(entry.path()));
        }
        return Err(Failure::new(format!("cannot write {}: {error}", path.display()))
            .hint(format!("{} was emptied again.", directory.display())));
    }
    print(report(directory, *template, &name, patch.is_some()).as_bytes())
}

/// The end of a manifest that uses the crates of a checkout.
fn patch(checkout: &Path) -> Result<String, Failure> {
    let checkout = std::path::absolute(checkout)
        .map_err(|error| Failure::new(format!("{}: {error}", checkout.display())))?;
    let mut patch = String::from(
        "\n# Uses a checkout of grpc-ipc instead of the crates on crates.io.\n[patch.crates-io]\n",
    );
    for krate in ["grpc-ipc", "grpc-ipc-build"] {
        let path = checkout.join("crates").join(krate);
        if !path.join("Cargo.toml").is_file() {
            return Err(Failure::wrong_input(format!(
                "{} is not a checkout of grpc-ipc",
                checkout.display()
            ))
            .hint(format!("It has no {}. Name the directory that has the README.", path.display())));
        }
        let path = path.to_string_lossy().replace('\\', "\\\\").replace('"', "\\\"");
        _ = writeln!(patch, "{krate} = {{ path = \"{path}\" }}");
    }
    Ok(patch)
}

/// Creates the directory, unless it exists and is empty.
fn create(directory: &Path) -> Result<(), Failure> {
    let is_empty = fs::read_dir(directory).map(|mut entries| entries.next().is_none());
    match is_empty {
        Ok(true) => return Ok(()),
        Ok(false) => {
            return Err(Failure::new(format!("{} is not empty", directory.display()))
                .hint("Choose another directory, or empty this one first."));
        }
        Err(_) => {}
    }
    fs::create_dir_all(directory).map_err(|error| {
        Failure::new(format!("cannot create {}: {error}", directory.display()))
            .hint("Choose a directory in which you may write.")
    })
}

fn write(
    directory: &Path,
    template: Template,
    name: &str,
    patch: Option<&str>,
) -> Result<(), (PathBuf, io::Error)> {
    for (path, text) in template.files() {
        let mut text =
            text.replace("{{project-name}}", name).replace("{{crate_name}}", &name.replace('-', "_"));
        if *path == "Cargo.toml" {
            text += patch.unwrap_or_default();
        }
        let path = directory.join(path);
        let parent = path.parent().unwrap_or(directory);
        fs::create_dir_all(parent).and_then(|()| fs::write(&path, text)).map_err(|error| (path, error))?;
    }
    Ok(())
}

/// What was created, and what to do next.
fn report(directory: &Path, template: Template, name: &str, patched: bool) -> String {
    let mut report = format!("Created the package {name}:\n\n");
    for (path, _) in template.files() {
        _ = writeln!(report, "  {}", directory.join(path).display());
    }
    if !patched {
        report += UNPUBLISHED;
    }
    if let Some(workspace) = workspace_around(directory) {
        report += &how_to_join(&workspace, directory, patched);
    }
    report += "\nRun it:\n\n";
    if directory != Path::new(".") {
        _ = writeln!(report, "  cd {}", directory.display());
    }
    for command in template.commands().iter().chain(&["cargo test"]) {
        _ = writeln!(report, "  {command}");
    }
    report
}

/// How to make the package a member of the workspace that it is in. Otherwise, Cargo refuses to build it.
fn how_to_join(workspace: &Path, directory: &Path, patched: bool) -> String {
    let absolute = std::path::absolute(directory).unwrap_or(directory.to_owned());
    let root = workspace.parent().unwrap_or(Path::new(""));
    let member = absolute.strip_prefix(root).unwrap_or(directory).to_string_lossy().replace('\\', "/");
    let mut text = format!(
        "\nThe directory is inside of a workspace, {}: add \"{member}\" to the `members` there, unless they \
         include it already.\n",
        workspace.display()
    );
    if patched {
        text += "Move the section [patch.crates-io] there as well: Cargo ignores it in a member.\n";
    }
    _ = writeln!(
        text,
        "Or keep the package apart: add the line [workspace] to the end of {}.",
        directory.join("Cargo.toml").display()
    );
    text
}

/// The manifest of a workspace that the directory is in.
fn workspace_around(directory: &Path) -> Option<PathBuf> {
    let directory = std::path::absolute(directory).ok()?;
    let manifests = directory.ancestors().skip(1).map(|above| above.join("Cargo.toml"));
    manifests.into_iter().find(|manifest| {
        fs::read_to_string(manifest).is_ok_and(|text| {
            text.lines().any(|line| {
                let line = line.trim_start();
                line.starts_with("[workspace]") || line.starts_with("[workspace.")
            })
        })
    })
}
