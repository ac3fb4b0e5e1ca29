//! The versions of the stacks.

use crate::Stack;

/// The stack and its version, and what it is built on.
pub(crate) fn of(stack: Stack) -> String {
    let packages: &[&str] = match stack {
        Stack::GrpcIpc | Stack::GrpcIpcTonicCode => &["grpc-ipc", "tonic"],
        Stack::Tonic => &["tonic", "hyper", "h2"],
    };
    packages.iter().map(|package| format!("{package} {}", locked(package))).collect::<Vec<_>>().join(", ")
}

/// The version of a package in the lock file with which this program was built.
fn locked(package: &str) -> &'static str {
    const LOCK: &str = include_str!("../../../Cargo.lock");
    let entry = format!("name = \"{package}\"\nversion = \"");
    let version = LOCK.split_once(&entry).and_then(|(_, rest)| rest.split_once('"'));
    version.map_or("?", |(version, _)| version)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_package_has_a_version() {
        let ours = of(Stack::GrpcIpc);
        assert!(ours.starts_with(concat!("grpc-ipc ", env!("CARGO_PKG_VERSION"), ", tonic 0.")), "{ours}");
        for stack in [Stack::GrpcIpc, Stack::Tonic] {
            assert!(!of(stack).contains('?'), "{}", of(stack));
        }
    }
}
