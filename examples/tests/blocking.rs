//! Runs the blocking `main` as a user does.

mod util;

use std::process::Command;

use util::{succeed, watch};

#[test]
fn a_main_without_a_runtime_serves_and_calls() {
    let _watchdog = watch("a_main_without_a_runtime_serves_and_calls");
    let printed = succeed(&mut Command::new(env!("CARGO_BIN_EXE_blocking")));
    let (listening, rest) = printed.split_once('\n').unwrap();
    assert!(listening.starts_with("listening on ") && listening.contains("blocking-"), "{printed}");
    let expected = [
        "thread grpc-ipc-server greets Ada",
        "Hello Ada",
        "thread grpc-ipc-server greets Grace",
        "Hello Grace",
        "shut down",
    ];
    assert_eq!(rest.lines().collect::<Vec<_>>(), expected);
}
