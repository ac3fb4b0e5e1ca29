//! `cargo xtask public-api`: the public API of each published crate, in `crates/NAME/public-api.txt`, so that reviews
//! show changes to it. The text is made from rustdoc's JSON, whose format is unstable: the program that reads it
//! (`xtask/public-api`) supports a single version.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use crate::command::{cargo, output, run as run_command};
use crate::summary::Platform;
use crate::{Result, cross, tidy, workspace};

pub(crate) const READER: &str = "xtask/public-api/Cargo.toml";
/// The version of the JSON that it reads.
const FORMAT: u64 = 57;
const JSON: &str = "-Dwarnings -Zunstable-options --output-format=json";
/// The crates that are empty on other platforms, and the facade, which has a Windows module.
const WINDOWS: [&str; 3] = ["grpc-ipc", "grpc-ipc-named-pipe", "grpc-ipc-win32"];
const WINDOWS_TARGET: &str = "x86_64-pc-windows-msvc";

pub(crate) fn run(options: &[&str]) -> Result {
    let update = match options {
        [] => false,
        ["--update"] => true,
        _ => return Err(format!("{}: expected --update", options.join(" ")).into()),
    };
    let finish = |apis| match apis {
        Apis::Read(apis) => compare(&apis, update),
        Apis::OtherFormat(format) => Err(other_format(format).into()),
    };
    finish(host()?)?;
    match cross::missing() {
        None => finish(windows()?),
        Some(missing) => {
            println!("skipped, the API on Windows: {missing}");
            Ok(())
        }
    }
}

/// Compares them, unless this toolchain's JSON cannot be read.
pub(crate) fn check(platform: &mut Platform, apis: Result<Apis>) {
    match apis {
        Ok(Apis::Read(apis)) => platform.check("public API", compare(&apis, false)),
        Ok(Apis::OtherFormat(format)) => platform.skipped.push(other_format(format)),
        Err(error) => platform.check("public API", Err(error)),
    }
}

fn other_format(format: u64) -> String {
    format!(
        "this rustdoc writes JSON in format {format}, and {READER} is for format {FORMAT}; update the crate public-api there"
    )
}

/// What rustdoc has written.
pub(crate) enum Apis {
    Read(Vec<Api>),
    /// In a format that the reader does not know.
    OtherFormat(u64),
}

/// The API of a crate.
pub(crate) struct Api {
    file: PathBuf,
    text: String,
}

/// The APIs on this platform, which has to be Linux: other platforms have additional items.
pub(crate) fn host() -> Result<Apis> {
    let mut packages = tidy::libraries()?;
    packages.retain(|name| name == "grpc-ipc" || !WINDOWS.contains(&name.as_str()));
    let mut doc = documentation();
    run_command(doc.args(packages.iter().map(|name| format!("--package={name}"))).env("RUSTDOCFLAGS", JSON))?;
    read(&packages, &target().join("doc"), "public-api.txt")
}

/// The APIs that differ on Windows.
pub(crate) fn windows() -> Result<Apis> {
    let mut doc = cross::cargo_without_c("doc", WINDOWS_TARGET)?;
    // Of all packages, as for the documentation: what they depend on is then checked once.
    let packages = tidy::published()?;
    doc.args(["--no-deps", "--all-features"]).args(packages.iter().map(|name| format!("--package={name}")));
    run_command(doc.env("RUSTDOCFLAGS", JSON))?;
    let documentation = workspace::root().join("target/cross").join(WINDOWS_TARGET).join("doc");
    let mut apis = read(&WINDOWS.map(str::to_owned), &documentation, "public-api-windows.txt")?;
    // Of the facade, only the items that no other platform has.
    let Apis::Read(read) = &mut apis else { return Ok(apis) };
    for api in read {
        if api.file.starts_with("crates/grpc-ipc/") {
            let is_platforms = |line: &&str| line.contains("grpc_ipc::windows::");
            api.text = api.text.lines().filter(is_platforms).map(|line| format!("{line}\n")).collect();
        }
    }
    Ok(apis)
}

/// `cargo doc` with unstable options, in a separate target directory, because the flags would rerun the build scripts.
pub(crate) fn documentation() -> Command {
    let mut doc = cargo();
    doc.args(["doc", "--locked", "--no-deps", "--all-features", "--target-dir"]).arg(target());
    doc.env("RUSTC_BOOTSTRAP", "1");
    doc
}

fn target() -> PathBuf {
    workspace::root().join("target/documentation")
}

fn read(packages: &[String], documentation: &Path, name: &str) -> Result<Apis> {
    let mut apis = Vec::new();
    for package in packages {
        let json = documentation.join(package.replace('-', "_")).with_extension("json");
        let format = serde_json::from_str::<Value>(&fs::read_to_string(&json)?)?["format_version"].as_u64();
        if format != Some(FORMAT) {
            return Ok(Apis::OtherFormat(format.unwrap_or_default()));
        }
        let mut reader = cargo();
        reader.args([
            "run",
            "--quiet",
            "--locked",
            "--target-dir=target/public-api",
            "--manifest-path",
            READER,
        ]);
        reader.arg("--").arg(json);
        let file = Path::new("crates").join(package).join(name);
        apis.push(Api { file, text: output(&mut reader)? });
    }
    Ok(Apis::Read(apis))
}

/// Compares the APIs with their files and fails if they differ; with `update`, writes the files.
fn compare(apis: &[Api], update: bool) -> Result {
    let mut changed = String::new();
    for Api { file, text } in apis {
        if update {
            fs::write(workspace::root().join(file), text)?;
            println!("wrote {}", file.display());
            continue;
        }
        let known = workspace::read(file).unwrap_or_default();
        let difference = |sign: char, from: &str, other: &str| {
            let missing = from.lines().filter(|line| !other.lines().any(|known| known == *line));
            missing.map(|line| format!("{sign} {line}\n")).collect::<String>()
        };
        let lines = difference('-', &known, text) + &difference('+', text, &known);
        if !lines.is_empty() {
            changed += &format!("{}:\n{lines}", file.display());
        }
    }
    if changed.is_empty() {
        return Ok(());
    }
    Err(format!(
        "the public API has changed:\n{changed}If the change is intended, run `cargo xtask public-api --update` and commit the files."
    )
    .into())
}
