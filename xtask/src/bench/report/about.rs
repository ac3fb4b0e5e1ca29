//! When, where and with what a report was measured.

use std::fs;

use serde_json::{Value, json};

use crate::Result;
use crate::bench::Bench;
use crate::bench::foreign;
use crate::bench::stack::Stack;
use crate::command::{command, output};
use crate::workspace;

/// The crates whose versions a report states, and the lock file that has them.
const CRATES: [(&str, &str); 7] = [
    ("grpc-ipc", "Cargo.lock"),
    ("tokio", "Cargo.lock"),
    ("tonic", "Cargo.lock"),
    ("hyper", "Cargo.lock"),
    ("h2", "Cargo.lock"),
    ("tarpc", "benches/peers/Cargo.lock"),
    ("ttrpc", "benches/peers/Cargo.lock"),
];

#[derive(Debug, PartialEq)]
pub(super) struct About {
    pub(super) date: String,
    /// The command with its options.
    pub(super) options: String,
    /// How long it took, in minutes, with the builds.
    pub(super) minutes: u64,
    pub(super) machine: String,
    /// Each program with its version.
    pub(super) versions: Vec<String>,
}

impl About {
    pub(super) fn here(bench: &Bench) -> Result<Self> {
        let mut versions = vec![first_words(&output(command("rustc").arg("--version"))?, 2)];
        for (name, lock) in CRATES {
            versions.push(format!("{name} {}", version(&workspace::read(lock)?, name)?));
        }
        let foreign = Stack::ALL.into_iter().filter(|stack| stack.is_foreign());
        for version in foreign.filter_map(|stack| foreign::version(stack).ok()) {
            if !versions.contains(&version) {
                versions.push(version);
            }
        }
        let quick = if bench.quick { " --quick" } else { "" };
        Ok(Self {
            date: output(command("date").args(["--utc", "+%Y-%m-%d"]))?.trim().to_owned(),
            options: format!(
                "cargo xtask bench{quick} --seconds {} --rounds {}",
                bench.seconds, bench.rounds
            ),
            minutes: bench.began.elapsed().as_secs().div_ceil(60),
            machine: machine()?,
            versions,
        })
    }

    pub(super) fn to_json(&self) -> Value {
        json!({
            "date": self.date, "command": self.options, "minutes": self.minutes, "machine": self.machine,
            "versions": self.versions,
        })
    }

    pub(super) fn from_json(value: &Value) -> Option<Self> {
        let text = |name: &str| Some(value[name].as_str()?.to_owned());
        let versions = value["versions"].as_array()?.iter();
        Some(Self {
            date: text("date")?,
            options: text("command")?,
            minutes: value["minutes"].as_u64()?,
            machine: text("machine")?,
            versions: versions.map(|version| Some(version.as_str()?.to_owned())).collect::<Option<_>>()?,
        })
    }
}

/// The processor, memory and system.
fn machine() -> Result<String> {
    let cpu = fs::read_to_string("/proc/cpuinfo")?;
    let field = |name: &str| {
        let line = cpu.lines().find(|line| line.starts_with(name));
        line.and_then(|line| line.split_once(": ")).map(|(_, value)| value.trim())
    };
    let is_virtual = field("flags").is_some_and(|flags| flags.split(' ').any(|flag| flag == "hypervisor"));
    let memory = fs::read_to_string("/proc/meminfo")?;
    let memory = memory.split_whitespace().nth(1).and_then(|kilobytes| kilobytes.parse::<f64>().ok());
    let release = fs::read_to_string("/etc/os-release").unwrap_or_default();
    let name = release.lines().find_map(|line| line.strip_prefix("PRETTY_NAME=")).unwrap_or("Linux");
    let cores = std::thread::available_parallelism()?;
    Ok(format!(
        "{cores} cores of {}{}, {:.0} GiB, {}, kernel {}",
        field("model name").unwrap_or("an unknown processor"),
        if is_virtual { " (virtual machine)" } else { "" },
        memory.unwrap_or_default() / f64::from(1 << 20),
        name.trim_matches('"'),
        output(command("uname").arg("-r"))?.trim(),
    ))
}

fn first_words(text: &str, count: usize) -> String {
    text.split_whitespace().take(count).collect::<Vec<_>>().join(" ")
}

/// The version of a crate in a lock file. The greatest, if there are several.
fn version(lock: &str, name: &str) -> Result<String> {
    let start = format!("name = \"{name}\"\nversion = \"");
    let version = lock.split(&start).skip(1).last().and_then(|rest| rest.split('"').next());
    Ok(version.ok_or_else(|| format!("no lock file has {name}"))?.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_read_from_lock_files() {
        let lock =
            "name = \"h2\"\nversion = \"0.3.1\"\n\nname = \"h2\"\nversion = \"0.4.20\"\nsource = \"x\"\n";
        assert_eq!(version(lock, "h2").unwrap(), "0.4.20");
        assert!(version(lock, "tonic").is_err());
        for (name, lock) in CRATES {
            version(&workspace::read(lock).unwrap(), name).unwrap();
        }
    }

    #[test]
    fn what_is_written_is_read() {
        let text = str::to_owned;
        let about = About {
            date: text("2026-01-01"),
            options: text("cargo xtask bench"),
            minutes: 4,
            machine: text("2 cores"),
            versions: vec![text("rustc 1.95.0")],
        };
        assert_eq!(About::from_json(&about.to_json()), Some(about));
    }
}
