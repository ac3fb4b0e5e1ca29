//! The programs in other languages, which `cargo xtask setup` installs.

use std::ffi::OsString;
use std::path::PathBuf;

use super::stack::Stack;
use crate::command::{command, output};
use crate::{dotnet, setup, workspace};

/// The command line of a stack's program. Empty for stacks in Rust, and for .NET if the variable is not set.
pub(super) fn words(stack: Stack) -> Vec<OsString> {
    let built = |name: &str| workspace::root().join("target/peers").join(name);
    let source = |name: &str| workspace::root().join("examples/peers/bench").join(name);
    let words: Vec<PathBuf> = match stack {
        Stack::Cpp => vec![built("bench/bench-cpp")],
        Stack::Go => vec![built("bench/bench-go")],
        Stack::Python => vec![built("python/bin/python"), source("bench.py")],
        Stack::Node => vec!["node".into(), source("bench.js")],
        Stack::Dotnet => std::env::var_os(dotnet::LINUX).map(PathBuf::from).into_iter().collect(),
        _ => Vec::new(),
    };
    words.into_iter().map(PathBuf::into_os_string).collect()
}

/// The versions of a stack and its language, or why its program cannot run here.
pub(super) fn version(stack: Stack) -> Result<String, String> {
    let words = words(stack);
    if stack == Stack::Dotnet {
        let version = words.first().and_then(|program| dotnet::version(program.as_ref()));
        return version.ok_or_else(|| format!("{} is not set to a .NET peer", dotnet::LINUX));
    }
    let Some((program, arguments)) = words.split_first() else {
        return Err("it has no program".to_owned());
    };
    match output(command(program).args(arguments).arg("version")) {
        Ok(version) => Ok(version.trim().to_owned()),
        Err(_) => Err(format!("its program does not run here; run `{}`", setup::CURE)),
    }
}
