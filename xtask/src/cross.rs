//! Builds for other platforms on Debian, with Debian's own Rust toolchain. It includes the source of the standard
//! library; rustup would have to download it.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::command::command;
use crate::{Result, wine, workspace};

pub(crate) const WINDOWS_GNU: &str = "x86_64-pc-windows-gnu";
const CARGO: &str = "/usr/bin/cargo";

/// Why nothing can be built for another platform here, if so.
pub(crate) fn missing() -> Option<String> {
    let installed = Path::new(CARGO).exists() && Path::new("/usr/lib/rustlib/src").exists();
    (!installed)
        .then(|| "Debian's Rust toolchain with its source is missing; run `cargo xtask setup`".to_owned())
}

/// `cargo` for another target, with a separate target directory, because the two toolchains would rebuild each other's
/// output.
pub(crate) fn cargo(subcommand: &str, target: &str) -> Command {
    let mut path = OsString::from("/usr/bin:");
    path.push(std::env::var_os("PATH").unwrap_or_default());
    let mut command = command(CARGO);
    command
        .args([subcommand, "--locked", "-Zbuild-std=std,panic_unwind", "--target", target])
        .env("PATH", path)
        .env("RUSTC_BOOTSTRAP", "1")
        .env("RUSTFLAGS", "-Dwarnings")
        // It is built for a check, and not after every change.
        .env("CARGO_INCREMENTAL", "0")
        .env("CARGO_TARGET_DIR", workspace::root().join("target/cross"))
        .env("CARGO_TARGET_X86_64_PC_WINDOWS_GNU_RUNNER", wine::runner());
    command
}

/// A program for Windows, from a debug build.
pub(crate) fn windows_program(name: &str) -> PathBuf {
    workspace::root().join(format!("target/cross/{WINDOWS_GNU}/debug/{name}.exe"))
}

/// Stands in for the C compiler and the archiver. Their output is never linked.
const NO_COMPILER: &str = "\
#!/bin/sh
for argument; do
    case \"$argument\" in -out:*) : > \"${argument#-out:}\" ;; esac
done
";

/// `cargo` for a target without a C compiler, which some build scripts need (ring's).
pub(crate) fn cargo_without_c(subcommand: &str, target: &str) -> Result<Command> {
    let directory = workspace::root().join("target/cross");
    fs::create_dir_all(&directory)?;
    let stand_in = directory.join("no-compiler");
    fs::write(&stand_in, NO_COMPILER)?;
    make_executable(&stand_in)?;
    let mut cargo = cargo(subcommand, target);
    for tool in ["CC", "AR"] {
        cargo.env(format!("{tool}_{}", target.replace('-', "_")), &stand_in);
    }
    Ok(cargo)
}

#[cfg(unix)]
fn make_executable(path: &Path) -> Result {
    use std::os::unix::fs::PermissionsExt as _;

    Ok(fs::set_permissions(path, fs::Permissions::from_mode(0o755))?)
}

#[cfg(not(unix))]
fn make_executable(_: &Path) -> Result {
    Err("this works only on Linux".into())
}
