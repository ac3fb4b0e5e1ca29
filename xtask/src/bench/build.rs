//! The programs, built with each profile.

use std::path::PathBuf;

use serde_json::Value;

use super::stack::Stack;
use crate::Result;
use crate::command::{cargo, output, shown};

/// How the programs are built.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum Profile {
    /// What `cargo build --release` does.
    Release,
    /// `[profile.lto]`.
    Lto,
}

impl Profile {
    pub(super) const ALL: [Self; 2] = [Self::Release, Self::Lto];

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Release => "release",
            Self::Lto => "lto",
        }
    }
}

pub(super) struct Programs {
    target: PathBuf,
}

impl Programs {
    pub(super) fn build(profiles: impl IntoIterator<Item = Profile>) -> Result<Self> {
        let metadata = output(cargo().args(["metadata", "--format-version=1", "--no-deps", "--locked"]))?;
        let metadata: Value = serde_json::from_str(&metadata)?;
        let target = metadata["target_directory"].as_str().ok_or("cargo has no target directory")?;
        for profile in profiles {
            build(profile, target, &["--package=grpc-ipc-examples", "--bin=peer"])?;
            build(profile, target, &["--manifest-path=benches/peers/Cargo.toml"])?;
        }
        Ok(Self { target: target.into() })
    }

    pub(super) fn path(&self, stack: Stack, profile: Profile) -> PathBuf {
        self.target.join(profile.name()).join(stack.program())
    }
}

fn build(profile: Profile, target: &str, what: &[&str]) -> Result {
    let mut build = cargo();
    build.args(["build", "--locked", "--profile", profile.name(), "--target-dir", target]).args(what);
    // Standard output is for the table.
    eprintln!("$ {}", shown(&build));
    if build.status()?.success() { Ok(()) } else { Err(format!("{} has failed", shown(&build)).into()) }
}
