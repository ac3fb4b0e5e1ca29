use std::fs::OpenOptions;
use std::io::Write as _;

/// Records that `test` did not run, and why. `cargo xtask test` names a file in `GRPC_IPC_SKIPPED` and prints what it
/// finds there, so that a skipped test never looks like one that passed.
///
/// # Panics
/// When that file cannot be written: a skip must not get lost.
pub fn skip(test: &str, reason: &str) {
    eprintln!("skipped {test}: {reason}");
    if let Some(path) = std::env::var_os("GRPC_IPC_SKIPPED") {
        let file = OpenOptions::new().create(true).append(true).open(&path);
        let line = format!("{test}: {reason}\n");
        file.and_then(|mut file| file.write_all(line.as_bytes())).expect("the file in GRPC_IPC_SKIPPED");
    }
}
