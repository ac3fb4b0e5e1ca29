use std::fs::OpenOptions;
use std::io::Write as _;

/// Records that `test` did not run, and the reason. `cargo xtask test` sets `GRPC_IPC_SKIPPED` to a file, and prints
/// the lines in it, so that a skipped test does not look like a passed one.
///
/// # Panics
/// If that file cannot be written, because a skip must not go unnoticed.
pub fn skip(test: &str, reason: &str) {
    eprintln!("skipped {test}: {reason}");
    if let Some(path) = std::env::var_os("GRPC_IPC_SKIPPED") {
        let file = OpenOptions::new().create(true).append(true).open(&path);
        let line = format!("{test}: {reason}\n");
        file.and_then(|mut file| file.write_all(line.as_bytes())).expect("the file in GRPC_IPC_SKIPPED");
    }
}
