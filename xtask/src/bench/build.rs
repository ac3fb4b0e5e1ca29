//! Builds the programs with each profile.

use std::ffi::OsString;
use std::path::PathBuf;

use serde_json::Value;

use super::foreign;
use super::stack::{PEER, Stack};
use crate::Result;
use crate::command::{cargo, output, run_quietly};

/// How the programs are built.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Profile {
    /// As with `cargo build --release`.
    Release,
    /// `[profile.lto]`.
    Lto,
    /// `[profile.profiling]`: like `Release`, with function names. Only our own program is built this way.
    Profiling,
}

impl Profile {
    /// The profiles that are measured.
    pub(super) const ALL: [Self; 2] = [Self::Release, Self::Lto];

    pub(super) fn named(name: &str) -> Result<Self> {
        let known = Self::ALL.into_iter().find(|profile| profile.name() == name);
        known.ok_or_else(|| format!("{name}: expected release or lto").into())
    }

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Release => "release",
            Self::Lto => "lto",
            Self::Profiling => "profiling",
        }
    }
}

pub(super) struct Programs {
    target: PathBuf,
}

impl Programs {
    /// Builds the programs of all stacks.
    pub(super) fn build(profiles: impl IntoIterator<Item = Profile>) -> Result<Self> {
        let target = target()?;
        for profile in profiles {
            build(profile, &target, &OURS)?;
            if profile != Profile::Profiling {
                build(profile, &target, &["--manifest-path=benches/peers/Cargo.toml"])?;
            }
        }
        Ok(Self { target: target.into() })
    }

    /// Builds only our own program.
    pub(super) fn build_ours(profile: Profile) -> Result<Self> {
        let target = target()?;
        build(profile, &target, &OURS)?;
        Ok(Self { target: target.into() })
    }

    /// The command line of a stack's program.
    pub(super) fn command(&self, stack: Stack, profile: Profile) -> Vec<OsString> {
        if stack.is_foreign() {
            return foreign::words(stack);
        }
        vec![self.target.join(profile.name()).join(stack.program()).into()]
    }
}

/// Our own program, which is also tonic's.
pub(super) const OURS: [&str; 3] = ["--package=grpc-ipc-examples", "--bin", PEER];

fn target() -> Result<String> {
    let metadata = output(cargo().args(["metadata", "--format-version=1", "--no-deps", "--locked"]))?;
    let metadata: Value = serde_json::from_str(&metadata)?;
    Ok(metadata["target_directory"].as_str().ok_or("cargo has no target directory")?.to_owned())
}

fn build(profile: Profile, target: &str, what: &[&str]) -> Result {
    let mut build = cargo();
    build.args(["build", "--locked", "--profile", profile.name(), "--target-dir", target]).args(what);
    run_quietly(&mut build)
}
